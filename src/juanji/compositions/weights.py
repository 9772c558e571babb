"""Weights as linear maps: ungrouping, products, and factors of least rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def ungroup(weight: Tensor, groups: int) -> Tensor:
    """Write a grouped weight (C_out, C_in / groups, *k) out, block-diagonal: (C_out, C_in, *k)."""
    if groups == 1:
        return weight
    blocks = weight.unflatten(0, (groups, weight.shape[0] // groups)).movedim(0, -1)
    diagonal = torch.diag_embed(blocks)  # (C_out / groups, C_in / groups, *k, groups, groups)
    return diagonal.movedim((-2, -1), (0, 2)).flatten(2, 3).flatten(0, 1)


def compose(second: Tensor, first: Tensor) -> Tensor:
    """Multiply dense weights whose kernels lie on different axes.

    Shapes: (C_out, C_mid, *k) and (C_mid, C_in, *k), of which one is 1 on every axis, to
    (C_out, C_in, *k).
    """
    return torch.einsum("om...,mi...->oi...", second, first)


def factorize(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the product of rank `rank` that is nearest in the Frobenius norm, by SVD.

    Shapes: (..., m, n) to (..., m, rank) and (..., rank, n); both factors have equal norms.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    root = values[..., :rank].sqrt()
    return left[..., :rank] * root[..., None, :], root[..., None] * right[..., :rank, :]


def along(axis: int, dimensions: int, value: T, rest: T) -> tuple[T, ...]:
    """Place `value` at one axis and `rest` at the others."""
    return (rest,) * axis + (value,) + (rest,) * (dimensions - axis - 1)


def require_shape(name: str, tensor: Tensor, shape: Sequence[int], meaning: str) -> None:
    """Raise ValueError unless `tensor` has `shape`, which `meaning` spells in symbols."""
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(
            f"{name} must have shape {tuple(shape)}, {meaning}, got {tuple(tensor.shape)}"
        )
