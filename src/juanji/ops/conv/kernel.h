// The inner loops of convolution: offsets, weights, vectors, and nothing else.
//
// Positions are computed in stacks: neighbours along one axis, `step` bytes apart. Where taps are as
// far apart as positions, a run of them slides over the stack: each cell is loaded once and serves
// every tap of the run.
#pragma once

#include "panel.h"

namespace juanji {

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

// Taps in the order in which kernels take them: runs of three, of two, then single ones.
struct Runs {
  static constexpr int longest = 3;
  std::array<int64_t, longest + 1> count{};  // of runs, by their length
  std::vector<int64_t> first;                // offset of each run
  std::vector<int64_t> offsets, rank;        // of each tap in this order; of each tap given

  // Of the taps given, those chosen.
  Runs(const std::vector<int64_t>& given, std::vector<int64_t> order, int64_t step)
      : rank(given.size(), -1) {
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return given[a] < given[b]; });
    auto find = [&](int64_t offset) -> int64_t {  // a tap there that is in no run yet, or -1
      auto at = std::lower_bound(order.begin(), order.end(), offset,
                                 [&](int64_t tap, int64_t wanted) { return given[tap] < wanted; });
      return at != order.end() && given[*at] == offset && rank[*at] < 0 ? *at : -1;
    };
    for (int length = step ? longest : 1; length > 0; --length)
      for (int64_t tap : order) {
        int64_t members[longest];
        int found = 0;
        for (; found < length; ++found)
          if ((members[found] = find(given[tap] + found * step)) < 0) break;
        if (found < length || members[0] != tap) continue;
        ++count[length], first.push_back(given[tap]);
        for (int r = 0; r < length; ++r) {
          rank[members[r]] = int64_t(offsets.size());
          offsets.push_back(given[members[r]]);
        }
      }
  }
  int64_t taps() const { return int64_t(offsets.size()); }

  // Where the sum of a tap of this rank lies, in the row `row` of several that have the same runs:
  // those of a run side by side, then those of its neighbour in the next row.
  int64_t place(int64_t tap_rank, int64_t row, int64_t rows) const {
    int64_t before = 0;
    for (int length = longest; length > 0; --length) {
      const int64_t members = count[length] * length;
      if (tap_rank < before + members) {
        const int64_t run = (tap_rank - before) / length * length + before;
        return run * rows + row * length + tap_rank - run;
      }
      before += members;
    }
    return -1;
  }
};

// Where a stack lies along its row, in bytes, when some of its cells are outside of 0..limit: those
// count as zero.
struct Border {
  int64_t along = 0, limit = 0;
  bool crossed = false;
};

// Rows of taps, each with the same runs, and those of them that a stack meets. A panel, where all
// taps are met, is one row.
struct Rows {
  const int64_t *outer, *inner;  // offsets in bytes
  int64_t outer_count, inner_count;
  Range outers, inners;
  Border border;
};
inline constexpr int64_t no_offset = 0;
inline constexpr Rows one_row{&no_offset, &no_offset, 1, 1, {0, 1}, {0, 1}, {}};

// What a vector of cells is.
enum class Reading {
  line,      // neighbours along the width; weights are numbers
  plain,     // channels, each its own output's input; weights are vectors, here and below
  permuted,  // channels of groups that fit into near lanes: every lane gets an input of its group
  same,      // one channel, the input of all lanes
};

// The cells of a stack, `inputs` channels of them.
template <class A>
struct Cells {
  const char* x;
  int64_t step, inputs, input_step;  // bytes; permuted cells have no input_step, but an index
  const Mask<A>* index;
};

template <class A, Reading reading>
inline Vector<A> read(const char* cell, Mask<A> index) {
  const A* from = reinterpret_cast<const A*>(cell);
  if constexpr (reading == Reading::same) return splat<A>(*from);
  else if constexpr (reading == Reading::permuted) return permute_near<A>(load(from), index);
  else return load(from);
}

// The cell at an offset of a row, or zeros.
template <bool crossed>
inline const char* cell_at(const char* row, int64_t offset, const Border& border) {
  alignas(vector_bytes) static constexpr char zeros[vector_bytes]{};
  if (!crossed) return row + offset;
  return uint64_t(border.along + offset) < uint64_t(border.limit) ? row + offset : zeros;
}

