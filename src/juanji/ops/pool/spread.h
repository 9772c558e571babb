// Sums of windows that overlap, given back to their cells: channels not innermost, windows that step
// by one or two cells along the last axis. As such a sum is one along each axis, every coarse row is
// widened to fine cells once, in a buffer, and fine rows are sums of those.
#pragma once

#include <optional>

#include "planes.h"

namespace juanji {
namespace {

// What a coarse row becomes: so many numbers, the first of which are cell `start` of the row, -1 or 0.
struct Widening {
  Split columns;
  int64_t start, pitch;
  int64_t line;  // numbers of a coarse row between zeros
  int64_t rows;  // of fine cells that are made at once, so that a first cache holds their sources

  Widening(const Job& job, int64_t lane_count)
      : columns(job.windows.axis[2], true),
        start(columns.axis.start(columns.begin)),
        pitch(rounded_up(columns.places(), lane_count) * columns.axis.stride),
        line(rounded_up(columns.places(), lane_count) + columns.reach) {
    constexpr int64_t numbers = 1 << 13;
    const Axis& height = job.windows.axis[1];
    const int64_t room = numbers / (pitch + line) - height.kernel / height.stride - 1;
    rows = std::min(std::max<int64_t>(room, 0) * height.stride, height.fine);
  }
};

// Where this serves, and is worth it: several taps on both axes, and blocks of several windows.
inline std::optional<Widening> widening_of(const Job& job, int64_t lane_count) {
  const Axis &height = job.windows.axis[1], &last = job.windows.axis[2];
  if (!job.adjoint || job.source.stride[2] != 1 || last.stride > 2 || height.dilation > 1)
    return {};
  if (height.kernel < 2 || height.kernel * last.kernel <= 4) return {};
  constexpr int64_t most = 1 << 12;
  if (last.fine + last.low > most || last.extent() > most) return {};
  const Widening widening(job, lane_count);
  if (widening.rows < std::min(4 * height.kernel, height.fine)) return {};
  if (widening.columns.begin > widening.columns.reach) return {};
  return widening;
}

// Everything a thread needs; what depends on the block of fine rows is found once for all planes.
template <class S>
class Widened {
  using A = Compute<S>;
  static constexpr int width = lanes<A>;
  struct Met {  // by a fine row
    int64_t at, count;  // where the first of its coarse rows lies, how many there are
    A divisor;
  };
  const Job& job;
  const Widening& widening;
  const Split& columns = widening.columns;
  const bool divides_sources = job.divides_sources(), divides_targets = job.divides_targets();
  std::vector<A> lines, widened;  // of each coarse row that the block meets
  std::array<std::vector<int64_t>, 2> taps;  // of a phase: where they lie in the line
  std::vector<A> divisors;  // along the last axis, of the sources or the targets
  int64_t first_row = 0, first_coarse = 0;
  std::vector<double> coarse_divisors;
  std::vector<Met> met;
  std::vector<Source> depths;

 public:
  Widened(const Job& job, const Widening& widening) : job(job), widening(widening) {
    for (int64_t k = columns.axis.kernel - 1; k >= 0; --k)  // in the order of the sources
      taps[columns.tap_phase[k]].push_back(columns.reach - columns.tap_place[k]);
    if (divides_sources || divides_targets)
      for (int64_t i = 0; i < job.windows.size(divides_targets)[2]; ++i)
        divisors.push_back(A(job.divisor.along(job.windows, 2, i)));
  }

  // To the fine rows h .. h + count of all planes.
  void go_to(int64_t h, int64_t count) {
    const Axis& height = job.windows.axis[1];
    const auto [first, end] = height.sources(true, h, h + count);
    first_row = h, first_coarse = first;
    coarse_divisors.clear(), met.clear();
    for (int64_t row = first; row < end; ++row)
      coarse_divisors.push_back(divides_sources ? job.divisor.along(job.windows, 1, row) : 1);
    for (int64_t at = h; at < h + count; ++at) {
      const auto [begin, behind] = height.sources(true, at, at + 1);
      const int64_t from = begin < behind ? begin - first : 0;
      met.push_back({from * widening.pitch - widening.start, behind - begin,
                     A(divides_targets ? job.divisor.along(job.windows, 1, at) : 1)});
    }
    lines.assign((end - first) * widening.line + width, A{});
    widened.resize((end - first) * widening.pitch + width);
  }

