"""Layouts: the channels of a cell side by side, the taps in front.

    rows      (N * S * G + 1, C / G)   the input; the last row is zero and stands for all outside
    offset    (K, d, N, P, G)
    mask      (K, N, P, G)
    weight    (K, W, F / W, C / W)
    output    (W, N * P, F / W)

for K = prod(kernel) taps in d dimensions, S = prod(spatial) cells, P = prod(output) positions,
G offset groups and W weight groups. A sample is then a weighted sum of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as torch_functional
from torch import Tensor


def to_rows(input: Tensor, groups: int) -> Tensor:
    """(N, C, *spatial) to the table of rows."""
    width = input.shape[1] // groups
    count = len(input) * math.prod(input.shape[2:]) * groups
    rows = input.flatten(2).transpose(1, 2).reshape(count, width)
    return torch_functional.pad(rows, (0, 0, 0, 1))


def from_rows(rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Adjoint of `to_rows`: the table of rows to (N, C, *spatial)."""
    batch, channels, *spatial = shape
    return rows[:-1].reshape(batch, math.prod(spatial), channels).transpose(1, 2).reshape(shape)


def split_taps(
    offset: Tensor, mask: Tensor, weight: Tensor, weight_groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Bring the taps of offset, mask and weight to the front; all three are views."""
    dimensions, taps = weight.ndim - 2, math.prod(weight.shape[2:])
    groups = mask.shape[1] // taps
    per_group = len(weight) // weight_groups
    return (
        offset.flatten(2).unflatten(1, (groups, taps, dimensions)).permute(2, 3, 0, 4, 1),
        mask.flatten(2).unflatten(1, (groups, taps)).permute(2, 0, 3, 1),
        weight.flatten(2).unflatten(0, (weight_groups, per_group)).permute(3, 0, 1, 2),
    )


def join_taps(
    offset: Tensor, mask: Tensor, weight: Tensor, shapes: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Undo `split_taps`; `shapes` are those of offset, mask and weight before it."""
    return (
        offset.permute(2, 4, 0, 1, 3).reshape(shapes[0]),
        mask.permute(1, 3, 0, 2).reshape(shapes[1]),
        weight.permute(1, 2, 3, 0).reshape(shapes[2]),
    )


def split_output(output: Tensor, weight_groups: int) -> Tensor:
    """(N, F, *output) to (W, N * P, F / W)."""
    batch, channels, *size = output.shape
    positions = batch * math.prod(size)
    rows = output.flatten(2).transpose(1, 2)
    return rows.reshape(positions, weight_groups, channels // weight_groups).transpose(0, 1)


def join_output(output: Tensor, shape: Sequence[int]) -> Tensor:
    """Undo `split_output`: (W, N * P, F / W) to `shape`, contiguous."""
    batch, channels, *size = shape
    rows = output.transpose(0, 1).reshape(batch, math.prod(size), channels)
    return rows.transpose(1, 2).contiguous().view(shape)