// sums[p] += sum over r < run of weight[r] * cell[p + r], the first of which is at an offset
template <class A, Reading reading, int positions, int run, bool crossed>
inline void slide_run(Vector<A> (&sums)[positions], const char* row, int64_t offset, int64_t step,
                      Mask<A> index, const A*& weight, const Border& border) {
  Vector<A> w[run];
#pragma GCC unroll 4
  for (int r = 0; r < run; ++r, weight += reading == Reading::line ? 1 : lanes<A>)
    w[r] = reading == Reading::line ? splat<A>(*weight) : load(weight);
#pragma GCC unroll 32
  for (int q = 0; q < positions + run - 1; ++q) {
    const char* cell = cell_at<crossed>(row, offset + q * step, border);
    const Vector<A> value = in_register(read<A, reading>(cell, index));
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r)
      if (0 <= q - r && q - r < positions) sums[q - r] += w[r] * value;
  }
}

// Calls `visit(cell, index, weights)` for the rows of every input. Weights lie as (input, row, tap),
// those of a vector side by side.
template <class A, Reading reading, class Visit>
inline void each_row_met(const Cells<A>& cells, const Rows& rows, const Runs& runs,
                         const A* weight, Visit visit) {
  const int64_t row_size = runs.taps() * (reading == Reading::line ? 1 : lanes<A>);
  const int64_t size = rows.outer_count * rows.inner_count * row_size;
  for (int64_t input = 0; input < cells.inputs; ++input) {
    Mask<A> index{};
    if constexpr (reading == Reading::permuted) index = cells.index[input];
    for (int64_t a = rows.outers.begin; a < rows.outers.end; ++a)
      for (int64_t b = rows.inners.begin; b < rows.inners.end; ++b)
        visit(cells.x + input * cells.input_step + rows.outer[a] + rows.inner[b], index,
              weight + input * size + (a * rows.inner_count + b) * row_size);
  }
}

// out[p * out_step] = bias + sum over inputs and taps of weight * cell, for one vector of every
// position.
template <class A, Reading reading, int positions, bool crossed>
void slide(const Cells<A>& cells, const Rows& rows, const Runs& runs, const A* weight,
           const A* bias, A* out, int64_t out_step) {
  Vector<A> sums[positions];
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p)
    sums[p] = reading == Reading::line ? splat<A>(*bias) : load(bias);
  const int64_t threes = runs.count[3], twos = runs.count[2], ones = runs.count[1];
  each_row_met<A, reading>(cells, rows, runs, weight, [&](const char* x, Mask<A> index, const A* w) {
    const int64_t* first = runs.first.data();
    for (int64_t i = 0; i < threes; ++i)
      slide_run<A, reading, positions, 3, crossed>(sums, x, *first++, cells.step, index, w,
                                                    rows.border);
    for (int64_t i = 0; i < twos; ++i)
      slide_run<A, reading, positions, 2, crossed>(sums, x, *first++, cells.step, index, w,
                                                    rows.border);
    for (int64_t i = 0; i < ones; ++i)
      slide_run<A, reading, positions, 1, crossed>(sums, x, *first++, cells.step, index, w,
                                                    rows.border);
  });
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p) store(out + p * out_step, sums[p]);
}

// Height of a stack that fills the registers.
inline constexpr int full_stack = registers == 32 ? 12 : 10;

template <class A, Reading reading, int positions = full_stack>
inline void slide_some(int64_t count, const Cells<A>& cells, const Rows& rows, const Runs& runs,
                       const A* weight, const A* bias, A* out, int64_t out_step) {
  if constexpr (positions > 1) {
    if (count < positions)
      return slide_some<A, reading, positions - 1>(count, cells, rows, runs, weight, bias, out,
                                                   out_step);
  }
  if constexpr (reading != Reading::line)
    if (rows.border.crossed)
      return slide<A, reading, positions, true>(cells, rows, runs, weight, bias, out, out_step);
  slide<A, reading, positions, false>(cells, rows, runs, weight, bias, out, out_step);
}

// Lines of cells that several output channels, the rows j, read: loaded once for all of them.
// out[p * out_step + j * row_step] = bias[j] + sum over inputs and taps of weight[j] * cell
template <class A, int positions, int rows>
void accumulate(const Cells<A>& cells, const Runs& runs, const A* weight, const A* bias, A* out,
                int64_t out_step, int64_t row_step) {
  Vector<A> sums[positions][rows];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) sums[p][j] = splat<A>(bias[j]);
  for (int64_t input = 0; input < cells.inputs; ++input)
    for (const int64_t offset : runs.offsets) {
      const char* x = cells.x + input * cells.input_step + offset;
      Vector<A> value[positions];
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) 
        value[p] = in_register(read<A, Reading::line>(x + p * cells.step, Mask<A>{}));
