// The tiles of the small matrix products: what stays in registers while a sum is taken.
//
// S is how tensors store, A what is computed in.
#pragma once

#include <utility>

#include "vector.h"

namespace juanji {
namespace {

inline constexpr bool wide = vector_bytes == 64;  // 32 vector registers instead of 16

// Channels innermost: positions x vectors of output channels.
inline constexpr int row_positions = wide ? 12 : 6, row_vectors = 2;
// Channels outermost: output channels x vectors of positions.
inline constexpr int plane_channels = wide ? 8 : 4, plane_vectors = 3;
// Gradient of the weight: output channels x (vectors of) input channels; 8 x 1 for few of these.
inline constexpr int weight_outputs = 4, weight_inputs = 2;

// `count` outputs of each of `positions` positions: the input channels at `channel` of a position,
// times the weights (depth, row_vectors * lanes), on top of the bias. Weights and bias are filled
// up with zeros; of them the first `vectors` are used.
template <class S, int positions, int vectors>
inline void row_tile(const Compute<S>* const* input, const int64_t* channel, int64_t depth,
                     const Compute<S>* weight, const Compute<S>* bias, S* output,
                     int64_t output_step, int64_t count) {
  using A = Compute<S>;
  Vector<A> sums[positions][vectors];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[p][v] = load(bias + v * lanes<A>);
  for (int64_t k = 0; k < depth; ++k, weight += row_vectors * lanes<A>) {
    int64_t offset = channel[k];
    Vector<A> weights[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) weights[v] = load(weight + v * lanes<A>);
#pragma GCC unroll 16
    for (int p = 0; p < positions; ++p) {
      Vector<A> value = splat<A>(input[p][offset]);
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
// positions of the gradient's channels at `channel`, times the packed inputs.
template <class A, int outputs, int vectors>
inline void weight_row_tile(const A* const* grad, const int64_t* channel, const A* input,
                            int64_t input_step, int64_t positions, A* total, int64_t total_step) {
  Vector<A> sums[outputs][vectors] = {};
  int64_t offset[outputs];
#pragma GCC unroll 8
  for (int o = 0; o < outputs; ++o) offset[o] = channel[o];
  for (int64_t p = 0; p < positions; ++p, input += input_step) {
    const A* from = grad[p];
    Vector<A> values[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) values[v] = load(input + v * lanes<A>);
#pragma GCC unroll 8
    for (int o = 0; o < outputs; ++o) {
      Vector<A> factor = splat<A>(from[offset[o]]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[o][v] += factor * values[v];
    }
  }
#pragma GCC unroll 8
  for (int o = 0; o < outputs; ++o)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      A* to = total + o * total_step + v * lanes<A>;
      store(to, load(to) + sums[o][v]);
    }
}

// As `sum`, but in registers: half by half.
template <class A, int count, size_t... lane>
inline A sum_halves(typename VectorOf<A, count>::type value, std::index_sequence<lane...>) {
  if constexpr (count == 2) {
    return value[0] + value[1];
  } else {
    auto half = __builtin_shufflevector(value, value, int(lane)...) +
                __builtin_shufflevector(value, value, int(lane + count / 2)...);
    return sum_halves<A, count / 2>(half, std::make_index_sequence<count / 4>{});
  }
}

// Adds to outputs x inputs of `total`: the products of packed planes, `step` apart, of so many
// vectors of positions. Inlined, it would have to share its registers.
template <class A, int outputs, int inputs>
[[gnu::noinline]] void weight_plane_tile(const A* grad, const A* input, int64_t step,
                                         int64_t vectors, A* total, int64_t total_step) {
  Vector<A> sums[outputs][inputs] = {};
  for (int64_t p = 0; p < vectors * lanes<A>; p += lanes<A>) {
    Vector<A> values[inputs];
#pragma GCC unroll 4
    for (int i = 0; i < inputs; ++i) values[i] = load(input + i * step + p);
#pragma GCC unroll 8
    for (int o = 0; o < outputs; ++o) {
      Vector<A> factor = load(grad + o * step + p);
#pragma GCC unroll 4
      for (int i = 0; i < inputs; ++i) sums[o][i] += factor * values[i];
    }
  }
#pragma GCC unroll 8
  for (int o = 0; o < outputs; ++o)
#pragma GCC unroll 4
    for (int i = 0; i < inputs; ++i)
      total[o * total_step + i] +=
          sum_halves<A, lanes<A>>(sums[o][i], std::make_index_sequence<lanes<A> / 2>{});
}

}  // namespace
}  // namespace juanji
