// Channel shuffle, and grouped 1x1 convolution between two shuffles that cost nothing: they are
// where channels are read and written. The mathematics: README.md in this folder.
#include "pointwise_operators.h"
#include "weight_gradient.h"

namespace juanji {
namespace {

void check_feature_maps(const char* name, const Tensor& tensor, int64_t axes) {
  STD_TORCH_CHECK(tensor.dim() >= axes, name, " must have at least ", axes, " dimensions, got ",
                  tensor.dim());
  STD_TORCH_CHECK(tensor.is_cpu(), name, " must be on the CPU");
}

void check_divides(const char* name, int64_t groups, int64_t channels) {
  STD_TORCH_CHECK(groups >= 1 && channels % groups == 0, name,
                  " must be at least 1 and divide the channels, got ", groups, " for ", channels,
                  " channels");
}

// ---- channel shuffle

template <class T>
void shuffle_rows(const Tensor& input, Tensor& output, int64_t groups) {
  int64_t channels = input.size(1);
  const T* from = static_cast<const T*>(input.data_ptr());
  T* to = static_cast<T*>(output.data_ptr());
  Cells cells = cells_of(input, true);
  Row<T> shuffle = row_shuffle<T>(groups, channels / groups);
  parallel(cells.count, [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell)
      shuffle(from + cells[cell], to + cell * channels, groups, channels / groups);
  }, channels);
}

template <class T>
void shuffle_planes(const Tensor& input, Tensor& output, int64_t groups) {
  constexpr int64_t piece = 65536 / int64_t(sizeof(T));  // of a plane, so that threads share it
  int64_t channels = input.size(1), batch_step = input.stride(0), channel_step = input.stride(1);
  const T* from = static_cast<const T*>(input.data_ptr());
  T* to = static_cast<T*>(output.data_ptr());
  Cells cells = cells_of(input, false);
  Ints before = dealt(channels, groups);
  int64_t pieces = (cells.count + piece - 1) / piece;
  parallel(input.size(0) * channels * pieces, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      int64_t plane = unit / pieces, first = unit % pieces * piece;
      int64_t count = std::min(piece, cells.count - first);
      const T* source =
          from + plane / channels * batch_step + before[plane % channels] * channel_step;
      T* target = to + plane * cells.count + first;
      if (cells.dense())
        copy_plane(source + first, target, count);
      else
        for (int64_t cell = 0; cell < count; ++cell) target[cell] = source[cells[first + cell]];
    }
  }, std::min(cells.count, piece));
}

template <class T>
void shuffle_elements(const Tensor& input, Tensor& output, int64_t groups, bool rows) {
  if (rows)
    shuffle_rows<T>(input, output, groups);
  else
    shuffle_planes<T>(input, output, groups);
}

Tensor channel_shuffle(const Tensor& input, int64_t groups) {
  check_feature_maps("input", input, 2);
  check_divides("groups", groups, input.size(1));
  bool innermost = channels_innermost(input);
  Tensor output = empty_with(input, input.size(1), innermost);
  Cells cells = cells_of(input, false);
  if (input.size(0) == 0 || input.size(1) == 0 || cells.count == 0) return output;
  bool rows = input.stride(1) == 1 && (innermost || cells.count == 1);
  switch (input.element_size()) {
    case 1: shuffle_elements<uint8_t>(input, output, groups, rows); break;
    case 2: shuffle_elements<uint16_t>(input, output, groups, rows); break;
    case 4: shuffle_elements<uint32_t>(input, output, groups, rows); break;
    case 8: shuffle_elements<uint64_t>(input, output, groups, rows); break;
    case 16: shuffle_elements<unsigned __int128>(input, output, groups, rows); break;
    default: STD_TORCH_CHECK(false, "elements must have 1, 2, 4, 8 or 16 bytes");
  }
  return output;
}

// ---- grouped 1x1 convolution, and the gradient of its weight

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
  m.def("channel_shuffle(Tensor input, SymInt groups) -> Tensor");
  m.def(
      "pointwise_conv(Tensor input, Tensor weight, Tensor? bias, SymInt groups, SymInt before, "
      "SymInt after, bool transposed, bool innermost) -> Tensor");
  m.def(
      "pointwise_conv_weight_gradient(Tensor gradient, Tensor input, SymInt groups, "
      "SymInt before, SymInt after) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, m) {
  m.impl("channel_shuffle", TORCH_BOX(&channel_shuffle));
  m.impl("pointwise_conv", TORCH_BOX(&pointwise_conv));
  m.impl("pointwise_conv_weight_gradient", TORCH_BOX(&pointwise_conv_weight_gradient));
}

}  // namespace juanji
