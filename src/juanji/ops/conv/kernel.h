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
};

// What a vector of cells is.
enum class Reading {
  line,      // neighbours along the width; weights are numbers
  plain,     // channels, each its own output's input; weights are vectors, here and below
  permuted,  // channels of groups of at most four: every lane gets an input of its group
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

// sums[p] += sum over r < run of weight[r] * cell[p + r]
template <class A, Reading reading, int positions, int run>
inline void slide_run(Vector<A> (&sums)[positions], const char* cell, int64_t step, Mask<A> index,
                      const A*& weight) {
  Vector<A> w[run];
#pragma GCC unroll 4
  for (int r = 0; r < run; ++r, weight += reading == Reading::line ? 1 : lanes<A>)
    w[r] = reading == Reading::line ? splat<A>(*weight) : load(weight);
#pragma GCC unroll 32
  for (int q = 0; q < positions + run - 1; ++q) {
    const Vector<A> value = read<A, reading>(cell + q * step, index);
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r)
      if (0 <= q - r && q - r < positions) sums[q - r] += w[r] * value;
  }
}

// out[p * out_step] = bias + sum over inputs and taps of weight * cell, for one vector of every
// position. Weights lie as (input, tap), those of a vector side by side.
template <class A, Reading reading, int positions>
void slide(const Cells<A>& cells, const Runs& runs, const A* weight, const A* bias, A* out,
           int64_t out_step) {
  Vector<A> sums[positions];
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p)
    sums[p] = reading == Reading::line ? splat<A>(*bias) : load(bias);
  const int64_t threes = runs.count[3], twos = runs.count[2], ones = runs.count[1];
  for (int64_t input = 0; input < cells.inputs; ++input) {
    const char* x = cells.x + input * cells.input_step;
    Mask<A> index{};
    if constexpr (reading == Reading::permuted) index = cells.index[input];
    const int64_t* first = runs.first.data();
    for (int64_t i = 0; i < threes; ++i)
      slide_run<A, reading, positions, 3>(sums, x + *first++, cells.step, index, weight);
    for (int64_t i = 0; i < twos; ++i)
      slide_run<A, reading, positions, 2>(sums, x + *first++, cells.step, index, weight);
    for (int64_t i = 0; i < ones; ++i)
      slide_run<A, reading, positions, 1>(sums, x + *first++, cells.step, index, weight);
  }
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p) store(out + p * out_step, sums[p]);
}

// Height of a stack that fills the registers.
inline constexpr int full_stack = registers == 32 ? 12 : 10;

template <class A, Reading reading, int positions = full_stack>
inline void slide_some(int64_t count, const Cells<A>& cells, const Runs& runs, const A* weight,
                       const A* bias, A* out, int64_t out_step) {
  if constexpr (positions > 1) {
    if (count < positions)
      return slide_some<A, reading, positions - 1>(count, cells, runs, weight, bias, out, out_step);
  }
  slide<A, reading, positions>(cells, runs, weight, bias, out, out_step);
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
      for (int p = 0; p < positions; ++p) value[p] = read<A, Reading::line>(x + p * cells.step, Mask<A>{});
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
    slide_some<A, Reading::line>(count, cells, runs, weight, bias, out, out_step);
  } else {
    if constexpr (positions > 1) {
      if (count < positions)
        return accumulate_some<A, rows, positions - 1>(count, cells, runs, weight, bias, out,
                                                       out_step, row_step);
    }
    accumulate<A, positions, rows>(cells, runs, weight, bias, out, out_step, row_step);
  }
}

// sums[c][r] += sum over positions p of gradient[p] * cell[p + r + first[c]]: `columns` runs at
// once, of one input. masked: of every vector only the lanes `inside` count; the cells of others,
// times zero, could be NaN.
template <class A, Reading reading, int run, bool masked, int columns>
void correlate(const char* x, int64_t step, Mask<A> index, const int64_t* first,
               const char* gradient, int64_t gradient_step, int64_t positions, Mask<A> inside,
               A* sums) {
  Vector<A> total[columns][run];
  int64_t offset[columns];
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c) {
    offset[c] = first[c];
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r) total[c][r] = load(sums + (c * run + r) * lanes<A>);
  }
  Vector<A> recent[run]{};  // gradients that meet a cell: recent[r] meets tap r
  // The cell q meets the taps low <= r < high.
  auto meet = [&](int64_t q, int64_t low, int64_t high) {
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) {
      Vector<A> value = read<A, reading>(x + q * step + offset[c], index);
      if (masked) value = keep<A>(inside, value);
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

template <class A, Reading reading, int run, bool masked, int columns = most_columns(run)>
inline void correlate_some(int64_t count, const char* x, int64_t step, Mask<A> index,
                           const int64_t* first, const char* gradient, int64_t gradient_step,
                           int64_t positions, Mask<A> inside, A* sums) {
  if constexpr (columns > 1) {
    if (count < columns)
      return correlate_some<A, reading, run, masked, columns - 1>(
          count, x, step, index, first, gradient, gradient_step, positions, inside, sums);
  }
  correlate<A, reading, run, masked, columns>(x, step, index, first, gradient, gradient_step,
                                              positions, inside, sums);
}

// All runs of one length, a few at a time.
template <class A, Reading reading, int run, bool masked>
inline void correlate_runs(const Runs& runs, const char* x, int64_t step, Mask<A> index,
                           const int64_t*& first, const char* gradient, int64_t gradient_step,
                           int64_t positions, Mask<A> inside, A*& sums) {
  for (int64_t left = runs.count[run]; left > 0;) {
    const int64_t count = std::min<int64_t>(left, most_columns(run));
    correlate_some<A, reading, run, masked>(count, x, step, index, first, gradient, gradient_step,
                                            positions, inside, sums);
    first += count, sums += count * run * lanes<A>, left -= count;
  }
}

// sums[input][tap] += sum over the positions of a stack of gradient * cell, lane by lane.
template <class A, Reading reading, bool masked>
void correlate_stack(const Cells<A>& cells, const Runs& runs, const char* gradient,
                     int64_t gradient_step, int64_t positions, int64_t columns, A* sums) {
  const Mask<A> inside = first_lanes<A>(columns);
  for (int64_t input = 0; input < cells.inputs; ++input) {
    const char* x = cells.x + input * cells.input_step;
    const int64_t* first = runs.first.data();
    Mask<A> index{};
    if constexpr (reading == Reading::permuted) index = cells.index[input];
    correlate_runs<A, reading, 3, masked>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
    correlate_runs<A, reading, 2, masked>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
    correlate_runs<A, reading, 1, masked>(runs, x, cells.step, index, first, gradient,
                                          gradient_step, positions, inside, sums);
  }
}

}  // namespace juanji
