// Grouped convolution with few channels per group, depthwise above all, and its gradients:
// README.md.
#include <memory>
#include <unordered_map>

#include "../pointwise/operators.h"
#include "again.h"
#include "correlate.h"
#include "fill.h"

namespace juanji {
namespace {

#include "problem.h"
#include "work.h"
#include "plan.h"
#include "gaps.h"
#include "stacks.h"
#include "channels.h"
#include "planes.h"
#include "weight_gradient.h"

template <class S, template <class> class Arrangement>
void convolve_with(const Problem& problem, const std::optional<View>& bias) {
  const auto plan = plan_of<S>(problem);
  fill_gaps<S>(problem, plan->phases, bias);
  const std::vector<Work>& all = plan->works;
  if (all.empty()) return;
  const Tasks tasks(all, Arrangement<S>(problem, bias).units(), problem.x.batch,
                    problem.out.cells() >= 1024);
  parallel(tasks.count(), [&](int64_t begin, int64_t end) {
    Arrangement<S> compute(problem, bias);
    for (int64_t index = begin; index < end; ++index) {
      const Tasks::Task task = tasks[index], next = tasks[std::min(index + 1, end - 1)];
      compute(all, task, index + 1 < end ? &next : nullptr);
    }
  }, tasks.cost(problem));
}

void convolve(const Problem& problem, const std::optional<View>& bias, ScalarType dtype) {
  if (problem.out.elements() == 0) return;
  for_storage(dtype, [&](auto kind) {
    using S = decltype(kind);
    if (problem.planes) convolve_with<S, Planes>(problem, bias);
    else convolve_with<S, Channels>(problem, bias);
  });
}

// ------------------------------------------------------------------------------- operators

// What an operator is told of its windows, beside the size of its output.
enum Told { told_size, told_stride, told_padding, told_dilation, told };

Numbers numbers_of(const Ints& windows, int64_t axes) {
  return {"windows", windows, axes, told, told};
}

Axes axes_of(const Triple& fine, const Triple& coarse, const Triple& kernel,
             const Numbers& numbers) {
  Triple s = numbers.of(told_stride, 1), p = numbers.of(told_padding, 0),
         d = numbers.of(told_dilation, 1);
  Axes made;
  for (int axis = 0; axis < 3; ++axis) {
    constexpr int64_t limit = int64_t(1) << 31;
    for (int64_t value : {s[axis], d[axis], kernel[axis], fine[axis], coarse[axis]})
      STD_TORCH_CHECK(0 < value && value < limit, "stride, dilation, kernel and sizes must be at ",
                      "least 1 and below 2**31, got ", value);
    STD_TORCH_CHECK(0 <= p[axis] && p[axis] < limit,
                    "padding must be at least 0 and below 2**31, got ", p[axis]);
    made[axis] = {fine[axis], coarse[axis], kernel[axis], s[axis], d[axis], p[axis]};
  }
  return made;
}

void arrange(Problem& problem, ScalarType dtype) {
  for_storage(dtype, [&](auto kind) {
    using A = Compute<decltype(kind)>;
    const bool innermost = problem.x.channel_stride == 1 && problem.out.channel_stride == 1;
    const bool bare = problem.spares_zeros<A>(innermost);
    problem.planes =
        !Inputs<A>::serve(problem) || !(innermost || bare || problem.transposes<A>());
    problem.direct = innermost && problem.reads_in_place<decltype(kind)>() &&
                     !(bare && problem.crowds_first_cache<A>());
    problem.bare = bare && !problem.planes && !problem.direct;
    problem.collects = !problem.planes && !problem.sums && problem.out.channel_stride != 1;
  });
}

bool is_product(const Problem& problem, ScalarType dtype, bool innermost) {
  bool is = false;
  for_storage(dtype, [&](auto kind) {
    is = problem.is_product<decltype(kind)>(innermost);
  });
  return is;
}

void check_kind(const char* name, const Tensor& tensor, const Tensor& input) {
  STD_TORCH_CHECK(tensor.is_cpu(), name, " must be on the CPU");
  STD_TORCH_CHECK(tensor.scalar_type() == input.scalar_type(), name,
                  " must have the dtype of input");
}

void check_groups(int64_t groups, int64_t in_channels, const View& weight) {
  STD_TORCH_CHECK(groups > 0 && in_channels > 0 && weight.batch > 0 && weight.batch % groups == 0 &&
                      weight.channels * groups == in_channels,
                  "groups must divide the channels: ", in_channels, " in, ", weight.batch,
                  " out, ", groups, " groups and a weight of ", weight.channels,
                  " channels per group");
}

std::optional<View> bias_view(const std::optional<Tensor>& bias, const Tensor& input,
                              int64_t channels) {
  if (!bias) return {};
  check_kind("bias", *bias, input);
  STD_TORCH_CHECK(bias->dim() == 1 && bias->size(0) == channels, "bias must have shape (",
                  channels, ",)");
  return View{bias->data_ptr(), channels, 1, bias->stride(0), 0, {1, 1, 1}, {0, 0, 0}};
}

// (N, C, *fine), (F, C / groups, *kernel) -> (N, F, *coarse)
Tensor conv(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
            const Ints& windows, int64_t groups) {
  const int64_t axes = spatial_axes("input", input);
  check_kind("weight", weight, input);
  View x = view("input", input), w = view("weight", weight);
  STD_TORCH_CHECK(weight.dim() == input.dim(), "weight must have as many dimensions as input");
  check_groups(groups, x.channels, w);
  const Numbers numbers = numbers_of(windows, axes);
  const Triple coarse = numbers.of(told_size, 1);
  const bool innermost = channels_innermost(input);
  Problem problem{x, w, {}, groups, w.channels, w.batch / groups,
                  axes_of(x.size, coarse, w.size, numbers), false};
  const std::optional<View> added = bias_view(bias, input, w.batch);
  if (is_product(problem, input.scalar_type(), innermost))
    return pointwise_conv(input, weight, bias, groups, 1, 1, false, innermost);
  Tensor output = empty(x.batch, w.batch, coarse, axes, input.scalar_type(), innermost);
  problem.out = view("output", output);
  arrange(problem, input.scalar_type());
  convolve(problem, added, input.scalar_type());
  return output;
}

// (N, F, *coarse), (F, C / groups, *kernel) -> (N, C, *fine): the adjoint
Tensor conv_input_gradient(const Tensor& gradient, const Tensor& weight,
                           const std::optional<Tensor>& bias, const Ints& windows,
                           int64_t groups, bool innermost) {
  const int64_t axes = spatial_axes("gradient", gradient);
  check_kind("weight", weight, gradient);
  View g = view("gradient", gradient), w = view("weight", weight);
  STD_TORCH_CHECK(weight.dim() == gradient.dim(), "weight must have as many dimensions");
  const int64_t channels = checked_product({w.channels, groups});
  STD_TORCH_CHECK(g.channels == w.batch, "gradient must have ", w.batch, " channels, got ",
                  g.channels);
  check_groups(groups, channels, w);
  const Numbers numbers = numbers_of(windows, axes);
  const Triple fine = numbers.of(told_size, 1);
  Problem problem{g, w, {}, groups, w.batch / groups, w.channels,
                  axes_of(fine, g.size, w.size, numbers), true};
  const std::optional<View> added = bias_view(bias, gradient, channels);
  if (is_product(problem, gradient.scalar_type(), innermost && channels_innermost(gradient)))
    return pointwise_conv(gradient, weight, bias, groups, 1, 1, true, innermost);
  Tensor output = empty(g.batch, channels, fine, axes, gradient.scalar_type(), innermost);
  problem.out = view("output", output);
  arrange(problem, gradient.scalar_type());
  convolve(problem, added, gradient.scalar_type());
  return output;
}

// (N, F, *coarse), (N, C, *fine) -> (F, C / groups, *kernel)
Tensor conv_weight_gradient(const Tensor& gradient, const Tensor& input, const Ints& windows,
                            int64_t groups) {
  const int64_t axes = spatial_axes("gradient", gradient);
  check_kind("input", input, gradient);
  View g = view("gradient", gradient), x = view("input", input);
  STD_TORCH_CHECK(input.dim() == gradient.dim() && x.batch == g.batch,
                  "gradient and input must have the same dimensions and batch");
  STD_TORCH_CHECK(groups > 0 && x.channels % groups == 0 && g.channels % groups == 0,
                  "groups must divide the channels");
  const Numbers numbers = numbers_of(windows, axes);
  const Triple kernel = numbers.of(told_size, 1);
  Problem problem{x, {}, g, groups, x.channels / groups, g.channels / groups,
                  axes_of(x.size, g.size, kernel, numbers), false, true};
  if (is_product(problem, input.scalar_type(), false))
    return pointwise_conv_weight_gradient(gradient, input, groups, 1, 1);
  Tensor output =
      empty(g.channels, x.channels / groups, kernel, axes, gradient.scalar_type(), false);
  problem.weight = view("output", output);
  arrange(problem, input.scalar_type());
  if (problem.weight.elements() > 0) weight_gradient(problem, gradient.scalar_type());
  return output;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(juanji, library) {
  library.def(
      "conv(Tensor input, Tensor weight, Tensor? bias, SymInt[] windows, int groups) -> Tensor");
  library.def(
      "conv_input_gradient(Tensor gradient, Tensor weight, Tensor? bias, SymInt[] windows, "
      "int groups, bool innermost) -> Tensor");
  library.def(
      "conv_weight_gradient(Tensor gradient, Tensor input, SymInt[] windows, int groups) -> "
      "Tensor");
  define_again(library, "conv",
               "Tensor input, Tensor weight, Tensor? bias, int[] windows, int groups");
  define_again(library, "conv_input_gradient",
               "Tensor gradient, Tensor weight, Tensor? bias, int[] windows, int groups, "
               "bool innermost");
  define_again(library, "conv_weight_gradient",
               "Tensor gradient, Tensor input, int[] windows, int groups");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, library) {
  library.impl("conv", TORCH_BOX(&conv));
  library.impl("conv_input_gradient", TORCH_BOX(&conv_input_gradient));
  library.impl("conv_weight_gradient", TORCH_BOX(&conv_weight_gradient));
  implement_again<&conv>(library, "conv");
  implement_again<&conv_input_gradient>(library, "conv_input_gradient");
  implement_again<&conv_weight_gradient>(library, "conv_weight_gradient");
}

}  // namespace juanji
