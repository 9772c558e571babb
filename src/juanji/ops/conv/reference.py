"""The definition of convolution, loop by loop: slow, and to be checked by eye."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from ...bind import Bound, bind
from ...spec import Conv, Padding, Size
from . import conv_spec


def at(x: Tensor, position: tuple[int, ...]) -> Tensor:
    """Return the (N, C) values that x, (N, C, *spatial), has at a position."""
    index: Any = (..., *position)
    return x[index]


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Sum weight * input over the pairs of the relation, or backwards when transposed.

    Shapes: input (N, C_in, *input_size), weight as in torch, result (N, C_out, *output_size).
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    groups, f, c = spec.groups, spec.out_channels // spec.groups, spec.in_channels // spec.groups
    cells = {
        position: input.new_zeros(len(input), spec.out_channels)
        for position in product(*map(range, bound.output_size))
    }
    for o in product(*(range(axis.coarse) for axis in bound.axes)):
        for k in product(*(range(axis.kernel) for axis in bound.axes)):
            i = tuple(
                o_a * axis.stride + k_a * axis.dilation - axis.pad_low
                for o_a, k_a, axis in zip(o, k, bound.axes, strict=True)
            )
            if not all(0 <= i_a < axis.fine for i_a, axis in zip(i, bound.axes, strict=True)):
                continue
            write, read = (i, o) if spec.transposed else (o, i)
            tap = tuple(
                axis.kernel - 1 - k_a if spec.flip else k_a
                for k_a, axis in zip(k, bound.axes, strict=True)
            )
            x = at(input, read).unflatten(1, (groups, c))
            w = at(weight, tap)
            if spec.transposed:  # (C_in, C_out / groups)
                y = torch.einsum("ngc,gcf->ngf", x, w.unflatten(0, (groups, c)))
            else:  # (C_out, C_in / groups)
                y = torch.einsum("ngc,gfc->ngf", x, w.unflatten(0, (groups, f)))
            cells[write] = cells[write] + y.flatten(1)
    output: Tensor = torch.stack(list(cells.values()), dim=-1).unflatten(-1, bound.output_size)
    if bias is not None:
        output = output + bias.reshape(-1, *(1 for _ in bound.axes))
    return output


def conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    flip: bool = False,
) -> Tensor:
    """Convolve, with the arguments of `juanji.functional.conv`; batched."""
    spec = conv_spec(weight, bias, stride, padding, dilation, groups, flip=flip)
    return convolve(input, weight, bias, bind(spec, input.shape[2:]))


def conv_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Convolve backwards, with the arguments of `juanji.functional.conv_transpose`; batched."""
    spec = conv_spec(
        weight, bias, stride, padding, dilation, groups,
        transposed=True, output_padding=output_padding,
    )  # fmt: skip
    return convolve(input, weight, bias, bind(spec, input.shape[2:]))


def conv_matrix(
    weight: Tensor,
    input_size: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    transposed: bool = False,
) -> Tensor:
    """Convolve every unit vector: the images are the columns. Dense."""
    spec = conv_spec(
        weight, None, stride, padding, dilation, groups, flip=flip, transposed=transposed
    )
    cells = spec.in_channels * prod(input_size)
    units = torch.eye(cells, dtype=weight.dtype).reshape(cells, spec.in_channels, *input_size)
    return convolve(units, weight, None, bind(spec, input_size)).flatten(1).T
