"""Deformable convolution as a registered operator, tap by tap.

What autograd keeps is what came in: the columns of a tap are computed again in the backward pass,
and the workspace never holds those of more than one tap. 16-bit tensors are placed, sampled and
summed in 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from . import layout, sample

Window: TypeAlias = tuple[Sequence[int], Sequence[int], Sequence[int]]  # stride, pad_low, dilation


@torch.library.custom_op("juanji::deform_conv", mutates_args=())
def convolve(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    pad_low: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Convolve; shapes as in `juanji.functional.deform_conv`, batched and with a mask."""
    shape = (len(input), len(weight), *offset.shape[2:])
    spatial = input.shape[2:]
    with torch.autocast(input.device.type, enabled=False):
        rows, taps = _split((stride, pad_low, dilation), input, offset, mask, weight)
        output = layout.split_output(rows.new_zeros(shape), weight_groups(input, weight))
        if bias is not None:
            output += bias.to(rows.dtype).view(len(output), 1, output.shape[2])
        for tap_offset, tap_mask, tap_weight, start in taps:
            columns = sample.tap_columns(rows, tap_offset, tap_mask, start=start, spatial=spatial)
            columns = columns.view(output.shape[1], len(output), tap_weight.shape[2])
            output.baddbmm_(columns.transpose(0, 1), tap_weight.mT)
        return layout.join_output(output, shape).to(input.dtype)


@torch.library.custom_op("juanji::deform_conv_gradients", mutates_args=())
def gradients(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    pad_low: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of input, offset, mask and weight, from the output's."""
    spatial = input.shape[2:]
    with torch.autocast(input.device.type, enabled=False):
        rows, taps = _split((stride, pad_low, dilation), input, offset, mask, weight)
        grad = layout.split_output(grad.to(rows.dtype), weight_groups(input, weight))
        grad_rows = torch.zeros_like(rows)
        parts = [
            sample.tap_gradients(
                grad, rows, *tap, start=start, spatial=spatial, grad_rows=grad_rows
            )[1:]
            for *tap, start in taps
        ]
        return _join(grad_rows, parts, (input, offset, mask, weight))


def second_gradients(
    cotangents: Sequence[Tensor],
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    window: Window,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pull `cotangents` back through `gradients`, whose inputs follow, again tap by tap.

    A plain composition of torch's operations, and so differentiable itself.
    """
    spatial, groups = input.shape[2:], weight_groups(input, weight)
    with torch.autocast(input.device.type, enabled=False):
        rows, taps = _split(window, input, offset, mask, weight)
        cotangent_rows, cotangent_taps = _split(window, *cotangents)
        split_grad = layout.split_output(grad.to(rows.dtype), groups)
        total, total_rows = torch.zeros_like(split_grad), torch.zeros_like(rows)
        parts = []
        for (*tap, start), (*cotangent, _) in zip(taps, cotangent_taps, strict=True):
            tap_gradients = partial(sample.tap_gradients, start=start, spatial=spatial)
            pull = torch.func.vjp(tap_gradients, split_grad, rows, *tap)[1]
            from_grad, from_rows, *part = pull((cotangent_rows, *cotangent))
            total, total_rows = total + from_grad, total_rows + from_rows
            parts.append(part)
        joined = layout.join_output(total, grad.shape).to(grad.dtype)
        return joined, *_join(total_rows, parts, (input, offset, mask, weight))


def weight_groups(input: Tensor, weight: Tensor) -> int:
    """Number of channel blocks that the weight keeps apart; one where there are no channels."""
    return input.shape[1] // weight.shape[1] if weight.shape[1] else 1


def _split(
    window: Window, input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor
) -> tuple[Tensor, Iterator[tuple[Tensor, ...]]]:
    """Return the rows and, for each tap, (offset, mask, weight, start), in at least 32 bits."""
    dtype = torch.promote_types(input.dtype, torch.float32)
    groups = weight_groups(input, weight)
    kernel, output_size = weight.shape[2:], offset.shape[2:]
    offset, mask, weight = layout.split_taps(
        offset.to(dtype), mask.to(dtype), weight.to(dtype), groups
    )
    rows = layout.to_rows(input.to(dtype), mask.shape[-1])
    starts = sample.starts(kernel, output_size, *window, rows)
    return rows, zip(offset, mask, weight, starts, strict=True)


def _join(
    rows: Tensor, parts: Sequence[Sequence[Tensor]], like: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Undo `_split`: bring rows and every tap's tensors to the shapes and dtypes of `like`."""
    offset, mask, weight = (torch.stack(part) for part in zip(*parts, strict=True))
    shapes = [tensor.shape for tensor in like]
    joined = (
        layout.from_rows(rows, shapes[0]),
        *layout.join_taps(offset, mask, weight, shapes[1:]),
    )
    first, second, third, fourth = (
        tensor.contiguous().to(given.dtype) for tensor, given in zip(joined, like, strict=True)
    )
    return first, second, third, fourth


@convolve.register_fake
def _(input, offset, mask, weight, bias, stride, pad_low, dilation):  # type: ignore[no-untyped-def]
    return input.new_empty(input.shape[0], weight.shape[0], *offset.shape[2:])


@gradients.register_fake
def _(grad, input, offset, mask, weight, stride, pad_low, dilation):  # type: ignore[no-untyped-def]
    return tuple(tensor.new_empty(tensor.shape) for tensor in (input, offset, mask, weight))


# A Function next to each operator, because torch.func does not see through the autograd of
# registered operators; the operators get the same formulas, for programs that were exported.
# `forward` names its parameters because torch.compile counts them.
class Convolve(Function):
    """`convolve` with its gradient."""

    @staticmethod
    def forward(
        input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None,
        stride: list[int], pad_low: list[int], dilation: list[int],
    ) -> Tensor:  # fmt: skip
        output: Tensor = convolve(input, offset, mask, weight, bias, stride, pad_low, dilation)
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, offset, mask, weight, _, *ctx.window = inputs
        ctx.save_for_backward(input, offset, mask, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        bias = grad.sum((0, *range(2, grad.ndim))) if ctx.needs_input_grad[4] else None
        parts = Gradients.apply(grad, *ctx.saved_tensors, *ctx.window)
        return *parts, bias, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
        return one_by_one(Convolve, info, in_dims, *inputs)


class Gradients(Function):
    """`gradients` with its own gradient."""

    @staticmethod
    def forward(
        grad: Tensor, input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor,
        stride: list[int], pad_low: list[int], dilation: list[int],
    ) -> tuple[Tensor, ...]:  # fmt: skip
        parts: tuple[Tensor, ...] = gradients(
            grad, input, offset, mask, weight, stride, pad_low, dilation
        )
        return parts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[:5])
        ctx.window = inputs[5:]

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[Tensor | None, ...]:
        grad, input, offset, mask, weight = ctx.saved_tensors
        parts = second_gradients(cotangents, grad, input, offset, mask, weight, ctx.window)
        return *parts, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
        return one_by_one(Gradients, info, in_dims, *inputs)


convolve.register_autograd(Convolve.backward, setup_context=Convolve.setup_context)
gradients.register_autograd(Gradients.backward, setup_context=Gradients.setup_context)


def one_by_one(function: type[Function], info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
    """Vectorize by applying `function` to one element after the other."""
    results = [
        function.apply(
            *(
                input.select(dim, index) if isinstance(dim, int) else input
                for input, dim in zip(inputs, in_dims, strict=True)
            )
        )
        for index in range(info.batch_size)
    ]
    if isinstance(results[0], Tensor):
        return torch.stack(results), 0
    return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(results[0])
