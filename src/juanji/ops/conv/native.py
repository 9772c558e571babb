"""Convolution by the native kernels of `cpu.cpp`: when they apply, and their gradients.

Convolution and its two gradients are linear in each of their two tensors, and the derivative of
each is made of the other two. So there are three operators, and derivatives of any order.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Conv
from .. import layout
from ..native import Kernel, native_status, unavailable, vector_lanes, wants_gradient
from ..pointwise import native as pointwise

WHOLE = (torch.float32, torch.float64)  # computed in as they are
# Channels per group: with more, torch is at the limit, and with as many, if they are innermost, in
# these dtypes; for bfloat16 the processor needs instructions of its own.
MOST_CHANNELS = 16
DTYPES_OF_TORCH = (
    (torch.float32, torch.bfloat16) if torch.cpu._is_avx512_bf16_supported() else (torch.float32,)
)
MOST_OF_PRODUCT = 64  # with one tap at each position, which makes it a small matrix product
LARGE = 200_000  # elements of the output, from which on torch's overhead does not count,
BEYOND_CACHES = 4_000_000  # and from which on memory decides, which our kernels ask for earlier
FEW = 4  # channels of a cell; taking more apart, where they fill no vector, takes longer than torch
SHORT = 12  # cells of a row, below which our stacks are low
MOST_WEIGHTS = 4096  # that one output channel has,
MOST_OF_GROUP = 8192  # and a whole group, whose gradients are summed in vectors
MOST_CELLS = 1 << 16  # that one output's windows span in its group


def declines(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> str | None:
    """Say why the kernels do not take this convolution, or None if they do."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    channels = max(spec.in_channels, spec.out_channels) // spec.groups
    if spec.groups == 1 and channels > 1:  # first, so that what is torch's stays cheap
        return "the convolution is dense"
    if (reason := unavailable(input, weight, bias)) is not None:
        return reason
    if not 1 <= len(axes) <= 3:
        return f"{len(axes)} spatial axes (it takes 1 to 3)"
    if (reason := _torchs_best(input, weight, bound)) is not None:
        return reason
    if 0 in (spec.in_channels, spec.out_channels):
        return "there are no channels"
    if channels > MOST_CHANNELS and channels > (most := _most_channels(input, bound)):
        return f"{channels} channels per group (it takes up to {most})"
    if (reason := _fills_no_vector(input, bound)) is not None:
        return reason
    weights, cells = channels, channels
    for axis in axes:
        weights *= axis.kernel
        cells *= axis.dilation * (axis.kernel - 1) + 1 if axis is axes[-1] else axis.kernel
    if weights > MOST_WEIGHTS:
        return f"{weights} weights for an output channel (it takes up to {MOST_WEIGHTS})"
    of_group = weights * min(spec.in_channels, spec.out_channels) // spec.groups
    if of_group > MOST_OF_GROUP:
        return f"{of_group} weights in a group (it takes up to {MOST_OF_GROUP})"
    if cells > MOST_CELLS:
        return f"a window spans {cells} cells with the gaps in its rows (up to {MOST_CELLS})"
    return None


def _most_channels(input: Tensor, bound: Bound) -> int:
    """Return how many channels a group may have: with one tap at each position, more."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if any(a.kernel > 1 or a.stride > 1 or a.pad_low or a.pad_high for a in axes):
        return MOST_CHANNELS
    if max(spec.in_channels, spec.out_channels) > pointwise.MOST_CHANNELS:
        return MOST_CHANNELS
    if input.dtype not in WHOLE and layout.channels_innermost(input, len(axes)):
        return MOST_CHANNELS
    lanes = vector_lanes() // (2 if input.dtype == torch.float64 else 1)
    # short vectors fall behind those of torch
    return max(MOST_CHANNELS, min(MOST_OF_PRODUCT, lanes**2))


def _torchs_best(input: Tensor, weight: Tensor, bound: Bound) -> str | None:
    """Say for which of the few cases of our own torch has a kernel at the limit this is one of."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if len(axes) == 1 or not layout.channels_innermost(input, len(axes)):
        return None
    if spec.in_channels == spec.out_channels == MOST_CHANNELS * spec.groups:
        product = all(axis.kernel == 1 for axis in axes) and input.dtype in WHOLE
        if input.dtype in DTYPES_OF_TORCH and not product:
            return "torch's kernel for 16 channels per group over channels-last is at the limit"
        return None
    if not spec.groups == spec.in_channels == spec.out_channels or spec.transposed:
        return None
    if input.dtype != torch.float32:
        return None
    gradient = wants_gradient(input, weight)
    if FEW < spec.in_channels < vector_lanes() and _is_small(axes, gradient):
        return f"{spec.in_channels} channels fill no vector of channels-last maps"
    if _torchs_map(input, spec.out_channels, axes, gradient):
        return "torch's kernel for depthwise 3x3 over channels-last is as fast as caches"
    return None


