"""Flattened convolution: one-dimensional filters across channels, then along each axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..bind import bind
from ..ops import check
from ..ops.conv import conv
from ..spec import Conv, Padding, Size, windows
from .spatially_separable import conv_axis
from .weights import along, require_shape, ungroup

SWEEPS, TOLERANCE = 100, 1e-9


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
    """Filter across channels, then along every axis, each output channel by itself.

    Per output channel this is an ordinary kernel of rank one: in 2-D the product of three
    one-dimensional filters, C x 1 x 1 (lateral), k x 1 (vertical) and 1 x k (horizontal).

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        lateral_weight: (C_out, C_in / groups, 1, ..., 1).
        axis_weights: one per spatial axis, the first axis first: (C_out, 1, *kernel) with the
            kernel 1 on all axes but its own; 2-D: vertical (C_out, 1, k, 1), then horizontal
            (C_out, 1, 1, k).
        bias: (C_out,), added at the end.
        stride: as in `conv`; each pass takes its own axis' stride, padding and dilation.
        padding: as in `conv`.
        dilation: as in `conv`.
        groups: of the lateral pass.

    Returns:
        (N, C_out, *output), sized as by `conv` with the product of the kernels.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a shape or size does not fit, or C_out is 0.

    Source: Jin, Dundar, Culurciello, "Flattened Convolutional Neural Networks for Feedforward
    Acceleration", 2015, arXiv:1412.5474.

    >>> import torch
    >>> vertical, horizontal = torch.randn(8, 1, 3, 1), torch.randn(8, 1, 1, 5)
    >>> flattened_conv(
    ...     torch.randn(2, 4, 9, 9), torch.randn(8, 4, 1, 1), (vertical, horizontal)).shape
    torch.Size([2, 8, 7, 5])
    """
    check.same_kind(
        input=input,
        lateral_weight=lateral_weight,
        **{f"axis_weights[{i}]": w for i, w in enumerate(axis_weights)},
        bias=bias,
    )
    dimensions = lateral_weight.ndim - 2
    if dimensions < 1 or len(axis_weights) != dimensions:
        raise ValueError(
            f"axis_weights must have one weight per spatial axis, got {len(axis_weights)} "
            f"for lateral_weight of shape {tuple(lateral_weight.shape)}"
        )
    rows, columns = lateral_weight.shape[:2]
    if rows < 1:
        raise ValueError(f"lateral_weight must have at least 1 output channel, got {rows}")
    ones = (1,) * dimensions
    require_shape(
        "lateral_weight", lateral_weight, (rows, columns, *ones), "(C_out, C_in / groups, 1, ...)"
    )
    for axis, weight in enumerate(axis_weights):
        own = weight.shape[axis + 2] if weight.ndim == dimensions + 2 else 1
        require_shape(
            f"axis_weights[{axis}]", weight, (rows, 1, *along(axis, dimensions, own, 1)),
            f"(C_out, 1, ...) with a kernel on axis {axis} alone",
        )  # fmt: skip
    # the whole, checked before the first pass is computed
    kernel = [weight.shape[axis + 2] for axis, weight in enumerate(axis_weights)]
    spec = Conv(windows(kernel, stride, padding, dilation), columns * groups, rows, groups)
    bind(spec, check.spatial_size(tuple(input.shape), dimensions, spec.in_channels))

    input = conv(input, lateral_weight, groups=groups)
    for axis, weight in enumerate(axis_weights):
        added = bias if axis == dimensions - 1 else None
        input = conv_axis(input, weight, added, axis, stride, padding, dilation, rows)
    return input


def dense_weight(lateral_weight: Tensor, axis_weights: Sequence[Tensor], groups: int) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): the filters' outer product."""
    weight = ungroup(lateral_weight, groups)
    for following in axis_weights:
        weight = weight * following
    return weight


def fit(weight: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return lateral and axis weights near to `weight` (C_out, C_in / groups, *kernel).

    A CP decomposition of rank one per output channel: from the leading singular vectors of the
    unfoldings, alternating least squares (De Lathauwer, De Moor, Vandewalle, 2000,
    doi:10.1137/S0895479898346995). Each step is the best given the others, so the error only
    falls; the limit may be a local optimum. Deterministic.
    """
    modes = weight.ndim - 1
    vectors = []
    for mode in range(modes):
        left = torch.linalg.svd(weight.movedim(mode + 1, 1).flatten(2), full_matrices=False)[0]
        vectors.append(left[..., 0])
    norm = weight.new_zeros(len(weight), 1)
    for _ in range(SWEEPS):
        before = norm
        for mode in reversed(range(modes)):
            projected = _project(weight, vectors, mode)
            norm = projected.norm(dim=1, keepdim=True)
            vectors[mode] = torch.where(norm > 0, projected / norm, vectors[mode])
        if (norm - before).max() <= TOLERANCE * norm.max():
            break
    # the scale is shared evenly; where there is none, the lateral filter alone is zero
    share = torch.where(norm > 0, norm ** (1 / modes), 1)
    lateral = projected / share ** (modes - 1)
    kernels = [vector * share for vector in vectors[1:]]

    dimensions = modes - 1
    ones = (1,) * dimensions
    return lateral.reshape(*lateral.shape, *ones), [
        kernel.reshape(len(weight), 1, *along(axis, dimensions, kernel.shape[1], 1))
        for axis, kernel in enumerate(kernels)
    ]


def _project(weight: Tensor, vectors: Sequence[Tensor], mode: int) -> Tensor:
    """Contract every mode of (C_out, *modes) but one with its vectors (C_out, size)."""
    for other in reversed(range(len(vectors))):
        if other != mode:
            # the modes before `other` are still there, those behind it gone, or `mode`
            weight = torch.einsum("oa...,oa->o...", weight.movedim(other + 1, 1), vectors[other])
    return weight
