// Channels not innermost, one axis after the other: the source rows of a target row are reduced to
// a line, padded at both ends, and the cells of the line to the target row. What is linear or a
// maximum can be done so; draws and recorded maxima, which depend on the order, go through planes.h.
#pragma once

#include "planes.h"
#include "walk.h"

namespace juanji {
namespace {

inline constexpr int64_t line_room = 1 << 13;  // elements of a line

// A target row in parts, and the line that a part needs.
struct Parts {
  Split columns;
  int64_t chunk, count;  // places of a part; parts

  explicit Parts(const Job& job) : columns(job.windows.axis[2], job.adjoint) {
    chunk = std::clamp((line_room - length(1)) / step() + 1, int64_t(1), columns.places());
    count = (columns.places() + chunk - 1) / chunk;
  }
  int64_t step() const { return columns.source_step(); }
  // Source cells under so many places.
  int64_t length(int64_t places) const {
    return job_extent() + (places - 1) * step();
  }
  int64_t job_extent() const {
    return columns.adjoint ? columns.reach + 1 : columns.axis.extent();
  }
};

// Whether lines serve a job: their sources lie side by side, and a window fits into one.
inline bool in_lines(const Job& job) {
  check_room(job.windows);
  const Axis& last = job.windows.axis[2];
  for (const Axis& axis : job.windows.axis)
    if (job.adjoint && axis.dilation != 1 && axis.kernel > 1) return false;
  return job.source.stride[2] == 1 && (job.adjoint ? !job.divides_targets() : !job.divides_sources()) &&
         last.extent() + int64_t(vector_bytes) * last.stride <= line_room;
}

// Calls `each(n, c, d, h, place, places)` for all parts of all target rows, place by place.
template <class Make>
void each_part(const Job& job, const Parts& parts, const Make& make) {
  Triple size = job.windows.size(job.adjoint);
  int64_t cost = 2 * parts.chunk * parts.columns.target_step() + 64;
  each_row(job.source.batch, job.source.channels, {size[0], size[1] * parts.count, 1}, cost, [&] {
    return [parts, each = make()](int64_t n, int64_t c, int64_t d, int64_t row) mutable {
      if (parts.count == 1) return each(n, c, d, row, parts.columns.begin, parts.chunk);
      int64_t place = parts.columns.begin + row % parts.count * parts.chunk;
      each(n, c, d, row / parts.count, place,
           std::min(parts.chunk, parts.columns.end - place));
    };
  });
}

// Calls `each(d, h, number)` for the source rows of a target row and the taps that start their rows.
template <class Each>
inline void each_source_row(const Job& job, int64_t d, int64_t h, const Each& each) {
  const auto& axis = job.windows.axis;
  const auto depths = axis[0].progression(job.adjoint, d), rows = axis[1].progression(job.adjoint, h);
  for (int64_t a = 0; a < depths.count; ++a)
    for (int64_t b = 0; b < rows.count; ++b)
      each(depths.at + a * depths.at_step, rows.at + b * rows.at_step,
           (depths.tap + a * depths.tap_step) * axis[1].kernel + rows.tap + b * rows.tap_step);
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

// line[i] of `length` cells from source position `first` on: the source rows joined, each divided by
// its number in `row_divisors` times that of the column, where there are some.
template <class S, class Join>
void join_rows(Compute<S>* line, int64_t first, int64_t length, int64_t size,
               const std::vector<const S*>& rows, const std::vector<Compute<S>>& row_divisors,
               const Compute<S>* divisors) {
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
    auto get = [&](int64_t r) {
      Vector<A> value = load(row[r] + first + i, count);
      if (divisors) value = value / (load(divisors + i, count) * splat(row_divisors[r]));
      return value;
    };
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
  const Parts parts(job);
  each_part(job, parts, [&] {
    // vectors are read as a whole, beyond the line's end
    size_t room = size_t(parts.length(parts.chunk) + lanes<A> * (parts.step() + 1));
    return [job = job, known = int64_t(-1), from = std::vector<const S*>{},
            none = std::vector<A>{}, line = std::vector<A>(room),
            divisors = std::vector<A>(size_t(parts.chunk))](
               int64_t n, int64_t c, int64_t d, int64_t h, int64_t w, int64_t count) mutable {
      const Axis& last = job.windows.axis[2];
      if (job.divides_targets() && w != known)
        for (int64_t j = 0; j < count; ++j)
          divisors[size_t(j)] = A(job.divisor.along(job.windows, 2, w + j));
      known = w;
      from.clear();
      each_source_row(job, d, h, [&](int64_t at_d, int64_t at_h, int64_t) {
        from.push_back(row_of<S>(job.source, n, c, at_d, at_h));
      });
      join_rows<S, Join>(line.data(), last.start(w), (count - 1) * last.stride + last.extent(),
                         last.fine, from, none, nullptr);
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

// Phases of the target, and a target row put together from them.
template <class S>
struct TargetPhases {
  using A = Compute<S>;
  int64_t step;  // from a phase to the next
  std::vector<A> values;

  explicit TargetPhases(const Parts& parts)
      : step(parts.chunk + lanes<A>), values(size_t(parts.columns.target_phases() * step)) {}

  A* operator[](int64_t q) { return values.data() + q * step; }

  void write(S* row, const Split& columns, int64_t place, int64_t places) {
    const Axis& last = columns.axis;
    int64_t first = last.start(place), many = columns.target_phases();
    if (last.stride == 2 && many == 2)
      return write_two_phases(row, last.fine, first, places, (*this)[0], (*this)[1]);
    if (many < last.stride)
      std::fill(row + std::clamp(first, int64_t(0), last.fine),
                row + std::clamp(first + places * last.stride, int64_t(0), last.fine), S{});
    for (int64_t q = 0; q < many; ++q)
      write_phase(row, last.fine, first + columns.phases[q], last.stride, places, (*this)[q]);
  }
};

// The taps of a phase, in the order of the sources, and where their sources are in a line that
// begins `reach` before the first place.
template <class A>
Taps<A> phase_taps(const Split& columns, int64_t q) {
  Taps<A> taps;
  taps.clear(columns.axis.kernel);
  for (int64_t k = columns.axis.kernel; k-- > 0;)
    if (columns.tap_phase[k] == q) taps.add(columns.reach - columns.tap_place[k], 0, k, 1);
  return taps;
}

template <class A>
std::vector<Taps<A>> all_phase_taps(const Split& columns) {
  std::vector<Taps<A>> taps;
  for (int64_t q = 0; q < columns.target_phases(); ++q) taps.push_back(phase_taps<A>(columns, q));
  return taps;
}

template <class S>
void spread_lines(const Job& job) {
  using A = Compute<S>;
  const Parts parts(job);
  each_part(job, parts, [&] {
    size_t room = size_t(parts.length(parts.chunk));
    return [job = job, columns = parts.columns,
            taps = all_phase_taps<A>(parts.columns), phases = TargetPhases<S>(parts),
            known = int64_t(-1), from = std::vector<const S*>{},
            by = std::vector<A>{}, line = std::vector<A>(room + 2 * lanes<A>),
            divisors = std::vector<A>(room)](
               int64_t n, int64_t c, int64_t d, int64_t h, int64_t place, int64_t places) mutable {
      int64_t first = place - columns.reach, length = places + columns.reach;
      int64_t coarse = columns.axis.coarse;
      if (job.divides_sources() && place != known)
        for (int64_t i = 0; i < length; ++i) {
          bool inside = 0 <= first + i && first + i < coarse;
          divisors[size_t(i)] = inside ? A(job.divisor.along(job.windows, 2, first + i)) : 1;
        }
      known = place;
      from.clear(), by.clear();
      each_source_row(job, d, h, [&](int64_t at_d, int64_t at_h, int64_t) {
        from.push_back(row_of<S>(job.source, n, c, at_d, at_h));
        if (job.divides_sources())
          by.push_back(A(job.divisor.along(job.windows, 0, at_d) *
                         job.divisor.along(job.windows, 1, at_h)));
      });
      join_rows<S, Plus>(line.data(), first, length, coarse, from, by,
                         job.divides_sources() ? divisors.data() : nullptr);
      for (size_t q = 0; q < taps.size(); ++q)
        reduce<true>(Sum<A, false>{phases[int64_t(q)]}, line.data(), taps[q], places);
      phases.write(row_of<S>(job.target, n, c, d, h), columns, place, places);
    };
  });
}

// Lines of values and of their recorded taps, kept for the target rows that share them.
template <class S>
struct RecordedLines {
  using A = Compute<S>;
  int64_t depths, heights, step;  // source rows of a target row; elements of a line
  std::vector<A> values;
  std::vector<Lane<A>> numbers;
  std::vector<int64_t> held;  // the source row of a slot, counted through all
  int64_t held_place = -1;

  RecordedLines(const Job& job, const Parts& parts) {
    auto most = [](const Axis& axis) { return (axis.kernel + axis.stride - 1) / axis.stride; };
    depths = most(job.windows.axis[0]), heights = most(job.windows.axis[1]);
    step = parts.length(parts.chunk) + 2 * lanes<A>;
    values.resize(size_t(depths * heights * step));
    numbers.resize(values.size());
    held.assign(size_t(depths * heights), -1);
  }

  // Where the line of a source row begins, from a place on.
  int64_t fetch(const Job& job, int64_t n, int64_t c, int64_t d, int64_t h, int64_t place,
                int64_t first, int64_t length) {
    const View& source = job.source;
    int64_t slot = (depths == 1 ? 0 : d % depths * heights) + (heights == 2 ? h & 1 : h % heights);
    int64_t at = slot * step, size = source.size[2];
    int64_t row = ((n * source.channels + c) * source.size[0] + d) * source.size[1] + h;
    if (place != held_place) std::fill(held.begin(), held.end(), -1);
    held_place = place;
    if (held[size_t(slot)] == row) return at;
    held[size_t(slot)] = row;
    A* value = values.data() + at;
    Lane<A>* number = numbers.data() + at;
    int64_t begin = std::clamp(-first, int64_t(0), length);
    int64_t end = std::clamp(size - first, begin, length);
    std::fill(value, value + begin, A(0)), std::fill(value + end, value + length, A(0));
    std::fill(number, number + begin, Lane<A>(-1));
    std::fill(number + end, number + length, Lane<A>(-1));
    const S* from = row_of<S>(job.source, n, c, d, h) + first;
    const uint8_t* taps = row_of<uint8_t>(*job.numbers, n, c, d, h) + first;
    each_vector<lanes<A>>(end - begin, [&](int64_t i, int64_t count) {
      i += begin;
      store(value + i, load(from + i, count), count);
      Mask<A> wide = load_bytes<A>(taps + i, count);
      std::memcpy(number + i, &wide, size_t(count) * sizeof(A));
    });
    return at;
  }
};

template <class S>
void place_lines(const Job& job) {
  using A = Compute<S>;
  const Parts parts(job);
  struct Row {
    int64_t at, number;  // in the lines; of the tap that starts the row
  };
  each_part(job, parts, [&] {
    return [job = job, columns = parts.columns, taps = all_phase_taps<A>(parts.columns),
            phases = TargetPhases<S>(parts), lines = RecordedLines<S>(job, parts),
            rows = std::vector<Row>{}](
               int64_t n, int64_t c, int64_t d, int64_t h, int64_t place, int64_t places) mutable {
      rows.clear();
      each_source_row(job, d, h, [&](int64_t at_d, int64_t at_h, int64_t number) {
        int64_t at = lines.fetch(job, n, c, at_d, at_h, place, place - columns.reach,
                                 places + columns.reach);
        rows.push_back({at, number * columns.axis.kernel});
      });
      for (size_t q = 0; q < taps.size(); ++q) {
        const Taps<A>& phase = taps[q];
        A* to = phases[int64_t(q)];
        for (int64_t j = 0; j < places; j += lanes<A>) {  // whole vectors: there is room
          Vector<A> total{};
          for (const Row& row : rows)
            for (int64_t t = 0; t < phase.count; ++t) {
              int64_t at = row.at + phase.offset[t] + j;
              Mask<A> here = load_lanes<A>(lines.numbers.data() + at) ==
                             splat_integer<A>(row.number + phase.number[t]);
              total += keep<A>(here, load(lines.values.data() + at));
            }
          store(to + j, total);
        }
      }
      phases.write(row_of<S>(job.target, n, c, d, h), columns, place, places);
    };
  });
}

}  // namespace
}  // namespace juanji
