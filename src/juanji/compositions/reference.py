"""The definition of the compositions: the ordinary weight each stands for, written out.

Functions have the names and arguments of the public ones and take batched input. The dense weight
is filled cell by cell, to be checked by eye; `ops.conv.reference` convolves with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from ..ops.conv import reference
from ..spec import Padding, Size


def dealt(channels: int, groups: int) -> list[int]:
    """Return, for each channel behind a shuffle, where it stood before."""
    before = [0] * channels
    for g, i in product(range(groups), range(channels // groups)):
        before[i * groups + g] = g * (channels // groups) + i
    return before


def written_out(weight: Tensor, groups: int) -> Tensor:
    """(C_out, C_in / groups, *k) to (C_out, C_in, *k): zero where channels do not meet."""
    rows, columns = weight.shape[:2]
    dense = weight.new_zeros(rows, columns * groups, *weight.shape[2:])
    for o, c in product(range(rows), range(columns)):
        dense[o, o // (rows // groups) * columns + c] = weight[o, c]
    return dense


def in_a_row(second: Tensor, first: Tensor) -> Tensor:
    """Weight of `second` after `first`, whose kernels have no axis in common but of one cell."""
    rows = [sum(second[o, m] * first[m] for m in range(len(first))) for o in range(len(second))]
    return torch.stack([torch.as_tensor(row) for row in rows])


def depthwise_separable_conv(
    input: Tensor,
    depthwise_weight: Tensor,
    pointwise_weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Tensor:
    """Output o sees channel c through the sum of its filters, mixed by pointwise row o."""
    dense = in_a_row(pointwise_weight, written_out(depthwise_weight, input.shape[1]))
    return reference.conv(input, dense, bias, stride, padding, dilation)


def spatially_separable_conv(
    input: Tensor,
    weights: Sequence[Tensor],
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    order: Sequence[int] | None = None,
) -> Tensor:
    """Multiply the passes; `order` is in the shapes of the weights already."""
    dense = written_out(weights[0], groups)
    for weight in weights[1:]:
        dense = in_a_row(written_out(weight, groups), dense)
    return reference.conv(input, dense, bias, stride, padding, dilation)


def flattened_conv(
    input: Tensor,
    lateral_weight: Tensor,
    axis_weights: Sequence[Tensor],
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The kernel of an output channel is the outer product of its filters."""
    dense = written_out(lateral_weight, groups)
    for weight in axis_weights:
        dense = dense * weight
    return reference.conv(input, dense, bias, stride, padding, dilation)


def shuffled_group_conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Deal the rows of the dense weight, and the bias with them."""
    order = dealt(len(weight), groups)
    dense = written_out(weight, groups)[order]
    added = None if bias is None else bias[order]
    return reference.conv(input, dense, added, stride, padding, dilation)


def interleaved_group_conv(
    input: Tensor,
    primary_weight: Tensor,
    secondary_weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    *,
    primary_groups: int,
    secondary_groups: int,
) -> Tensor:
    """Primary rows dealt to the secondary groups, multiplied, and dealt back."""
    primary = written_out(primary_weight, primary_groups)
    primary = primary[dealt(len(primary), primary_groups)]
    dense = in_a_row(written_out(secondary_weight, secondary_groups), primary)
    order = dealt(len(dense), len(dense) // primary_groups)
    added = None if bias is None else bias[order]
    return reference.conv(input, dense[order], added, stride, padding, dilation)