def _is_small(axes: tuple[Axis, ...], gradient: bool) -> bool:
    """Tell whether taking a few channels apart would take longer than the windows.

    The limits are those of torch's kernels: its gradients are slow in 3-D and with dilation.
    """
    taps = math.prod(axis.kernel for axis in axes)
    if not gradient:
        return taps <= 27
    return taps <= 9 and len(axes) == 2 and axes[0].dilation == axes[1].dilation == 1


def _torchs_map(input: Tensor, channels: int, axes: tuple[Axis, ...], gradient: bool) -> bool:
    """Tell whether torch's kernel for depthwise 3x3 over channels-last maps is the faster one.

    With a stride it is, and over short rows where no gradients follow, whose kernels are slower.
    """
    if len(axes) != 2 or max(axes[0].kernel, axes[1].kernel) > 3:
        return False
    if torch.compiler.is_compiling():  # a graph is for many sizes
        return False
    elements = input.shape[0] * channels * axes[0].coarse * axes[1].coarse
    if not LARGE <= elements < BEYOND_CACHES:
        return False
    if max(axes[0].stride, axes[1].stride) == 1:
        return axes[1].coarse < SHORT and not gradient
    dilated = max(axes[0].dilation, axes[1].dilation) > 1  # torch's gradients have no kernel then
    return not (dilated and gradient)


def _fills_no_vector(input: Tensor, bound: Bound) -> str | None:
    """Say which groups of channels side by side the kernels would turn into planes and back.

    A few channels or one tap are worth it, and so are numbers for which torch has no kernel.
    """
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if input.dtype != torch.float32 or len(axes) == 1 or all(axis.kernel == 1 for axis in axes):
        return None
    inputs, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    few = 5 if vector_lanes() == 16 else 4  # of which long vectors hold several groups
    if max(inputs, outputs) <= few or not layout.channels_innermost(input, len(axes)):
        return None
    if outputs % 8 == 0 or (inputs == outputs and MOST_CHANNELS % outputs == 0):
        return None
    return f"groups of {inputs} to {outputs} channels fill no vector of channels-last maps"


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Convolve; shapes as in `juanji.functional.conv`."""
    output: Tensor = _batched(_convolve, input, weight, bias, bound)
    return output


def convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Apply the adjoint; shapes as in `juanji.functional.conv_transpose`."""
    output: Tensor = _batched(_convolve_transposed, input, weight, bias, bound)
    return output


