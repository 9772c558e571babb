// The inner loop of the weight gradient: the sums of some taps stay in registers, while gradient
// and cells of stacks of positions pass by.
#pragma once

#include "ahead.h"
#include "kernel.h"

namespace juanji {

// Stacks that pass by, all from one x and one gradient on.
template <class A>
struct Passage {
  const Stack *begin, *end;
  int64_t step, gradient_step;  // between the positions of a stack: bytes, elements
  const A* gradient;
  Mask<A> inside;    // the lanes that count, if not all do
  TileAhead& ahead;  // asked at every few positions: more lines at once would be waited for

  static constexpr int64_t few = 8;
};

// sums[run.place + r] += sum over positions p of gradient[p] * cell[p + r], for `columns` runs of
// one length at once, which lie alike along the row. `some`: not all lanes count; the others could
// be NaN, in the gradient and in the cells, hence both are made zero.
template <class A, Reading reading, int length, bool some, int columns>
[[gnu::noinline]] void correlate(const Passage<A>& passage, const char* x, Mask<A> index,
                                 const Run* runs, A* sums) {
  const Mask<A> inside = passage.inside;
  const int64_t step = passage.step, gradient_step = passage.gradient_step;
  Vector<A> total[columns][length];
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c)
#pragma GCC unroll 8
    for (int r = 0; r < length; ++r) total[c][r] = load(sums + (runs[c].place + r) * lanes<A>);
  for (const Stack* stack = passage.begin; stack != passage.end; ++stack) {
    const int64_t positions = stack->count;
    const A* gradient = passage.gradient + stack->to;
    const Range met = stack->border.inside(positions + length - 1, step, runs->along);
    const char* cells[columns];
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) cells[c] = x + stack->at + runs[c].offset;
    auto value_at = [&](int c, int64_t q) {
      const Vector<A> value = read<A, reading>(cells[c] + q * step, index);
      return some ? keep<A>(inside, value) : value;
    };
    Vector<A> recent[length]{};  // gradients that meet a cell: recent[r] meets tap r
    auto next = [&](int64_t p) {
#pragma GCC unroll 8
      for (int r = length - 1; r > 0; --r) recent[r] = recent[r - 1];
      if (p >= positions) return;
      recent[0] = load(gradient + p * gradient_step);
      if (some) recent[0] = keep<A>(inside, recent[0]);
    };
    for (int64_t q = std::max<int64_t>(met.begin - length + 1, 0); q < met.begin; ++q) next(q);
    for (int64_t q = met.begin; q < met.end;) {
      if (q < length - 1 || q >= positions) {  // at the ends, a cell meets some of the taps
        next(q);
#pragma GCC unroll 8
        for (int r = 0; r < length; ++r)
          if (q - positions < r && r <= q)
#pragma GCC unroll 16
            for (int c = 0; c < columns; ++c) total[c][r] += recent[r] * value_at(c, q);
        ++q;
        continue;
      }
      passage.ahead.template ask<false>();
      for (const int64_t end = std::min({q + passage.few, positions, met.end}); q < end; ++q) {
        next(q);
#pragma GCC unroll 16
        for (int c = 0; c < columns; ++c) {
          const Vector<A> value = in_register(value_at(c, q));
#pragma GCC unroll 8
          for (int r = 0; r < length; ++r) total[c][r] += recent[r] * value;
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c)
#pragma GCC unroll 8
    for (int r = 0; r < length; ++r) store(sums + (runs[c].place + r) * lanes<A>, total[c][r]);
}

// As many columns as the registers hold sums for, beside the gradients of a run and a cell, and of
// threes, which most kernels have a multiple of three of, such a multiple; with fewer there are
// kernels for about a third.
inline constexpr int most_columns(int length) {
  const int most = length == 1 ? 8 : (registers - length - 1) / length;
  return length == 3 ? most / 3 * 3 : most;
}
inline constexpr int next_columns(int columns) { return (columns + 2) / 3; }

// All runs of one length, some at a time.
template <class A, Reading reading, int length, bool some, int columns = most_columns(length)>
inline void correlate_runs(const Passage<A>& passage, const char* x, Mask<A> index, const Run*& run,
                           int64_t count, A* sums) {
  for (; count >= columns; count -= columns, run += columns)
    correlate<A, reading, length, some, columns>(passage, x, index, run, sums);
  if constexpr (columns > 1)
    if (count > 0)
      correlate_runs<A, reading, length, some, next_columns(columns)>(passage, x, index, run, count,
                                                                      sums);
}

// sums[input][place] += sum over the positions of the stacks of gradient * cell, lane by lane.
template <class A, Reading reading, bool some>
void correlate_stacks(const Passage<A>& passage, const Cells<A>& cells, const Runs& runs, A* sums) {
  for (int64_t input = 0; input < cells.inputs; ++input, sums += runs.taps * lanes<A>) {
    const char* x = cells.x + input * cells.input_step;
    const Mask<A> index = cells.template index_of<reading>(input);
    const Run* run = runs.all.data();
    auto add = [&](auto length) {
      for (int64_t left = runs.count[length]; left > 0; left -= runs.alike)
        correlate_runs<A, reading, length, some>(passage, x, index, run,
                                                 std::min(left, runs.alike), sums);
    };
    add(std::integral_constant<int, 5>{});
    add(std::integral_constant<int, 3>{});
    add(std::integral_constant<int, 2>{});
    add(std::integral_constant<int, 1>{});
  }
}

}  // namespace juanji
