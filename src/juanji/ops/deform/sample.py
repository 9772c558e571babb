"""Sampling between cells: one tap forward, and its gradients.

All of it is composed of torch's operations, so it runs on every device and can be differentiated
again. The layouts are those of `layout.py`, here of one tap: offset (d, N, P, G), mask (N, P, G),
weight (W, F / W, C / W), and columns, the tap's samples, (N * P * G, C / G) or (W, N * P, C / W).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product

import torch
import torch.nn.functional as torch_functional
from torch import Tensor


def starts(
    kernel: Sequence[int],
    output_size: Sequence[int],
    stride: Sequence[int],
    pad_low: Sequence[int],
    dilation: Sequence[int],
    like: Tensor,
) -> Iterator[Tensor]:
    """Yield, tap by tap, where its samples lie without an offset: (d, 1, P, 1)."""
    axes = [
        torch.arange(n, device=like.device) * s - p
        for n, s, p in zip(output_size, stride, pad_low, strict=True)
    ]
    origin = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
    for tap in product(*map(range, kernel)):
        reach = torch.tensor([k * d for k, d in zip(tap, dilation, strict=True)])
        yield (origin + reach.to(like.device)[:, None])[:, None, :, None].to(like.dtype)


def corners(position: Tensor, spatial: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """Find the rows of the 2^d cells around each position, and their shares, axis by axis.

    Shapes: position (d, N, P, G), row (2^d, N, P, G), d factors (2, N, P, G) whose `outer` product
    is the shares. What lies outside has the number of the zero row, and so has every cell of a
    sample that is nowhere (NaN, infinite, far away): positions are compared before they become
    integers.
    """
    _, batch, _, groups = position.shape
    size = torch.tensor(spatial, device=position.device)[:, None, None, None]
    inside = ((position >= -1) & (position < size)).all(0)
    position = position.where(inside, -2)
    low = position.floor()
    fraction = position - low
    factors = torch.stack([1 - fraction, fraction], dim=1).unbind()
    cells = low.long()[:, None] + torch.arange(2, device=low.device)[:, None, None, None]
    exists = ((cells >= 0) & (cells < size[:, None])).unbind()
    row = torch.arange(batch, device=low.device)[None, :, None, None]
    for cell, n in zip(cells, spatial, strict=True):
        row = (row[:, None] * n + cell).flatten(0, 1)
    row = row * groups + torch.arange(groups, device=low.device)
    zero_row = batch * math.prod(spatial) * groups
    return row.where(outer(exists), zero_row), list(factors)


def outer(factors: Sequence[Tensor]) -> Tensor:
    """Multiply per-axis factors (2, ...) to one for each corner, (2^d, ...)."""
    return reduce(lambda left, right: (left[:, None] * right).flatten(0, 1), factors)


def tap_columns(
    rows: Tensor, offset: Tensor, mask: Tensor, *, start: Tensor, spatial: Sequence[int]
) -> Tensor:
    """Sample one tap: (N * P * G, C / G), modulated."""
    row, factors = corners(start + offset, spatial)
    row, share = row.flatten(1), (outer(factors) * mask).flatten(1)
    if rows.shape[1] == 0:  # where torch's kernel finds every index too large, on some machines
        return (rows[row] * share[..., None]).sum(0)
    return torch_functional.embedding_bag(row.T, rows, mode="sum", per_sample_weights=share.T)


def tap_gradients(
    grad: Tensor,
    rows: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    *,
    start: Tensor,
    spatial: Sequence[int],
    grad_rows: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of rows (added to `grad_rows` where given), offset, mask, and weight.

    `grad` is the gradient of the output, (W, N * P, F / W).
    """
    grad_rows = torch.zeros_like(rows) if grad_rows is None else grad_rows
    groups, positions, _ = grad.shape
    grad_columns = (grad @ weight).transpose(0, 1).reshape(mask.numel(), rows.shape[1])
    columns = torch.zeros_like(grad_columns)
    row, factors = corners(start + offset, spatial)
    share = outer(factors)
    grad_shares = []
    for corner, scale in zip(row.flatten(1), (share * mask).flatten(1), strict=True):
        cells = rows.index_select(0, corner)
        columns.addcmul_(cells, scale[:, None])
        grad_rows.index_add_(0, corner, grad_columns * scale[:, None])
        grad_shares.append((grad_columns * cells).sum(1))
    grad_share = torch.stack(grad_shares).view_as(share)
    grad_mask = (share * grad_share).sum(0)
    sign = torch.tensor([-1, 1], device=mask.device)[:, None, None, None]
    grad_offset = [
        (outer([*factors[:axis], sign, *factors[axis + 1 :]]) * grad_share).sum(0) * mask
        for axis in range(len(spatial))
    ]
    columns = columns.view(positions, groups, weight.shape[2]).transpose(0, 1)
    return grad_rows, torch.stack(grad_offset), grad_mask, grad.mT @ columns
