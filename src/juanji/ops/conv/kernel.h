// The inner loops of convolution and its input gradient: offsets, weights, vectors, nothing else.
//
// Positions are computed in stacks: neighbours along one axis, `step` bytes apart, whose sums stay
// in registers while runs of taps slide over them.
#pragma once

#include "ahead.h"
#include "runs.h"

namespace juanji {

// Height of a stack that fills the registers.
inline constexpr int full_stack = registers == 32 ? 12 : 8;

// Stacks come in few heights, since each needs a kernel of its own: 12, 8, 6, 4, 2, 1.
inline constexpr int next_height(int height) {
  return height > 8 ? 8 : height > 2 ? height - 2 : height - 1;
}

// Cuts `count` positions into stacks of those heights, `most` and below, and calls
// visit(first, height). The last one may begin inside of the one before it, and computes the same
// again; or it has any height.
template <class Visit>
inline void cut_into_stacks(int64_t count, int most, bool any_height, Visit visit) {
  for (int64_t first = 0; first < count;) {
    const int64_t left = count - first;
    if (any_height && left <= most) return visit(first, left);
    int height = most, enough = most;  // the highest that fits, the lowest that is enough
    while (height > left) height = next_height(height);
    while (next_height(enough) >= left) enough = next_height(enough);
    if (enough >= left && enough <= count) return visit(count - enough, enough);
    if (left - height <= 2 && height > 2) height = next_height(height);  // rather two alike
    visit(first, height);
    first += height;
  }
}

// Where a stack lies along its row, in bytes, when some of its cells are outside of 0..limit: those
// count as zero.
struct Border {
  int64_t along = 0, limit = 0;
  bool crossed = false;

  // Of `cells` cells, `step` apart, the first of them `further` along the row: those inside.
  Range inside(int64_t cells, int64_t step, int64_t further) const {
    if (!crossed) return {0, cells};
    const int64_t first = along + further;
    const int64_t begin = first < 0 ? (step - 1 - first) / step : 0;
    const int64_t end = first < limit ? (limit - 1 - first) / step + 1 : 0;
    return {std::min(begin, cells), std::min(end, cells)};
  }
};

// Some neighbouring positions of a tile.
struct Stack {
  int64_t at, to;  // bytes in the panel; elements in the output, or in the gradient that is summed
  int64_t count;
  int64_t column, columns;  // where the first one starts along the width, and how many count
  int64_t row = 0;  // if cells outside are left out: which of Stacks::met
  Border border{};
};

// What a vector of cells is.
enum class Reading {
  line,      // neighbours along the width; weights are numbers
  plain,     // channels, each its own output's input; weights are vectors, here and below
  permuted,  // channels of groups that fit into near lanes: every lane gets an input of its group
  same,      // one channel, the input of all lanes
};

// How far apart the weights of neighbouring taps are.
template <class A, Reading reading>
inline constexpr int64_t weight_step = reading == Reading::line ? 1 : lanes<A>;

// The cells of a stack, `inputs` channels of them.
template <class A>
struct Cells {
  const char* x;
  int64_t step, inputs, input_step;  // bytes; permuted cells have no input_step, but an index
  const Mask<A>* index;
  TileAhead* ahead;  // asked before every vector, if there is one

