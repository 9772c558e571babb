"""Convolution by the native kernels of `cpu.cpp`: when they apply, and their gradients.

Convolution and its two gradients are linear in each of their two tensors, and the derivative of
each is made of the other two. So there are three operators, and derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from ...bind import Axis, Bound
from ...spec import Conv
from .. import layout
from ..native import native_status, unavailable

Ints: TypeAlias = Sequence[int]

MOST_CHANNELS = 16  # per group; with more, torch is at the limit
MOST_WEIGHTS = 4096  # that one output channel has
MOST_CELLS = 1 << 16  # that a panel of the smallest tile holds, so that it stays in a cache


def declines(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> str | None:
    """Say why the kernels do not take this convolution, or None if they do."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if (reason := unavailable(input, weight, bias)) is not None:
        return reason
    if not 1 <= len(axes) <= 3:
        return f"{len(axes)} spatial axes (it takes 1 to 3)"
    channels = max(spec.in_channels, spec.out_channels) // spec.groups
    if not 1 <= min(spec.in_channels, spec.out_channels) // spec.groups:
        return "there are no channels"
    if channels > MOST_CHANNELS:
        return f"{channels} channels per group (it takes up to {MOST_CHANNELS})"
    weights = channels * prod(axis.kernel for axis in axes)
    if weights > MOST_WEIGHTS:
        return f"{weights} weights for an output channel (it takes up to {MOST_WEIGHTS})"
    cells = channels * prod(axis.kernel for axis in axes[:-1]) * _span(axes[-1])
    if cells > MOST_CELLS:
        return f"a window spans {cells} cells with the gaps in its rows (up to {MOST_CELLS})"
    return None


def _span(axis: Axis) -> int:
    return axis.dilation * (axis.kernel - 1) + 1


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Convolve; shapes as in `juanji.functional.conv`."""
    return _batched(_convolve, input, weight, bias, bound)


def convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Apply the adjoint; shapes as in `juanji.functional.conv_transpose`."""
    return _batched(_convolve_transposed, input, weight, bias, bound)


def _batched(compute: Any, input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    if input.ndim == weight.ndim:
        return compute(input, weight, bias, bound)
    return compute(input.unsqueeze(0), weight, bias, bound).squeeze(0)


def _convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if spec.flip:
        weight = weight.flip(tuple(range(2, weight.ndim)))
    return call(
        Convolve, input, weight, bias,
        [axis.coarse for axis in axes], *_window(axes), spec.groups,
    )  # fmt: skip


def _convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Any:
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    return call(
        InputGradient, input, weight, bias,
        [axis.fine for axis in axes], *_window(axes), spec.groups,
        layout.channels_innermost(input, len(axes)),
    )  # fmt: skip


def _window(axes: tuple[Axis, ...]) -> tuple[list[int], list[int], list[int]]:
    return (
        [axis.stride for axis in axes],
        [axis.pad_low for axis in axes],
        [axis.dilation for axis in axes],
    )


def call(function: type[Function], *arguments: Any) -> Any:
    """Call an operator in the cheapest way that keeps its gradient.

    The gradient of a registered operator costs several microseconds even where none is wanted.
    """
    operator = function.operator  # type: ignore[attr-defined]
    if torch.compiler.is_compiling():
        return operator(*arguments)
    if torch.is_grad_enabled() and any(
        x.requires_grad for x in arguments[:3] if isinstance(x, Tensor)
    ):
        return function.apply(*arguments)
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*arguments)


class Convolve(Function):
    """(N, C, *fine), (F, C / groups, *kernel) -> (N, F, *coarse)."""

    operator: Any

    @staticmethod
    def forward(*arguments: Any) -> Any:
        return Convolve.operator(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, _, _, *ctx.window = inputs
        ctx.save_for_backward(input, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.window
        wanted = ctx.needs_input_grad
        to_input = to_weight = to_bias = None
        if wanted[0]:
            innermost = layout.channels_innermost(input, input.ndim - 2)
            to_input = call(
                InputGradient, gradient, weight, None, list(input.shape[2:]), *ctx.window, innermost
            )
        if wanted[1]:
            to_weight = call(WeightGradient, gradient, input, list(weight.shape[2:]), *ctx.window)
        if wanted[2]:
            to_bias = gradient.sum((0, *range(2, gradient.ndim)))
        return to_input, to_weight, to_bias, None, None, None, None, None


class InputGradient(Function):
    """(N, F, *coarse), (F, C / groups, *kernel) -> (N, C, *fine), the adjoint; with a bias too."""

    operator: Any

    @staticmethod
    def forward(*arguments: Any) -> Any:
        return InputGradient.operator(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        gradient, weight, _, _, *ctx.window, _ = inputs
        ctx.save_for_backward(gradient, weight)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_gradient = to_weight = to_bias = None
        if wanted[0]:
            to_gradient = call(
                Convolve, cotangent, weight, None, list(gradient.shape[2:]), *ctx.window
            )
        if wanted[1]:
            to_weight = call(
                WeightGradient, gradient, cotangent, list(weight.shape[2:]), *ctx.window
            )
        if wanted[2]:
            to_bias = cotangent.sum((0, *range(2, cotangent.ndim)))
        return to_gradient, to_weight, to_bias, None, None, None, None, None, None


class WeightGradient(Function):
    """(N, F, *coarse), (N, C, *fine) -> (F, C / groups, *kernel)."""

    operator: Any

    @staticmethod
    def forward(*arguments: Any) -> Any:
        return WeightGradient.operator(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        gradient, input, _, *ctx.window = inputs
        ctx.save_for_backward(gradient, input)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        gradient, input = ctx.saved_tensors
        to_gradient = to_input = None
        if ctx.needs_input_grad[0]:
            to_gradient = call(
                Convolve, input, cotangent, None, list(gradient.shape[2:]), *ctx.window
            )
        if ctx.needs_input_grad[1]:
            innermost = layout.channels_innermost(input, input.ndim - 2)
            to_input = call(
                InputGradient, gradient, cotangent, None, list(input.shape[2:]), *ctx.window,
                innermost,
            )  # fmt: skip
        return to_gradient, to_input, None, None, None, None, None


def _conv_fake(input, weight, bias, output_size, stride, padding, dilation, groups):  # type: ignore[no-untyped-def]
    innermost = layout.channels_innermost(input, input.ndim - 2)
    return layout.empty(input, (len(input), len(weight), *output_size), innermost)


def _input_gradient_fake(  # type: ignore[no-untyped-def]
    gradient, weight, bias, input_size, stride, padding, dilation, groups, innermost
):
    shape = (len(gradient), weight.shape[1] * groups, *input_size)
    return layout.empty(gradient, shape, innermost)


def _weight_gradient_fake(gradient, input, kernel_size, stride, padding, dilation, groups):  # type: ignore[no-untyped-def]
    shape = (gradient.shape[1], input.shape[1] // groups, *kernel_size)
    return layout.empty(gradient, shape, innermost=False)


def _register() -> None:
    """Give the operators of the loaded library their shapes and gradients."""
    for name, function, fake in (
        ("conv", Convolve, _conv_fake),
        ("conv_input_gradient", InputGradient, _input_gradient_fake),
        ("conv_weight_gradient", WeightGradient, _weight_gradient_fake),
    ):
        function.operator = getattr(torch.ops.juanji, name).default
        torch.library.register_fake(f"juanji::{name}", fake)
        torch.library.register_autograd(
            f"juanji::{name}", function.backward, setup_context=function.setup_context
        )


if native_status().isa is not None:
    _register()
