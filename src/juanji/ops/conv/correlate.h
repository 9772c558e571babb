// The inner loop of the weight gradient: the sums of some taps stay in registers, while gradient
// and cells of stacks of positions pass by.
#pragma once

#include "ahead.h"
#include "kernel.h"

namespace juanji {

// What of the cells does not count.
enum class Outside { nothing, lanes, cells };

// Stacks that pass by, all from one x and one gradient on.
template <class A>
struct Passage {
  const Stack *begin, *end;
  int64_t step, gradient_step;  // between the positions of a stack
  const char* gradient;
  Mask<A> inside;    // Outside::lanes: those that count
  TileAhead& ahead;  // asked at every few positions: more lines at once would be waited for

  static constexpr int64_t few = 8;
};

// A cell so far along its row, or zeros.
template <bool crossed>
inline const char* cell_or_zeros(const char* cell, int64_t along, int64_t limit) {
  alignas(vector_bytes) static constexpr char zeros[vector_bytes]{};
  return crossed && uint64_t(along) >= uint64_t(limit) ? zeros : cell;
}

// sums[run.place + r] += sum over positions p of gradient[p] * cell[p + r], for `columns` runs of
// one length at once. Outside::lanes: the others could be NaN, in the gradient and in the cells,
// hence both are made zero. Outside::cells: see Border.
template <class A, Reading reading, int length, Outside outside, int columns>
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
    const char* gradient = passage.gradient + stack->source;
    const char* cells[columns];
    int64_t along[columns];
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) {
      cells[c] = x + stack->at + runs[c].offset;
      along[c] = stack->border.along + runs[c].along;
    }
    auto value_at = [&](int c, int64_t q) {
      const char* cell = cell_or_zeros<outside == Outside::cells>(
          cells[c] + q * step, along[c] + q * step, stack->border.limit);
      const Vector<A> value = read<A, reading>(cell, index);
      return outside == Outside::lanes ? keep<A>(inside, value) : value;
    };
    Vector<A> recent[length]{};  // gradients that meet a cell: recent[r] meets tap r
    auto next = [&](int64_t p) {
#pragma GCC unroll 8
      for (int r = length - 1; r > 0; --r) recent[r] = recent[r - 1];
      if (p >= positions) return;
      recent[0] = read<A, Reading::plain>(gradient + p * gradient_step, Mask<A>{});
      if (outside == Outside::lanes) recent[0] = keep<A>(inside, recent[0]);
    };
    for (int64_t q = 0; q < positions + length - 1;) {
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
      for (const int64_t end = std::min(q + passage.few, positions); q < end; ++q) {
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

// As many columns as the registers hold sums for; with fewer there are kernels for about a third.
inline constexpr int most_columns(int length) {
  return length == 1 ? 8 : (registers - length - 2) / length;
}
inline constexpr int next_columns(int columns) { return (columns + 2) / 3; }

// All runs of one length, some at a time.
template <class A, Reading reading, int length, Outside outside, int columns = most_columns(length)>
inline void correlate_runs(const Passage<A>& passage, const char* x, Mask<A> index, const Run*& run,
                           int64_t count, A* sums) {
  for (; count >= columns; count -= columns, run += columns)
    correlate<A, reading, length, outside, columns>(passage, x, index, run, sums);
  if constexpr (columns > 1)
    if (count > 0)
      correlate_runs<A, reading, length, outside, next_columns(columns)>(passage, x, index, run,
                                                                         count, sums);
}

// sums[input][place] += sum over the positions of the stacks of gradient * cell, lane by lane.
template <class A, Reading reading, Outside outside>
void correlate_stacks(const Passage<A>& passage, const Cells<A>& cells, const Runs& runs, A* sums) {
  each_input<A, reading>(
      cells, sums, runs.taps * lanes<A>, [&](const char* x, Mask<A> index, A* sum) {
        const Run* run = runs.all.data();
        auto add = [&](auto length) {
          correlate_runs<A, reading, length, outside>(passage, x, index, run, runs.count[length],
                                                      sum);
        };
        add(std::integral_constant<int, 5>{});
        add(std::integral_constant<int, 3>{});
        add(std::integral_constant<int, 2>{});
        add(std::integral_constant<int, 1>{});
      });
}

}  // namespace juanji
