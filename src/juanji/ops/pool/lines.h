// Rows read in place, channels not innermost, where windows step by one or two cells along the last
// axis: vectors lie along that axis and are read from the source's rows, without a buffer. The rows
// of a window are joined first, then the cells. Sums and maxima can be had so; draws and recorded
// maxima, which depend on the order, go through planes.h, and so do gradients.
#pragma once

#include "planes.h"
#include "walk.h"

namespace juanji {
namespace {

inline constexpr int64_t line_cells = 512;  // columns of a row that are one task
inline constexpr int64_t most_rows = 64;    // of a window

// The rows of a window at a fixed distance from each other, on two axes.
template <class S>
struct Rows {
  const S* first;  // at the first cell that is read
  int64_t depths, heights, depth_step, height_step;

  template <class Join>
  Vector<Compute<S>> join(int64_t at) const {
    Vector<Compute<S>> joined = load(first + at);
    for (int64_t h = 1; h < heights; ++h)
      joined = Join::join(joined, load(first + h * height_step + at));
    for (int64_t d = 1; d < depths; ++d)
      for (int64_t h = 0; h < heights; ++h)
        joined = Join::join(joined, load(first + d * depth_step + h * height_step + at));
    return joined;
  }
};

// Vectors are read beyond both ends of a row, and what they find there is not used. It is memory of
// the same tensor, of other rows mostly; rows near the ends of the tensor are copied to a place
// that has room around them.
template <class S>
struct Around {
  View view;
  int64_t length;        // of the parts of rows that are read
  const S *begin, *end;  // of the memory from the view's first cell to its last: no stride is negative
  std::vector<S> room;

  Around(const View& view, int64_t length)
      : view(view), length(length), begin(view.at<S>(0, 0)),
        end(row_of<S>(view, view.batch - 1, view.channels - 1, view.size[0] - 1,
                      view.size[1] - 1) + view.size[2]) {}

  // Rows of which cells column .. column + length are to be read, `first` being their cell 0.
  Rows<S> around(Rows<S> rows, int64_t column) {
    const S* last =
        rows.first + (rows.depths - 1) * rows.depth_step + (rows.heights - 1) * rows.height_step;
    if (column >= begin - rows.first && column + length <= end - last) {
      rows.first += column;
      return rows;
    }
    room.resize(size_t(rows.depths * rows.heights * length));
    const int64_t from = std::clamp(-column, int64_t(0), length);
    const int64_t to = std::clamp(view.size[2] - column, from, length);
    S* put = room.data();
    for (int64_t d = 0; d < rows.depths; ++d)
      for (int64_t h = 0; h < rows.heights; ++h, put += length) {
        const S* row = rows.first + d * rows.depth_step + h * rows.height_step;
        std::copy(row + column + from, row + column + to, put + from);
      }
    return {room.data(), rows.depths, rows.heights, rows.heights * length, length};
  }
};

// Lanes at .. at + width of a row, those outside of the row replaced.
template <class A>
inline Vector<A> inside_row(Vector<A> value, int64_t at, int64_t size, A outside) {
  if (at >= 0 && at + lanes<A> <= size) return value;
  const int64_t low = std::clamp(-at, int64_t(0), int64_t(lanes<A>));
  const int64_t high = std::clamp(size - at, int64_t(0), int64_t(lanes<A>));
  const Mask<A> lane = iota<A>();
  return (lane >= splat_integer<A>(low)) & (lane < splat_integer<A>(high)) ? value : splat(outside);
}

// Whether lines serve a job.
inline bool in_lines(const Job& job) {
  check_room(job.windows);
  const auto& axis = job.windows.axis;
  return !job.adjoint && job.source.stride[2] == 1 && !job.divides_sources() &&
         axis[2].stride <= 2 && axis[2].extent() <= line_cells &&
         axis[0].kernel * axis[1].kernel <= most_rows;
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

// The rows of the windows of a target row, from their cell 0 on.
template <class S>
inline Rows<S> window_rows(const Job& job, int64_t n, int64_t c, int64_t d, int64_t h) {
  const Axis &depths = job.windows.axis[0], &heights = job.windows.axis[1];
  auto [a, a_end] = depths.taps(d, 0, depths.fine);
  auto [b, b_end] = heights.taps(h, 0, heights.fine);
  if (a == a_end || b == b_end) return {nullptr, 0, 0, 0, 0};
  return {row_of<S>(job.source, n, c, depths.start(d) + a * depths.dilation,
                    heights.start(h) + b * heights.dilation),
          a_end - a, b_end - b, depths.dilation * job.source.stride[0],
          heights.dilation * job.source.stride[1]};
}

// A vector of windows; `at` counts from the first cell that is read, which is cell `first` of a
// row.
template <class S, class Join>
inline Vector<Compute<S>> join_windows(const Rows<S>& rows, const Axis& axis, int64_t first,
                                       int64_t at) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  constexpr auto all = std::make_index_sequence<width>{};
  constexpr A none = Join::template none<A>;
  auto column = [&](int64_t i) {
    return inside_row<A>(rows.template join<Join>(i), first + i, axis.fine, none);
  };
  Vector<A> joined = splat(none);
  for (int64_t k = 0; k < axis.kernel; ++k) {
    const int64_t i = at + k * axis.dilation;
    if (axis.stride == 1) {
      joined = Join::join(joined, column(i));
      continue;
    }
    Vector<A> low = column(i), high = column(i + width);
    joined = Join::join(joined, every_second<0>(low, high, all));
    if (axis.dilation == 1 && k + 1 < axis.kernel) {
      joined = Join::join(joined, every_second<1>(low, high, all));
      ++k;
    }
  }
  return joined;
}

template <class S, class Join>
void pool_lines(const Job& job) {
  using A = Compute<S>;
  constexpr int64_t width = lanes<A>;
  if (job.source.elements() == 0) return;
  const Axis& across = job.windows.axis[2];
  const int64_t chunk = std::min(line_cells, across.coarse);
  // The last vector of a part starts at most at window chunk - width, or at 0, and its last tap
  // reads `stride` vectors from there on.
  const int64_t length = std::max(chunk, width) * across.stride + across.extent() - 1;
  each_part(job.source.batch, job.source.channels, job.windows.size(false), chunk, 4 * chunk, [&] {
    return [job = job, known = int64_t(-1), source = Around<S>(job.source, length),
            divisors = std::vector<A>(size_t(chunk))](int64_t n, int64_t c, int64_t d, int64_t h,
                                                      int64_t w, int64_t count) mutable {
      const Axis& last = job.windows.axis[2];
      const bool divides = job.divides_targets();
      if (divides && w != known)
        for (int64_t j = 0; j < count; ++j)
          divisors[size_t(j)] = A(job.divisor.along(job.windows, 2, w + j));
      known = w;
      const int64_t first = last.start(w);
      Rows<S> rows = window_rows<S>(job, n, c, d, h);
      if (rows.depths > 0) rows = source.around(rows, first);
      S* to = row_of<S>(job.target, n, c, d, h) + w;
      const A by = A(row_divisor(job, d, h));
      each_vector<width>(count, [&](int64_t j, int64_t many) {
        Vector<A> joined = splat(Join::template none<A>);
        if (rows.depths > 0) joined = join_windows<S, Join>(rows, last, first, j * last.stride);
        if (divides) joined = joined / (load(divisors.data() + j, many) * splat(by));
        store(to + j, joined, many);
      });
    };
  });
}

}  // namespace
}  // namespace juanji