#pragma GCC unroll 16
      for (int j = 0; j < rows; ++j) {
        const Vector<A> w = splat<A>(weight[j]);
#pragma GCC unroll 16
        for (int p = 0; p < positions; ++p) sums[p][j] += w * value[p];
      }
      weight += rows;
    }
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) store(out + p * out_step + j * row_step, sums[p][j]);
}

// How high a stack may be; a row alone slides.
inline constexpr int most_positions(int rows) {
  return rows == 1 ? full_stack : (registers - 1) / (rows + 1);
}

template <class A, int rows, int positions = most_positions(rows)>
inline void accumulate_some(int64_t count, const Cells<A>& cells, const Runs& runs,
                            const A* weight, const A* bias, A* out, int64_t out_step,
                            int64_t row_step) {
  if constexpr (rows == 1) {
    slide_some<A, Reading::line>(count, cells, one_row, runs, weight, bias, out, out_step);
  } else {
    if constexpr (positions > 1) {
      if (count < positions)
        return accumulate_some<A, rows, positions - 1>(count, cells, runs, weight, bias, out,
                                                       out_step, row_step);
    }
    accumulate<A, positions, rows>(cells, runs, weight, bias, out, out_step, row_step);
  }
}

// What of the cells does not count.
enum class Outside { nothing, lanes, cells };

// sums[c][r] += sum over positions p of gradient[p] * cell[p + r + first[c]]: `columns` runs at
// once, of one input. Outside::lanes: of every vector only those `inside` count; the cells of
// others, times zero, could be NaN. Outside::cells: see Border.
template <class A, Reading reading, int run, Outside outside, int columns>
void correlate(const char* x, int64_t step, Mask<A> index, const int64_t* first,
               const char* gradient, int64_t gradient_step, int64_t positions, Mask<A> inside,
               A* sums, Border border, bool runs_along) {
  Vector<A> total[columns][run];
  int64_t offset[columns], along[columns];
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c) {
    offset[c] = first[c], along[c] = runs_along ? first[c] : 0;
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r) total[c][r] = load(sums + (c * run + r) * lanes<A>);
  }
  Vector<A> recent[run]{};  // gradients that meet a cell: recent[r] meets tap r
  // The cell q meets the taps low <= r < high.
  auto meet = [&](int64_t q, int64_t low, int64_t high) {
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) {
      const char* cell = x + q * step + offset[c];
      if (outside == Outside::cells)
        cell = cell_at<true>(cell, 0, {border.along + q * step + along[c], border.limit, true});
      Vector<A> value = in_register(read<A, reading>(cell, index));
      if (outside == Outside::lanes) value = keep<A>(inside, value);
#pragma GCC unroll 4
      for (int r = 0; r < run; ++r)
        if (low <= r && r < high) total[c][r] += recent[r] * value;
    }
  };
  auto next = [&](int64_t p) {
#pragma GCC unroll 4
    for (int r = run - 1; r > 0; --r) recent[r] = recent[r - 1];
    if (p < positions) recent[0] = read<A, Reading::plain>(gradient + p * gradient_step, Mask<A>{});
  };
  int64_t q = 0;
  for (; q < run - 1; ++q) next(q), meet(q, q < positions ? 0 : q - positions + 1, q + 1);
  for (; q < positions; ++q) next(q), meet(q, 0, run);  // all of them, in registers
  for (; q < positions + run - 1; ++q) next(q), meet(q, q - positions + 1, run);
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c)
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r) store(sums + (c * run + r) * lanes<A>, total[c][r]);
}

inline constexpr int most_columns(int run) {
  return run == 1 ? 8 : (registers - run - 2) / run;
}

template <class A, Reading reading, int run, Outside outside, int columns = most_columns(run)>
inline void correlate_some(int64_t count, const char* x, int64_t step, Mask<A> index,
                           const int64_t* first, const char* gradient, int64_t gradient_step,
                           int64_t positions, Mask<A> inside, A* sums, Border border = {},
                           bool runs_along = true) {
  if constexpr (columns > 1) {
    if (count < columns)
      return correlate_some<A, reading, run, outside, columns - 1>(
          count, x, step, index, first, gradient, gradient_step, positions, inside, sums,
          border, runs_along);
  }
  correlate<A, reading, run, outside, columns>(x, step, index, first, gradient, gradient_step,
                                              positions, inside, sums, border, runs_along);
}