def _batched(compute: Any, input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    if input.ndim == weight.ndim:
        return compute(input, weight, bias, bound)
    return compute(input.unsqueeze(0), weight, bias, bound).squeeze(0)


def _convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if spec.flip:
        weight = weight.flip(tuple(range(2, weight.ndim)))
    windows = *[axis.coarse for axis in axes], *_steps(axes)
    return conv(input, weight, bias, windows, spec.groups)


def _convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    windows = *[axis.fine for axis in axes], *_steps(axes)
    innermost = layout.channels_innermost(input, len(axes))
    return conv_input_gradient(input, weight, bias, windows, spec.groups, innermost)


def _steps(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    return (
        *[axis.stride for axis in axes],
        *[axis.pad_low for axis in axes],
        *[axis.dilation for axis in axes],
    )


# Each operator is called as
#
#     conv(input, weight, bias, windows, groups)
#     conv_input_gradient(gradient, weight, bias, windows, groups, innermost)
#     conv_weight_gradient(gradient, input, windows, groups)
#
# with input (N, C, *fine), weight (F, C / groups, *kernel), gradient (N, F, *coarse). The last two
# are adjoints of the first in one of its tensors; the second takes a bias, for transposed
# convolution. `windows` is one list, which is read in a fraction of the time of four: for every
# axis the size of the output (coarse, fine or kernel), then stride, low padding and dilation.


def _conv_fake(input, weight, bias, windows, groups):  # type: ignore[no-untyped-def]
    axes = input.ndim - 2
    shape = (input.shape[0], weight.shape[0], *windows[:axes])
    return layout.empty(input, shape, layout.channels_innermost(input, axes))


def _conv_keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, weight, _, windows, ctx.groups = inputs
    ctx.steps = windows[input.ndim - 2 :]
    ctx.save_for_backward(input, weight)


def _conv_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    to_input = to_weight = to_bias = None
    if wanted[0]:
        innermost = layout.channels_innermost(input, input.ndim - 2)
        windows = *input.shape[2:], *ctx.steps
        to_input = conv_input_gradient(gradient, weight, None, windows, ctx.groups, innermost)
    if wanted[1]:
        windows = *weight.shape[2:], *ctx.steps
        to_weight = conv_weight_gradient(gradient, input, windows, ctx.groups)
    if wanted[2]:
        to_bias = gradient.sum((0, *range(2, gradient.ndim)))
    return to_input, to_weight, to_bias


def _input_gradient_fake(gradient, weight, bias, windows, groups, innermost):  # type: ignore[no-untyped-def]
    shape = (gradient.shape[0], weight.shape[1] * groups, *windows[: gradient.ndim - 2])
    return layout.empty(gradient, shape, innermost)


def _input_gradient_keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    gradient, weight, _, windows, ctx.groups, _ = inputs
    ctx.steps = windows[gradient.ndim - 2 :]
    ctx.save_for_backward(gradient, weight)


def _input_gradient_gradients(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    gradient, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    to_gradient = to_weight = to_bias = None
    if wanted[0]:
        windows = *gradient.shape[2:], *ctx.steps
        to_gradient = conv(cotangent, weight, None, windows, ctx.groups)
    if wanted[1]:
        windows = *weight.shape[2:], *ctx.steps
        to_weight = conv_weight_gradient(gradient, cotangent, windows, ctx.groups)
    if wanted[2]:
        to_bias = cotangent.sum((0, *range(2, cotangent.ndim)))
    return to_gradient, to_weight, to_bias


def _weight_gradient_fake(gradient, input, windows, groups):  # type: ignore[no-untyped-def]
    shape = (gradient.shape[1], input.shape[1] // groups, *windows[: input.ndim - 2])
    return layout.empty(gradient, shape, innermost=False)


def _weight_gradient_keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    gradient, input, windows, ctx.groups = inputs
    ctx.steps = windows[input.ndim - 2 :]
    ctx.save_for_backward(gradient, input)


def _weight_gradient_gradients(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    gradient, input = ctx.saved_tensors
    to_gradient = to_input = None
    if ctx.needs_input_grad[0]:
        windows = *gradient.shape[2:], *ctx.steps
        to_gradient = conv(input, cotangent, None, windows, ctx.groups)
    if ctx.needs_input_grad[1]:
        innermost = layout.channels_innermost(input, input.ndim - 2)
        windows = *input.shape[2:], *ctx.steps
        to_input = conv_input_gradient(gradient, cotangent, None, windows, ctx.groups, innermost)
    return to_gradient, to_input


if native_status().isa is not None:
    conv = Kernel("conv", _conv_fake, _conv_keep, _conv_gradients)
    conv_input_gradient = Kernel(
        "conv_input_gradient",
        _input_gradient_fake,
        _input_gradient_keep,
        _input_gradient_gradients,
    )
    conv_weight_gradient = Kernel(
        "conv_weight_gradient",
        _weight_gradient_fake,
        _weight_gradient_keep,
        _weight_gradient_gradients,
    )
