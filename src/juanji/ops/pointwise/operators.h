// Grouped 1x1 convolution between two shuffles, and the gradient of its weight, for other operators.
// Both check what they are given.
#pragma once

#include "tensor.h"

namespace juanji {

// Of the input or the output: those of a few positions wait in a cache.
inline constexpr int64_t most_pointwise_channels = 8192;

// `before` and `after` are the groups of the shuffles, 1 for none. Transposed, the weight is read
// the other way round.
Tensor pointwise_conv(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                      int64_t groups, int64_t before, int64_t after, bool transposed,
                      bool innermost);

Tensor pointwise_conv_weight_gradient(const Tensor& gradient, const Tensor& input, int64_t groups,
                                      int64_t before, int64_t after);

}  // namespace juanji