// All runs of one length, a few at a time.
template <class A, Reading reading, int run, Outside outside>
inline void correlate_runs(const Runs& runs, const char* x, int64_t step, Mask<A> index,
                           const int64_t*& first, const char* gradient, int64_t gradient_step,
                           int64_t positions, Mask<A> inside, A*& sums, Border border = {}) {
  for (int64_t left = runs.count[run]; left > 0;) {
    const int64_t count = std::min<int64_t>(left, most_columns(run));
    correlate_some<A, reading, run, outside>(count, x, step, index, first, gradient, gradient_step,
                                            positions, inside, sums, border);
    first += count, sums += count * run * lanes<A>, left -= count;
  }
}

// sums[input][tap] += sum over the positions of a stack of gradient * cell, lane by lane.
template <class A, Reading reading, Outside outside>
void correlate_stack(const Cells<A>& cells, const Runs& runs, const char* gradient,
                     int64_t gradient_step, int64_t positions, int64_t columns, A* sums) {
  const Mask<A> inside = first_lanes<A>(columns);
  for (int64_t input = 0; input < cells.inputs; ++input) {
    const char* x = cells.x + input * cells.input_step;
    const int64_t* first = runs.first.data();
    Mask<A> index{};
    if constexpr (reading == Reading::permuted) index = cells.index[input];
    correlate_runs<A, reading, 3, outside>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
    correlate_runs<A, reading, 2, outside>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
    correlate_runs<A, reading, 1, outside>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
  }
}

// Calls `visit(cell, index, sums)` for the outer rows of every input.
template <class A, Reading reading, class Visit>
inline void each_outer_met(const Cells<A>& cells, const Rows& rows, const Runs& runs, A* sums,
                           Visit visit) {
  const int64_t size = rows.inner_count * runs.taps() * lanes<A>;
  for (int64_t input = 0; input < cells.inputs; ++input) {
    Mask<A> index{};
    if constexpr (reading == Reading::permuted) index = cells.index[input];
    for (int64_t a = rows.outers.begin; a < rows.outers.end; ++a)
      visit(cells.x + input * cells.input_step + rows.outer[a], index,
            sums + (input * rows.outer_count + a) * size);
  }
}

// The same over rows: the sums lie as Runs::place says, those of each outer row by themselves.
template <class A, Reading reading, int run, Outside outside>
inline void correlate_rows(const Runs& runs, const Rows& rows, const char* x, int64_t step,
                           Mask<A> index, const int64_t*& first, const char* gradient,
                           int64_t gradient_step, int64_t positions, A*& sums) {
  constexpr int64_t most = most_columns(run);
  for (int64_t i = 0; i < runs.count[run]; ++i, ++first) {
    Border border = rows.border;
    border.along += *first;
    for (int64_t b = rows.inners.begin; b < rows.inners.end; b += most)
      correlate_some<A, reading, run, outside>(
          std::min(rows.inners.end - b, most), x + *first, step, index, rows.inner + b, gradient,
          gradient_step, positions, Mask<A>{}, sums + b * run * lanes<A>, border, false);
    sums += rows.inner_count * run * lanes<A>;
  }
}

template <class A, Reading reading, Outside outside>
void correlate_rows(const Cells<A>& cells, const Rows& rows, const Runs& runs,
                    const char* gradient, int64_t gradient_step, int64_t positions, A* sums) {
  each_outer_met<A, reading>(cells, rows, runs, sums, [&](const char* x, Mask<A> index, A* sum) {
    const int64_t* first = runs.first.data();
    auto add = [&](auto run) {
      if (rows.inner_count == 1)  // runs of the one row at once instead of one run of many rows
        correlate_runs<A, reading, run, outside>(runs, x + rows.inner[0], cells.step, index, first,
                                                 gradient, gradient_step, positions, Mask<A>{}, sum,
                                                 rows.border);
      else
        correlate_rows<A, reading, run, outside>(runs, rows, x, cells.step, index, first, gradient,
                                                 gradient_step, positions, sum);
    };
    if (rows.inners.size() == 0) return;
    add(std::integral_constant<int, 3>{});
    add(std::integral_constant<int, 2>{});
    add(std::integral_constant<int, 1>{});
  });
}

}  // namespace juanji
