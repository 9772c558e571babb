// Pooling one axis after the other, channels not innermost: the source rows of a target row are
// joined to a line, padded at both ends, and the cells of the line to the target row. Sums and maxima
// can be had so; draws and recorded maxima, which depend on the order, go through planes.h.
//
// Gradients do not gain by it: what was just written is read at other offsets, which waits for the
// stores; planes.h, with its blocks of rows, is faster there.
#pragma once

#include "planes.h"
#include "walk.h"

namespace juanji {
namespace {

inline constexpr int64_t line_room = 1 << 13;  // elements of a line

// Whether lines serve a job: its sources lie side by side, and a window fits into one.
inline bool in_lines(const Job& job) {
  check_room(job.windows);
  const Axis& last = job.windows.axis[2];
  return !job.adjoint && job.source.stride[2] == 1 && !job.divides_sources() &&
         last.extent() + int64_t(vector_bytes) * last.stride <= line_room;
}

// Target columns that one line serves.
inline int64_t line_chunk(const Axis& last) {
  return std::clamp((line_room - last.extent()) / last.stride + 1, int64_t(1), last.coarse);
}

// Calls `each(d, h)` for the source rows of a target row.
template <class Each>
inline void each_source_row(const Job& job, int64_t d, int64_t h, const Each& each) {
  const Axis &depths = job.windows.axis[0], &heights = job.windows.axis[1];
  auto [a, a_end] = depths.taps(d, 0, depths.fine);
  auto [b, b_end] = heights.taps(h, 0, heights.fine);
  for (int64_t i = a; i < a_end; ++i)
    for (int64_t j = b; j < b_end; ++j)
      each(depths.start(d) + i * depths.dilation, heights.start(h) + j * heights.dilation);
}

// The larger of two; NaN, if one is.
struct Larger {
  template <class A>
  static constexpr A none = -std::numeric_limits<A>::infinity();
  template <class V>
  static V join(V a, V b) {
    return (b > a) | (b != b) ? b : a;
  }
};
struct Plus {
  template <class A>
  static constexpr A none = 0;
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
};

// line[i] of `length` cells from source position `first` on: the source rows joined.
template <class S, class Join>
void join_rows(Compute<S>* line, int64_t first, int64_t length, int64_t size,
               const std::vector<const S*>& rows) {
  using A = Compute<S>;
  constexpr A none = Join::template none<A>;
  int64_t begin = std::clamp(-first, int64_t(0), length);
  int64_t end = rows.empty() ? begin : std::clamp(size - first, begin, length);
  std::fill(line, line + begin, none);
  std::fill(line + end, line + length, none);
  if (begin == end) return;
  const S* const* row = rows.data();
  const int64_t many = int64_t(rows.size());
  each_vector<lanes<A>>(end - begin, [&](int64_t i, int64_t count) {
    i += begin;
    auto get = [&](int64_t r) { return load(row[r] + first + i, count); };
    Vector<A> joined = get(0);
    for (int64_t r = 1; r < many; ++r) joined = Join::join(joined, get(r));
    store(line + i, joined, count);
  });
}

// Cells o * step + tap * dilation of a line for a vector of o, from the first on.
template <class A, class Join>
inline Vector<A> join_cells(const A* line, const Axis& axis) {
  constexpr int width = lanes<A>;
  constexpr auto all = std::make_index_sequence<width>{};
  Vector<A> joined = splat(Join::template none<A>);
  for (int64_t k = 0; k < axis.kernel; ++k) {
    const A* from = line + k * axis.dilation;
    if (axis.stride == 1) {
      joined = Join::join(joined, load(from));
    } else if (axis.stride == 2) {
      Vector<A> low = load(from), high = load(from + width);
      joined = Join::join(joined, every_second<0>(low, high, all));
      if (axis.dilation == 1 && k + 1 < axis.kernel) {
        joined = Join::join(joined, every_second<1>(low, high, all));
        ++k;
      }
    } else {
      A cells[width];
      for (int lane = 0; lane < width; ++lane) cells[lane] = from[lane * axis.stride];
      joined = Join::join(joined, load(cells));
    }
  }
  return joined;
}

template <class S, class Join>
void pool_lines(const Job& job) {
  using A = Compute<S>;
  const Axis& across = job.windows.axis[2];
  const int64_t chunk = line_chunk(across);
  each_part(job.source.batch, job.source.channels, job.windows.size(false), chunk,
            4 * std::min(chunk, across.coarse), [&] {
    // vectors are read as a whole, beyond the line's end
    size_t room =
        size_t(chunk * across.stride + across.extent() + lanes<A> * (across.stride + 1));
    return [job = job, known = int64_t(-1), from = std::vector<const S*>{},
            line = std::vector<A>(room), divisors = std::vector<A>(size_t(chunk))](
               int64_t n, int64_t c, int64_t d, int64_t h, int64_t w, int64_t count) mutable {
      const Axis& last = job.windows.axis[2];
      if (job.divides_targets() && w != known)
        for (int64_t j = 0; j < count; ++j)
          divisors[size_t(j)] = A(job.divisor.along(job.windows, 2, w + j));
      known = w;
      from.clear();
      each_source_row(job, d, h, [&](int64_t at_d, int64_t at_h) {
        from.push_back(row_of<S>(job.source, n, c, at_d, at_h));
      });
      join_rows<S, Join>(line.data(), last.start(w), (count - 1) * last.stride + last.extent(),
                         last.fine, from);
      S* to = row_of<S>(job.target, n, c, d, h) + w;
      A by = A(row_divisor(job, d, h));
      each_vector<lanes<A>>(count, [&](int64_t j, int64_t many) {
        Vector<A> joined = join_cells<A, Join>(line.data() + j * last.stride, last);
        if (job.divides_targets())
          joined = joined / (load(divisors.data() + j, many) * splat(by));
        store(to + j, joined, many);
      });
    };
  });
}

}  // namespace
}  // namespace juanji
