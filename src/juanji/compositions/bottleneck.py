"""Bottleneck: few channels for the kernel, 1x1 convolutions to them and back."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

SWEEPS = 5


def dense_weight(reduce_weight: Tensor, weight: Tensor, expand_weight: Tensor) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): the product of the three.

    Shapes: (M, C_in, 1, ...), (M, M, *kernel) and (C_out, M, 1, ...).
    """
    return torch.einsum(
        "op,pq...,qi->oi...", expand_weight.flatten(1), weight, reduce_weight.flatten(1)
    )


def fit(weight: Tensor, middle: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three weights, for M = `middle` channels, near to `weight` (C_out, C_in, *kernel).

    The Tucker-2 decomposition: subspaces of M output and M input channels, and the weight seen in
    them. It starts from the leading singular vectors of both unfoldings (HOSVD) and alternates:
    with one subspace fixed, the leading singular vectors give the best other one (HOOI). All three
    factors get equal norms. Source: Kim et al., 2016, arXiv:1511.06530.
    """
    cells = weight.flatten(2)  # (C_out, C_in, K)
    rows, columns = leading(cells, middle), leading(cells.transpose(0, 1), middle)
    for _ in range(SWEEPS):
        rows = leading(torch.einsum("oik,iq->oqk", cells, columns), middle)
        columns = leading(torch.einsum("oik,op->ipk", cells, rows), middle)
    core = torch.einsum("oik,op,iq->pqk", cells, rows, columns)
    scale = (float(core.norm()) / sqrt(middle)) ** (1 / 3) or 1.0  # a zero weight has no norm
    ones = (1,) * (weight.ndim - 2)
    return (
        scale * columns.T.reshape(middle, -1, *ones),
        core.reshape(middle, middle, *weight.shape[2:]) / scale**2,
        scale * rows.reshape(-1, middle, *ones),
    )


def leading(tensor: Tensor, rank: int) -> Tensor:
    """Return `rank` orthonormal columns that span most of the first axis: (n, ...) to (n, rank)."""
    matrix = tensor.flatten(1)
    columns: Tensor = torch.linalg.eigh(matrix @ matrix.T).eigenvectors
    return columns[:, -rank:]
