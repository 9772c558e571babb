// The tiles of the small matrix products: what stays in registers while a sum is taken.
//
// S is how tensors store, A what is computed in.
#pragma once

#include <utility>

#include "vector.h"

namespace juanji {
namespace {

inline constexpr bool many_registers = registers == 32;

// Channels innermost: positions x vectors of output channels. Three positions have addresses that
// one register and their distance make.
inline constexpr int row_positions = many_registers ? 12 : 6, row_vectors = 2, row_run = 3;
// Channels outermost: output channels x vectors of positions.
inline constexpr int plane_channels = many_registers ? 8 : 4, plane_vectors = 3;
// Gradient of the weight: output channels x vectors of input channels; a third of them at the end,
// and 12 x 1 for few input channels.
inline constexpr int weight_outputs(int vectors) { return many_registers || vectors == 1 ? 12 : 6; }

// `count` outputs of each of `positions` positions, `step` apart: the input channels at `channel` of
// a position, times the weights (depth, row_vectors * lanes), on top of the bias. Weights and bias
// are filled up with zeros; of them the first `vectors` are used.
template <class S, int positions, int vectors>
inline void row_tile(const Compute<S>* input, int64_t step, const int64_t* channel, int64_t depth,
                     const Compute<S>* weight, const Compute<S>* bias, S* output,
                     int64_t output_step, int64_t count) {
  using A = Compute<S>;
  Vector<A> sums[positions][vectors];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[p][v] = load(bias + v * lanes<A>);
  for (int64_t k = 0; k < depth; ++k, weight += row_vectors * lanes<A>) {
    const A* from = input + channel[k];
    Vector<A> weights[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) weights[v] = load(weight + v * lanes<A>);
#pragma GCC unroll 16
    for (int p = 0; p < positions; ++p) {
      Vector<A> value = splat<A>(from[p % row_run * step]);
      if (p % row_run == row_run - 1) from += row_run * step;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[p][v] += value * weights[v];
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      if (count > v * lanes<A>)
        store(output + p * output_step + v * lanes<A>, sums[p][v], count - v * lanes<A>);
}

// `channels` outputs of the positions in some vectors: the planes of input channels that begin at
// `plane`, times the weights (depth, channels), on top of the bias.
template <class S, int channels, int vectors>
inline void plane_tile(const S* input, const int64_t* plane, int64_t depth,
                       const Compute<S>* weight, const Compute<S>* bias, S* const* output,
                       int64_t position) {
  using A = Compute<S>;
  Vector<A> sums[channels][vectors];
#pragma GCC unroll 16
  for (int c = 0; c < channels; ++c)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[c][v] = splat<A>(bias[c]);
  for (int64_t k = 0; k < depth; ++k, weight += channels) {
    const S* from = input + plane[k] + position;
    Vector<A> values[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) values[v] = load(from + v * lanes<A>);
#pragma GCC unroll 16
    for (int c = 0; c < channels; ++c) {
      Vector<A> factor = splat<A>(weight[c]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[c][v] += factor * values[v];
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < channels; ++c)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store(output[c] + position + v * lanes<A>, sums[c][v]);
}

// Adds to outputs x (vectors of inputs) of `total`, row by row `total_step` apart: the sum over
// positions of the gradient's channels at `channel`, times the packed inputs, (positions, vectors).
template <class A, int outputs, int vectors>
[[gnu::noinline]] void weight_tile(const A* const* grad, const int64_t* channel, const A* input,
                                   int64_t positions, A* total, int64_t total_step) {
  Vector<A> sums[outputs][vectors] = {};
  for (int64_t p = 0; p < positions; ++p, input += vectors * lanes<A>) {
    const A* from = grad[p];
    Vector<A> values[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) values[v] = load(input + v * lanes<A>);
#pragma GCC unroll 16
    for (int o = 0; o < outputs; ++o) {
      Vector<A> factor = splat<A>(from[channel[o]]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[o][v] += factor * values[v];
    }
  }
#pragma GCC unroll 16
  for (int o = 0; o < outputs; ++o)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      A* to = total + o * total_step + v * lanes<A>;
      store(to, load(to) + sums[o][v]);
    }
}

}  // namespace
}  // namespace juanji