  // One step for all rows before the next: what was just written is read slowly at another place.
  void operator()(int64_t n, int64_t c, int64_t d) {
    job.windows.axis[0].sources(true, d, depths);
    const int64_t count = int64_t(coarse_divisors.size());
    for (int64_t row = 0; row < count; ++row)
      read_row(n, c, row, &lines[row * widening.line + columns.reach - columns.begin]);
    for (int64_t row = 0; row < count; ++row)
      widen_row(&lines[row * widening.line], &widened[row * widening.pitch]);
    S* to = row_of<S>(job.target, n, c, d, first_row);
    const A by = A(divides_targets ? job.divisor.along(job.windows, 0, d) : 1);
    for (const Met& row : met) {
      const A* from = widened.data() + row.at;
      if (divides_targets) write_row<true>(to, from, row.count, by * row.divisor);
      else write_row<false>(to, from, row.count, by);
      to += job.target.stride[1];
    }
  }

 private:
  // The sum of a coarse row along the first axis.
  void read_row(int64_t n, int64_t c, int64_t row, A* to) const {
    const int64_t count = std::min(columns.axis.coarse, columns.end);
    if (depths.empty()) std::fill_n(to, count, A{});
    for (const Source& depth : depths) {
      const S* from = row_of<S>(job.source, n, c, depth.at, first_coarse + row);
      const A by = A(divides_sources ? coarse_divisors[row] *
                                           job.divisor.along(job.windows, 0, depth.at)
                                     : 1);
      auto value_at = [&](int64_t j, int64_t many) {
        const Vector<A> value = load(from + j, many);
        return divides_sources ? value / (load(&divisors[j], many) * splat(by)) : value;
      };
      if (&depth == &depths.front()) {
        each_vector<width>(count, [&](int64_t j, int64_t many) {
          store(to + j, value_at(j, many), many);
        });
        continue;
      }
      for (int64_t j = 0; j < count; j += width) {  // none is added twice
        const int64_t many = std::min<int64_t>(count - j, width);
        store(to + j, load(to + j, many) + value_at(j, many), many);
      }
    }
  }

  void widen_row(const A* line, A* to) const {
    for (int64_t i = 0; i < columns.places(); i += width) {
      const Vector<A> even = phase(0, line + i);
      if (columns.axis.stride == 1) store(to + i, even);
      else store_pairs(to + 2 * i, even, phase(1, line + i));
    }
  }

  // The sums of a vector of fine cells of one phase.
  Vector<A> phase(int which, const A* line) const {
    Vector<A> sum{};
    for (const int64_t tap : taps[which]) sum = sum + load(line + tap);
    return sum;
  }

  template <bool divides>
  void write_row(S* to, const A* from, int64_t count, A by) const {
    each_vector<width>(columns.axis.fine, [&](int64_t j, int64_t many) {
      Vector<A> sum = count > 0 ? load(from + j) : Vector<A>{};
      for (int64_t row = 1; row < count; ++row) sum = sum + load(from + row * widening.pitch + j);
      if constexpr (divides) sum = sum / (load(&divisors[j], many) * splat(by));
      store(to + j, sum, many);
    });
  }
};

template <class S>
void spread_rows(const Job& job, const Widening& widening) {
  if (job.target.elements() == 0) return;
  const int64_t height = job.windows.axis[1].fine, depth = job.windows.axis[0].fine;
  const int64_t blocks = (height + widening.rows - 1) / widening.rows;
  const int64_t rows = (height + blocks - 1) / blocks;  // of a block; the last ones may have none
  const int64_t slices = job.source.batch * job.source.channels * depth;
  parallel(slices * blocks, [&](int64_t begin, int64_t end) {
    Widened<S> widened(job, widening);
    int64_t known = -1;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t h = task / slices * rows, slice = task % slices, plane = slice / depth;
      if (h >= height) break;
      if (h != known) widened.go_to(h, std::min(rows, height - h));
      known = h;
      widened(plane / job.source.channels, plane % job.source.channels, slice % depth);
    }
  }, rows * widening.columns.axis.fine * 2);
}

}  // namespace
}  // namespace juanji
