"""Spatially separable convolution: one axis after the other, k x k = k x 1 then 1 x k."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import torch
from torch import Tensor

from ..bind import bind
from ..ops import check
from ..ops.conv import conv
from ..spec import Conv, Padding, Size, paddings, per_axis, windows
from .weights import along, compose, require_shape, ungroup


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
    """Convolve along one axis after the other, channels mixing in every pass.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        weights: one per spatial axis, in pass order: (C_next, C_previous / groups, *kernel) with
            the kernel 1 on all axes but the pass's own; 2-D: (C_mid, C_in, k, 1) and
            (C_out, C_mid, 1, k).
        bias: (C_out,), added after the last pass.
        stride: as in `conv`; each pass takes its own axis' stride, padding and dilation.
        padding: as in `conv`. It is the padding of the whole: the passes are linear and have no
            bias between them, so a padded zero stays zero until its own pass.
        dilation: as in `conv`.
        groups: of every pass.
        order: the axes in pass order; by default the first axis first.

    Returns:
        (N, C_out, *output), sized as by `conv` with the product of the kernels.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a shape or size does not fit, or `order` does not name every axis once.

    Source: Jaderberg et al., "Speeding up Convolutional Neural Networks with Low Rank Expansions",
    2014, arXiv:1405.3866.

    >>> import torch
    >>> smooth, difference = torch.tensor([1.0, 2, 1]), torch.tensor([-1.0, 0, 1])
    >>> sobel = [smooth.view(1, 1, 3, 1), difference.view(1, 1, 1, 3)]
    >>> spatially_separable_conv(torch.arange(9.0).view(1, 1, 3, 3), sobel)
    tensor([[[[8.]]]])
    """
    check.same_kind(input=input, **{f"weights[{i}]": w for i, w in enumerate(weights)}, bias=bias)
    dimensions = len(weights)
    if not weights:
        raise ValueError("weights must be one per spatial axis, got none")
    axes = pass_order(order, dimensions)
    if groups < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    channels = None
    for i, (weight, axis) in enumerate(zip(weights, axes, strict=True)):
        if weight.ndim != dimensions + 2:
            raise ValueError(
                f"weights must be one per spatial axis: {dimensions} of them have "
                f"{dimensions + 2} dimensions each, got weights[{i}] of shape {tuple(weight.shape)}"
            )
        columns = weight.shape[1] if channels is None else channels // groups
        cells = along(axis, dimensions, weight.shape[axis + 2], 1)
        require_shape(
            f"weights[{i}]", weight, (len(weight), columns, *cells),
            f"(C_next, C_previous / groups, ...) with a kernel on axis {axis} alone",
        )  # fmt: skip
        channels = len(weight)
        if channels % groups:
            raise ValueError(
                f"groups must divide the channels of every pass, got {channels} in weights[{i}] "
                f"with groups {groups}"
            )
    # the whole, checked before the first pass is computed
    kernel = [1] * dimensions
    for weight, axis in zip(weights, axes, strict=True):
        kernel[axis] = weight.shape[axis + 2]
    in_channels = weights[0].shape[1] * groups
    spec = Conv(windows(kernel, stride, padding, dilation), in_channels, len(weights[-1]), groups)
    bind(spec, check.spatial_size(tuple(input.shape), dimensions, in_channels))

    for i, (weight, axis) in enumerate(zip(weights, axes, strict=True)):
        added = bias if i == dimensions - 1 else None
        input = conv_axis(input, weight, added, axis, stride, padding, dilation, groups)
    return input


def pass_order(order: Sequence[int] | None, dimensions: int) -> tuple[int, ...]:
    """Return the axes in pass order, checked."""
    axes = tuple(range(dimensions)) if order is None else tuple(order)
    if sorted(axes) != list(range(dimensions)):
        raise ValueError(f"order must name each of the axes 0 to {dimensions - 1} once, got {axes}")
    return axes


def conv_axis(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    axis: int,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> Tensor:
    """Convolve along one axis, with its entry of stride, padding and dilation."""
    dimensions = weight.ndim - 2
    # a mode means no padding where the kernel is 1 and the stride too
    own: Padding = padding
    if not isinstance(padding, str):
        none: tuple[int, int] = (0, 0)
        pair = paddings(padding, dimensions)[axis]
        assert not isinstance(pair, str)
        own = along(axis, dimensions, pair, none)
    return conv(
        input, weight, bias,
        along(axis, dimensions, per_axis("stride", stride, dimensions)[axis], 1),
        own,
        along(axis, dimensions, per_axis("dilation", dilation, dimensions)[axis], 1),
        groups,
    )  # fmt: skip


def dense_weight(weights: Sequence[Tensor], groups: int) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): the product of all passes."""
    passes = [ungroup(weight, groups) for weight in weights]
    return reduce(lambda product, following: compose(following, product), passes)


def full_ranks(weight_shape: Sequence[int], groups: int, order: Sequence[int]) -> tuple[int, ...]:
    """Return the ranks per group between passes that suffice for any weight of this shape."""
    rows, columns, *kernel = weight_shape
    sides = [columns, *(kernel[axis] for axis in order), rows // groups]
    return tuple(min(prod(sides[: i + 1]), prod(sides[i + 1 :])) for i in range(1, len(order)))


def fit(weight: Tensor, groups: int, ranks: Sequence[int], order: Sequence[int]) -> list[Tensor]:
    """Return one weight per pass whose product is near to `weight` (C_out, C_in / groups, *kernel).

    `ranks` counts the channels between passes per group and is not above `full_ranks`. Two passes:
    truncated SVD of the matrix (C_in * k) x (k * C_out) of each group, the best fit. More passes:
    the tensor train of successive SVDs (Oseledets, 2011, doi:10.1137/090752286), whose error is
    within sqrt(number of passes - 1) of the best.
    """
    rows, dimensions = len(weight) // groups, len(order)
    # (groups, C_in / groups, kernel in pass order, C_out / groups)
    rest = weight.unflatten(0, (groups, rows)).permute(0, 2, *(axis + 3 for axis in order), 1)
    trains = []
    for rank in ranks:
        left, values, right = torch.linalg.svd(rest.flatten(3).flatten(1, 2), full_matrices=False)
        trains.append(left[..., :rank].unflatten(1, rest.shape[1:3]))
        rest = (values[:, :rank, None] * right[:, :rank]).unflatten(2, rest.shape[3:])
    trains.append(rest)  # each (groups, channels before, k, channels after)
    _balance(trains)
    weights = []
    for axis, train in zip(order, trains, strict=True):
        matrix = train.permute(0, 3, 1, 2).flatten(0, 1)  # (C_next, C_previous / groups, k)
        kernel = along(axis, dimensions, matrix.shape[2], 1)
        weights.append(matrix.reshape(*matrix.shape[:2], *kernel))
    return weights


def _balance(trains: list[Tensor]) -> None:
    """Give both sides of every channel between two passes the same norm, for training to go on."""
    for i in reversed(range(len(trains) - 1)):
        before = trains[i].norm(dim=(1, 2))
        after = trains[i + 1].norm(dim=(2, 3))
        scale = torch.where(after > 0, (after / before).sqrt(), 1)  # before: above 0 by the SVD
        trains[i] = trains[i] * scale[:, None, None, :]
        trains[i + 1] = trains[i + 1] / scale[:, :, None, None]