  template <Reading reading>
  Mask<A> index_of(int64_t input) const {
    if constexpr (reading == Reading::permuted) return index[input];
    else return Mask<A>{};
  }
};

template <class A, Reading reading>
inline Vector<A> read(const char* cell, Mask<A> index) {
  const A* from = reinterpret_cast<const A*>(cell);
  if constexpr (reading == Reading::same) return splat<A>(*from);
  else if constexpr (reading == Reading::permuted) return permute_near<A>(load(from), index);
  else return load(from);
}

// sums[p] += sum over inputs and r < length of weight[r] * cell[p + r], for some runs of this length.
// All inputs meet the cells of a run before the next one does: of those, the first-level cache holds
// as many even where they lie a multiple of 2 KiB apart.
template <class A, Reading reading, int positions, int length, bool crossed>
inline void slide_runs(Vector<A> (&sums)[positions], const Run* run, const Run* end,
                       const Cells<A>& cells, const char* x, const A* weights, int64_t size,
                       const Border& border) {
  const int64_t step = cells.step, inputs = reading == Reading::plain ? 1 : cells.inputs;
  for (; run != end; ++run)
    for (int64_t input = 0; input < inputs; ++input) {
      const A* weight = weights + input * size + run->place * weight_step<A, reading>;
      Vector<A> w[length];
#pragma GCC unroll 8
      for (int r = 0; r < length; ++r)
        w[r] = reading == Reading::line ? splat<A>(weight[r]) : load(weight + r * lanes<A>);
      const char* cell = x + input * cells.input_step + run->offset;
      const Mask<A> index = cells.template index_of<reading>(input);
      int64_t along = border.along + run->along;
#pragma GCC unroll 32
      for (int q = 0; q < positions + length - 1; ++q) {
        if (!crossed || uint64_t(along) < uint64_t(border.limit)) {
          const Vector<A> value = in_register(read<A, reading>(cell, index));
#pragma GCC unroll 8
          for (int r = 0; r < length; ++r)
            if (0 <= q - r && q - r < positions) sums[q - r] += w[r] * value;
        }
        cell += step, along += step;
      }
    }
}

// out[p * out_step] = bias + sum over inputs and taps of weight * cell, for `vectors` neighbouring
// vectors of every position; where the border is crossed, for the first `count` positions. Weights
// lie as (vector, input, place), those of a vector side by side.
template <class A, Reading reading, int positions, bool crossed>
[[gnu::noinline]] void slide(int64_t count, const Cells<A>& cells, const Runs& runs,
                             const Border& border, const A* weights, const A* bias, A* out,
                             int64_t out_step, int64_t vectors) {
  const Run *fives = runs.all.data(), *threes = fives + runs.count[5],
            *twos = threes + runs.count[3], *ones = twos + runs.count[2],
            *end = ones + runs.count[1];
  const int64_t size = runs.taps * weight_step<A, reading>;
  const char* x = cells.x;
  for (int64_t v = 0; v < vectors; ++v) {
    if constexpr (reading != Reading::line)
      if (cells.ahead) cells.ahead->template ask<true>();
    Vector<A> sums[positions];
#pragma GCC unroll 32
    for (int p = 0; p < positions; ++p)
      sums[p] = reading == Reading::line ? splat<A>(*bias) : load(bias + v * lanes<A>);
    auto add = [&](auto length, const Run* from, const Run* to) {
      slide_runs<A, reading, positions, length, crossed>(sums, from, to, cells, x, weights, size,
                                                         border);
    };
    add(std::integral_constant<int, 5>{}, fives, threes);
    add(std::integral_constant<int, 3>{}, threes, twos);
    add(std::integral_constant<int, 2>{}, twos, ones);
    add(std::integral_constant<int, 1>{}, ones, end);
#pragma GCC unroll 32
    for (int p = 0; p < positions; ++p)
      if (!crossed || p < count) store(out + p * out_step, sums[p]);
    weights += cells.inputs * size, out += lanes<A>, x += vector_bytes;
  }
}

// Stacks that cross the border are few: one kernel serves all heights.
template <class A, Reading reading, int positions = full_stack>
inline void slide_stack(int64_t height, const Cells<A>& cells, const Runs& runs,
                        const Border& border, const A* weights, const A* bias, A* out,
                        int64_t out_step, int64_t vectors = 1) {
  if constexpr (reading != Reading::line && positions == full_stack)
    if (border.crossed)
      return slide<A, reading, positions, true>(height, cells, runs, border, weights, bias, out,
                                                out_step, vectors);
  if constexpr (positions > 1)
    if (height < positions)
      return slide_stack<A, reading, next_height(positions)>(height, cells, runs, border, weights,
                                                             bias, out, out_step, vectors);
  slide<A, reading, positions, false>(height, cells, runs, border, weights, bias, out, out_step,
                                      vectors);
}

// Lines of cells that several output channels, the rows j, read: loaded once for all of them.
// out[p * out_step + j * row_step] = bias[j] + sum over inputs and taps of weight[j] * cell
template <class A, int positions, int rows>
[[gnu::noinline]] void accumulate(const Cells<A>& cells, const std::vector<int64_t>& offsets,
                                  const A* weight, const A* bias, A* out, int64_t out_step,
                                  int64_t row_step) {
  Vector<A> sums[positions][rows];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) sums[p][j] = splat<A>(bias[j]);
  const int64_t step = cells.step;
  for (int64_t input = 0; input < cells.inputs; ++input)
    for (const int64_t offset : offsets) {
      const char* x = cells.x + input * cells.input_step + offset;
      Vector<A> value[positions];
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p, x += step)
        value[p] = in_register(read<A, Reading::line>(x, Mask<A>{}));
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

// How high a stack may be, so that its sums, cells and a weight fit into the registers.
inline constexpr int highest_stack(int rows) {
  int height = full_stack;
  if (rows > 1)
    while (height * (rows + 1) >= registers) height = next_height(height);
  return height;
}

template <class A, int rows, int positions = highest_stack(rows)>
inline void accumulate_stack(int64_t height, const Cells<A>& cells, const Order& taps,
                             const A* weight, const A* bias, A* out, int64_t out_step,
                             int64_t row_step) {
  if constexpr (rows == 1) {  // a row alone slides
    slide_stack<A, Reading::line>(height, cells, taps.runs, {}, weight, bias, out, out_step);
  } else {
    if constexpr (positions > 1)
      if (height < positions)
        return accumulate_stack<A, rows, next_height(positions)>(height, cells, taps, weight, bias,
                                                                 out, out_step, row_step);
    accumulate<A, positions, rows>(cells, taps.offsets, weight, bias, out, out_step, row_step);
  }
}

}  // namespace juanji
