// Grouped 1x1 convolution between two shuffles, which cost nothing: they are where channels are read
// and written. The mathematics: README.md in this folder.
#include "again.h"
#include "operators.h"
#include "weight_gradient.h"

namespace juanji {
namespace {

// Checks what both operators are given.
void check_maps(const char* name, const Tensor& tensor, const Tensor& other) {
  check_feature_maps(name, tensor, 3);
  STD_TORCH_CHECK(tensor.dim() == other.dim(), name, " must have ", other.dim(), " dimensions");
  STD_TORCH_CHECK(tensor.scalar_type() == other.scalar_type(), name, " must have the other dtype");
}

}  // namespace

Tensor pointwise_conv(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                      int64_t groups, int64_t before, int64_t after, bool transposed,
                      bool innermost) {
  check_maps("input", input, weight);
  check_maps("weight", weight, input);
  int64_t in_channels = input.size(1);
  check_divides("groups", groups, in_channels);
  check_divides("groups", groups, weight.size(0));
  int64_t out_channels = transposed ? weight.size(1) * groups : weight.size(0);
  Product product{groups, in_channels / groups, out_channels / groups, {}, {}};
  STD_TORCH_CHECK((transposed ? weight.size(0) : weight.size(1) * groups) == in_channels,
                  "weight does not fit ", in_channels, " input channels in ", groups, " groups");
  for (int64_t axis = 2; axis < weight.dim(); ++axis)
    STD_TORCH_CHECK(weight.size(axis) == 1, "weight must have one tap");
  check_divides("before", before, in_channels);
  check_divides("after", after, out_channels);
  if (bias) {
    STD_TORCH_CHECK(bias->dim() == 1 && bias->size(0) == out_channels && bias->is_cpu() &&
                        bias->scalar_type() == input.scalar_type(),
                    "bias must have one value per output channel, and the input's dtype");
  }
  product.from = dealt(in_channels, before);
  product.to = dealt(out_channels, out_channels > 0 ? out_channels / after : 1);

  Tensor output = empty_with(input, out_channels, innermost);
  Cells cells = cells_of(input, false);
  if (output.numel() == 0) return output;
  for_storage(input.scalar_type(), [&]<class S>(S) {
    int64_t row = weight.stride(0), column = weight.stride(1);
    Weights<S> weights{static_cast<const S*>(weight.data_ptr()),
                       row * (weight.size(0) / groups),
                       transposed ? column : row,
                       transposed ? row : column,
                       bias ? static_cast<const S*>(bias->data_ptr()) : nullptr,
                       bias ? bias->stride(0) : 0};
    if (!innermost && cells.dense() && cells.count >= lanes<Compute<S>>)
      multiply_planes<S>(product, weights, input, output);
    else
      multiply_rows<S>(product, weights, input, output, after);
  });
  return output;
}

Tensor pointwise_conv_weight_gradient(const Tensor& gradient, const Tensor& input,
                                      int64_t groups, int64_t before, int64_t after) {
  check_maps("input", input, gradient);
  check_maps("gradient", gradient, input);
  int64_t in_channels = input.size(1), out_channels = gradient.size(1), axes = input.dim();
  for (int64_t axis = 0; axis < axes; ++axis)
    STD_TORCH_CHECK(axis == 1 || input.size(axis) == gradient.size(axis),
                    "gradient must have the batch and spatial sizes of input");
  check_divides("groups", groups, in_channels);
  check_divides("groups", groups, out_channels);
  check_divides("before", before, in_channels);
  check_divides("after", after, out_channels);
  Product product{groups, in_channels / groups, out_channels / groups, dealt(in_channels, before),
                  dealt(out_channels, out_channels > 0 ? out_channels / after : 1)};
  Ints shape(axes, 1);
  shape[0] = out_channels;
  shape[1] = product.inputs;
  Tensor weight = torch::stable::new_empty(input, shape);
  if (weight.numel() == 0) return weight;
  if (input.numel() == 0) return torch::stable::zero_(weight);

  for_storage(input.scalar_type(), [&]<class S>(S) {
    std::vector<Compute<S>> sums;
    bool rows = input.stride(1) == 1 && gradient.stride(1) == 1;
    Parts parts = rows ? weight_sums<S, PackRows>(product, input, gradient, sums)
                       : weight_sums<S, PackPlanes>(product, input, gradient, sums);
    S* result = static_cast<S*>(weight.data_ptr());
    for (int64_t c = 0; c < out_channels; ++c)
      for (int64_t i = 0; i < product.inputs; ++i) {
        int64_t row = c / product.outputs * parts.outputs + c % product.outputs;
        result[c * product.inputs + i] = narrow<S>(sums[row * parts.inputs + i]);
      }
  });
  return weight;
}

STABLE_TORCH_LIBRARY_FRAGMENT(juanji, m) {
  m.def(
      "pointwise_conv(Tensor input, Tensor weight, Tensor? bias, SymInt groups, SymInt before, "
      "SymInt after, bool transposed, bool innermost) -> Tensor");
  m.def(
      "pointwise_conv_weight_gradient(Tensor gradient, Tensor input, SymInt groups, "
      "SymInt before, SymInt after) -> Tensor");
  define_again(m, "pointwise_conv",
               "Tensor input, Tensor weight, Tensor? bias, int groups, int before, int after, "
               "bool transposed, bool innermost");
  define_again(m, "pointwise_conv_weight_gradient",
               "Tensor gradient, Tensor input, int groups, int before, int after");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, m) {
  m.impl("pointwise_conv", TORCH_BOX(&pointwise_conv));
  m.impl("pointwise_conv_weight_gradient", TORCH_BOX(&pointwise_conv_weight_gradient));
  implement_again<&pointwise_conv>(m, "pointwise_conv");
  implement_again<&pointwise_conv_weight_gradient>(m, "pointwise_conv_weight_gradient");
}

}  // namespace juanji
