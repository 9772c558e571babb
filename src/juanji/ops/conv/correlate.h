// The inner loop of the weight gradient: the sums of some taps stay in registers, while gradient
// and cells of a stack of positions pass by.
#pragma once

#include "kernel.h"

namespace juanji {

// What of the cells does not count.
enum class Outside { nothing, lanes, cells };

// sums[run.place + r] += sum over positions p of gradient[p] * cell[p + r], for `columns` runs of
// one length at once. Outside::lanes: of every vector only those `inside` count; the cells of
// others, times zero, could be NaN. Outside::cells: see Border.
template <class A, Reading reading, int length, Outside outside, int columns>
[[gnu::noinline]] void correlate(const char* x, int64_t step, Mask<A> index, const Run* runs,
                                 const char* gradient, int64_t gradient_step, int64_t positions,
                                 Mask<A> inside, A* sums, const Border& border) {
  Vector<A> total[columns][length];
  int64_t offset[columns], along[columns];
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c) {
    offset[c] = runs[c].offset, along[c] = border.along + runs[c].along;
#pragma GCC unroll 8
    for (int r = 0; r < length; ++r) total[c][r] = load(sums + (runs[c].place + r) * lanes<A>);
  }
  Vector<A> recent[length]{};  // gradients that meet a cell: recent[r] meets tap r
  // The cell q meets the taps low <= r < high.
  auto meet = [&](int64_t q, int64_t low, int64_t high) {
    const int64_t walked = q * step;
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) {
      const char* cell = cell_or_zeros<outside == Outside::cells>(x + walked + offset[c],
                                                                  along[c] + walked, border.limit);
      Vector<A> value = in_register(read<A, reading>(cell, index));
      if (outside == Outside::lanes) value = keep<A>(inside, value);
#pragma GCC unroll 8
      for (int r = 0; r < length; ++r)
        if (low <= r && r < high) total[c][r] += recent[r] * value;
    }
  };
  auto next = [&](int64_t p) {
#pragma GCC unroll 8
    for (int r = length - 1; r > 0; --r) recent[r] = recent[r - 1];
    if (p < positions)
      recent[0] = read<A, Reading::plain>(gradient + p * gradient_step, Mask<A>{});
  };
  int64_t q = 0;
  for (; q < length - 1; ++q) next(q), meet(q, q < positions ? 0 : q - positions + 1, q + 1);
  for (; q < positions; ++q) next(q), meet(q, 0, length);  // all of them, in registers
  for (; q < positions + length - 1; ++q) next(q), meet(q, q - positions + 1, length);
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c)
#pragma GCC unroll 8
    for (int r = 0; r < length; ++r) store(sums + (runs[c].place + r) * lanes<A>, total[c][r]);
}

// As many columns as the registers hold sums for; with fewer there are kernels for about a half.
inline constexpr int most_columns(int length) {
  return length == 1 ? 8 : (registers - length - 2) / length;
}
inline constexpr int next_columns(int columns) { return (columns + 1) / 2; }

// All runs of one length, some at a time.
template <class A, Reading reading, int length, Outside outside, int columns = most_columns(length)>
inline void correlate_runs(const Run*& run, int64_t count, const char* x, int64_t step,
                           Mask<A> index, const char* gradient, int64_t gradient_step,
                           int64_t positions, Mask<A> inside, A* sums, const Border& border) {
  for (; count >= columns; count -= columns, run += columns)
    correlate<A, reading, length, outside, columns>(x, step, index, run, gradient, gradient_step,
                                                    positions, inside, sums, border);
  if constexpr (columns > 1)
    if (count > 0)
      correlate_runs<A, reading, length, outside, next_columns(columns)>(
          run, count, x, step, index, gradient, gradient_step, positions, inside, sums, border);
}

// sums[input][place] += sum over the positions of a stack of gradient * cell, lane by lane.
template <class A, Reading reading, Outside outside>
void correlate_stack(const Cells<A>& cells, const Runs& runs, const char* gradient,
                     int64_t gradient_step, int64_t positions, int64_t columns, A* sums,
                     const Border& border = {}) {
  const Mask<A> inside = first_lanes<A>(columns);
  each_input<A, reading>(
      cells, sums, runs.taps * lanes<A>, [&](const char* x, Mask<A> index, A* sum) {
        const Run* run = runs.all.data();
        auto add = [&](auto length) {
          correlate_runs<A, reading, length, outside>(run, runs.count[length], x, cells.step, index,
                                                      gradient, gradient_step, positions, inside,
                                                      sum, border);
        };
        add(std::integral_constant<int, 5>{});
        add(std::integral_constant<int, 3>{});
        add(std::integral_constant<int, 2>{});
        add(std::integral_constant<int, 1>{});
      });
}

}  // namespace juanji
