// The inner loops of convolution: offsets, weights, vectors, and nothing else.
//
// Cells are addressed in bytes: cell = x + offset[tap] + at[position].
#pragma once

#include "panel.h"

namespace juanji {

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

template <class A>
inline Vector<A> load_bytes(const char* base, int64_t offset) {
  return load(reinterpret_cast<const A*>(base + offset));
}

// How many positions fit into the registers, with `rows` sums each. Shared cells stay in registers
// while the rows' weights pass by; a single row reads its cells from memory.
inline constexpr int most_positions(int rows, bool shared) {
  if (rows == 1) return registers / 2;
  return shared ? (registers - 1) / (rows + 1) : (registers - rows - 1) / rows;
}

// out[to[p] + j * out_step] = bias[j] + sum over taps of weight[tap][j] * x[at[p] + offset[tap]]
//
// shared: the rows j are output channels that read the same cells x (a panel of planes), weights
// are numbers. Otherwise the rows are the vectors of a block: x and weights are j vectors further.
template <class A, int positions, int rows, bool shared>
void accumulate(const A* x, const int64_t* at, const int64_t* offsets, int64_t taps,
                const A* weight, const A* bias, A* out, const int64_t* to, int64_t out_step) {
  Vector<A> sums[positions][rows];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j)
      sums[p][j] = shared ? splat<A>(bias[j]) : load(bias + j * lanes<A>);
  int64_t place[positions];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p) place[p] = at[p];
  for (int64_t tap = 0; tap < taps; ++tap) {
    const char* cell = reinterpret_cast<const char*>(x) + offsets[tap];
    if constexpr (shared && rows > 1) {
      Vector<A> cells[positions];
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) cells[p] = load_bytes<A>(cell, place[p]);
#pragma GCC unroll 16
      for (int j = 0; j < rows; ++j) {
        Vector<A> w = splat<A>(weight[tap * rows + j]);
#pragma GCC unroll 16
        for (int p = 0; p < positions; ++p) sums[p][j] += w * cells[p];
      }
    } else {
      Vector<A> w[rows];
#pragma GCC unroll 16
      for (int j = 0; j < rows; ++j)
        w[j] = shared ? splat<A>(weight[tap]) : load(weight + (tap * rows + j) * lanes<A>);
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
        for (int j = 0; j < rows; ++j)
          sums[p][j] += w[j] * load_bytes<A>(cell + j * vector_bytes, place[p]);
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) store(out + to[p] + j * out_step, sums[p][j]);
}

// The same for any number of positions up to the most.
template <class A, int rows, bool shared, int positions = most_positions(rows, shared)>
inline void accumulate_some(int64_t count, const A* x, const int64_t* at, const int64_t* offsets,
                            int64_t taps, const A* weight, const A* bias, A* out,
                            const int64_t* to, int64_t out_step) {
  if constexpr (positions > 1) {
    if (count < positions)
      return accumulate_some<A, rows, shared, positions - 1>(count, x, at, offsets, taps, weight,
                                                             bias, out, to, out_step);
  }
  accumulate<A, positions, rows, shared>(x, at, offsets, taps, weight, bias, out, to, out_step);
}

// sums[tap][j] += sum over positions of gradient[from[p]][j] * x[at[p] + offset[tap]]
//
// shared: the rows j are output channels, gradient_step apart, that meet the same cells. Otherwise
// they are the vectors of a block. masked: of every vector only the first `tail` lanes count; the
// cells of others, times zero, could be NaN.
template <class A, int taps, int rows, bool shared, bool masked>
void correlate(const A* x, const int64_t* at, const int64_t* offsets, const A* gradient,
               const int64_t* from, int64_t gradient_step, int64_t tail, int64_t positions,
               A* sums) {
  Vector<A> total[taps][rows];
#pragma GCC unroll 16
  for (int t = 0; t < taps; ++t)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) total[t][j] = load(sums + (t * rows + j) * lanes<A>);
  int64_t offset[taps];
#pragma GCC unroll 16
  for (int t = 0; t < taps; ++t) offset[t] = offsets[t];
  const Mask<A> inside = first_lanes<A>(tail);
  for (int64_t p = 0; p < positions; ++p) {
    const char* cell = reinterpret_cast<const char*>(x) + at[p];
    const char* source = reinterpret_cast<const char*>(gradient) + from[p];
    Vector<A> g[rows];
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j)
      g[j] = load_bytes<A>(source, j * (shared ? gradient_step : int64_t(vector_bytes)));
#pragma GCC unroll 16
    for (int t = 0; t < taps; ++t) {
#pragma GCC unroll 16
      for (int j = 0; j < rows; ++j) {
        Vector<A> value = load_bytes<A>(cell + (shared ? 0 : j * vector_bytes), offset[t]);
        total[t][j] += g[j] * (masked ? keep<A>(inside, value) : value);
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < taps; ++t)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) store(sums + (t * rows + j) * lanes<A>, total[t][j]);
}

// Registers for the sums; offsets of the taps want registers of their own, so not too many.
inline constexpr int most_taps(int rows) {
  return rows == 1 ? 8 : (registers - rows - 2) / rows;
}

// The same for any number of taps up to the most.
template <class A, int rows, bool shared, bool masked, int taps = most_taps(rows)>
inline void correlate_some(int64_t count, const A* x, const int64_t* at, const int64_t* offsets,
                           const A* gradient, const int64_t* from, int64_t gradient_step,
                           int64_t tail, int64_t positions, A* sums) {
  if constexpr (taps > 1) {
    if (count < taps)
      return correlate_some<A, rows, shared, masked, taps - 1>(
          count, x, at, offsets, gradient, from, gradient_step, tail, positions, sums);
  }
  correlate<A, taps, rows, shared, masked>(x, at, offsets, gradient, from, gradient_step, tail,
                                           positions, sums);
}

}  // namespace juanji
