"""The native kernels of `cpu.cpp`: when they apply, and their gradients.

The adjoint of a 1x1 convolution between two shuffles is one between the shuffles that undo them. So
one operator and the gradient of its weight are enough for derivatives of any order.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...bind import Bound
from ...spec import Conv
from .. import layout
from ..native import Kernel, native_status, unavailable

MOST_CHANNELS = 8192  # in or out, as in operators.h


def declines(
    input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound, before: int, after: int
) -> str | None:
    """Say why the kernel does not take this convolution, or None if it does."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if (reason := unavailable(input, weight, bias)) is not None:
        return reason
    if not 1 <= len(axes) <= 3:
        return f"{len(axes)} spatial axes (it takes 1 to 3)"
    if any(axis.kernel > 1 for axis in axes):
        return f"the kernel is {' x '.join(str(axis.kernel) for axis in axes)} (it takes one tap)"
    if any(axis.stride > 1 or axis.pad_low or axis.pad_high for axis in axes):
        return "there is a stride or a padding"
    if spec.groups == 1:
        return "there is one group"
    if not (spec.in_channels and spec.out_channels):
        return "there are no channels"
    if (most := max(spec.in_channels, spec.out_channels)) > MOST_CHANNELS:
        return f"{most} channels (it takes up to {MOST_CHANNELS})"
    return None


def convolve(
    input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound, before: int, after: int
) -> Tensor:
    """Shuffle, convolve with one tap, shuffle; shapes as in `juanji.functional.conv`."""
    if input.ndim < weight.ndim:
        return convolve(input.unsqueeze(0), weight, bias, bound, before, after).squeeze(0)
    assert isinstance(bound.spec, Conv)
    innermost = layout.channels_innermost(input, input.ndim - 2)
    output: Tensor = pointwise_conv(
        input, weight, bias, bound.spec.groups, before, after, False, innermost
    )
    return output


# The operators are called as
#
#     pointwise_conv(input, weight, bias, groups, before, after, transposed, innermost)
#     pointwise_conv_weight_gradient(gradient, input, groups, before, after)
#
# with input (N, C, *spatial), weight (F, C / groups, 1, ...), gradient (N, F, *spatial); `before`
# and `after` are the groups of the shuffles. Transposed, the first takes the gradient and the same
# weight, and returns (N, C, *spatial).


def _pointwise_fake(input, weight, bias, groups, before, after, transposed, innermost):  # type: ignore[no-untyped-def]
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return layout.empty(input, (input.shape[0], channels, *input.shape[2:]), innermost)


def _pointwise_keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, weight, _, ctx.groups, before, after, ctx.transposed, _ = inputs
    ctx.shuffles = before, after
    ctx.undone = output.shape[1] // after, input.shape[1] // before
    ctx.save_for_backward(input, weight)


def _pointwise_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    to_input = to_weight = to_bias = None
    if wanted[0]:
        to_input = pointwise_conv(
            gradient, weight, None, ctx.groups, *ctx.undone, not ctx.transposed,
            layout.channels_innermost(input, input.ndim - 2),
        )  # fmt: skip
    if wanted[1] and ctx.transposed:
        to_weight = pointwise_conv_weight_gradient(input, gradient, ctx.groups, *ctx.undone)
    elif wanted[1]:
        to_weight = pointwise_conv_weight_gradient(gradient, input, ctx.groups, *ctx.shuffles)
    if wanted[2]:
        shuffled = gradient.sum((0, *range(2, gradient.ndim)))
        to_bias = shuffled.unflatten(0, (ctx.undone[0], -1)).T.flatten()
    return to_input, to_weight, to_bias


def _weight_gradient_fake(gradient, input, groups, before, after):  # type: ignore[no-untyped-def]
    ones = (1,) * (input.ndim - 2)
    return input.new_empty((gradient.shape[1], input.shape[1] // groups, *ones))


def _weight_gradient_keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    gradient, input, ctx.groups, before, after = inputs
    ctx.shuffles = before, after
    ctx.undone = gradient.shape[1] // after, input.shape[1] // before
    ctx.save_for_backward(gradient, input)


def _weight_gradient_gradients(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    gradient, input = ctx.saved_tensors
    to_gradient = to_input = None
    if ctx.needs_input_grad[0]:
        to_gradient = pointwise_conv(
            input, cotangent, None, ctx.groups, *ctx.shuffles, False,
            layout.channels_innermost(gradient, gradient.ndim - 2),
        )  # fmt: skip
    if ctx.needs_input_grad[1]:
        to_input = pointwise_conv(
            gradient, cotangent, None, ctx.groups, *ctx.undone, True,
            layout.channels_innermost(input, input.ndim - 2),
        )  # fmt: skip
    return to_gradient, to_input


if native_status().isa is not None:
    pointwise_conv = Kernel(
        "pointwise_conv", _pointwise_fake, _pointwise_keep, _pointwise_gradients
    )
    pointwise_conv_weight_gradient = Kernel(
        "pointwise_conv_weight_gradient",
        _weight_gradient_fake,
        _weight_gradient_keep,
        _weight_gradient_gradients,
    )
