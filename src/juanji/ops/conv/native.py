"""Convolution by the native kernels of `cpu.cpp`: how they are called, and their gradients.

Convolution and its two gradients are linear in each of their two tensors, and the derivative of
each is made of the other two. So there are three operators, and derivatives of any order.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Conv
from .. import layout
from ..native import Kernel, native_status


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
