// Windows side by side, two cells wide: a row of the target is a row of the source, every value
// at one cell of its pair, or at both. Nothing is buffered.
#pragma once

#include "job.h"
#include "rows.h"

namespace juanji {
namespace {

// Whether whole windows lie side by side from the first cell on, and rows are read in vectors.
inline bool in_pairs(const Job& job) {
  for (const Axis& axis : job.windows.axis)
    if (axis.kernel != axis.stride || axis.low != 0 || (axis.kernel > 1 && axis.dilation != 1) ||
        axis.coarse < 1 || axis.coarse * axis.stride > axis.fine)
      return false;
  return job.windows.axis[2].kernel == 2 && job.source.stride[2] == 1 &&
         (!job.numbers || job.numbers->stride[2] == 1);
}

// `pair(n, c, od, oh, row)`, `row` being the tap of a window at which the target row starts, makes
// a function that gives the vectors of the first and the second cells of `count` pairs from w on.
template <class S, class Pair>
void write_pairs(const Job& job, const Pair& pair) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  constexpr auto all = std::make_index_sequence<width>{};
  const auto& axis = job.windows.axis;
  const View& target = job.target;
  const int64_t pairs = axis[2].coarse;
  int64_t groups = (axis[1].fine + axis[1].stride - 1) / axis[1].stride;  // of rows, a window high
  int64_t tasks = target.batch * target.channels * axis[0].fine * groups;
  parallel(tasks, [&](int64_t begin, int64_t end) {
    int64_t oh = begin % groups, d = begin / groups % axis[0].fine;
    int64_t c = begin / groups / axis[0].fine % target.channels;
    int64_t n = begin / groups / axis[0].fine / target.channels;
    for (int64_t task = begin; task < end; ++task) {
      int64_t od = axis[0].stride == 1 ? d : d / axis[0].stride;
      for (int64_t i = 0; i < axis[1].stride; ++i) {
        int64_t h = oh * axis[1].stride + i;
        if (h >= axis[1].fine) break;
        S* to = target.at<S>(n, c) + d * target.stride[0] + h * target.stride[1];
        if (od >= axis[0].coarse || oh >= axis[1].coarse) {
          std::fill(to, to + axis[2].fine, S{});
          continue;
        }
        auto values = pair(n, c, od, oh, ((d - od * axis[0].stride) * axis[1].kernel + i) * 2);
        int64_t w = 0;
        auto write = [&] {
          auto [first, second] = values(w, int64_t(width));
          interleave(to + 2 * w, first, second, all);
        };
        for (; w + width <= pairs; w += width) write();
        if (w < pairs && pairs >= width) {  // the last ones, some of them again
          w = pairs - width;
          write();
        } else if (w < pairs) {
          auto [first, second] = values(w, pairs - w);
          for (int lane = 0; w < pairs; ++lane, ++w) {
            to[2 * w] = narrow<S>(first[lane]);
            to[2 * w + 1] = narrow<S>(second[lane]);
          }
        }
        std::fill(to + 2 * pairs, to + axis[2].fine, S{});
      }
      if (++oh < groups) continue;
      oh = 0;
      if (++d < axis[0].fine) continue;
      d = 0;
      if (++c < target.channels) continue;
      c = 0, ++n;
    }
  }, axis[1].stride * axis[2].fine);
}

// Each value at the cell of its recorded tap.
template <class S>
void place_in_pairs(const Job& job) {
  using A = Compute<S>;
  const View &source = job.source, &numbers = *job.numbers;
  write_pairs<S>(job, [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t row) {
    const S* from = source.at<S>(n, c) + d * source.stride[0] + h * source.stride[1];
    const uint8_t* taps =
        numbers.at<uint8_t>(n, c) + d * numbers.stride[0] + h * numbers.stride[1];
    return [=](int64_t w, int64_t count) {
      Vector<A> value = load(from + w, count);
      Mask<A> tap = load_bytes<A>(taps + w, count);
      return std::pair{keep<A>(tap == splat_integer<A>(row), value),
                       keep<A>(tap == splat_integer<A>(row + 1), value)};
    };
  });
}

// Each value at all cells of its window, divided by the one divisor that whole windows have.
template <class S>
void spread_in_pairs(const Job& job) {
  using A = Compute<S>;
  const View& source = job.source;
  double by = 1;
  if (job.divisor.kind != Divisor::none)
    for (int a = 0; a < 3; ++a) by *= job.divisor.along(job.windows, a, 0);
  write_pairs<S>(job, [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t) {
    const S* from = source.at<S>(n, c) + d * source.stride[0] + h * source.stride[1];
    return [=](int64_t w, int64_t count) {
      Vector<A> value = load(from + w, count) / splat(A(by));
      return std::pair{value, value};
    };
  });
}

}  // namespace
}  // namespace juanji
