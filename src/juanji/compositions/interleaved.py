"""Interleaved group convolution: two grouped convolutions whose groups cross."""

from __future__ import annotations

from torch import Tensor

from ..bind import bind
from ..ops import check
from ..ops.conv import conv, conv_spec
from ..ops.memory import memory_checked
from ..ops.shuffle.op import convolve
from ..spec import Padding, Size
from .shuffled import shuffle
from .weights import compose, factorize, require_shape, ungroup


@memory_checked
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
    """Convolve in L primary groups, then 1x1 in M secondary groups that draw from all primary ones.

    Primary grouped convolution; permutation, after which each secondary group holds the same
    number of channels of every primary group; secondary grouped 1x1 convolution; permutation back.
    Every output depends on every input channel, which one grouped convolution does not give.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        primary_weight: (C_mid, C_in / L, *kernel).
        secondary_weight: (C_out, C_mid / M, 1, ..., 1).
        bias: (C_out,), of the secondary convolution: it is permuted back with the channels.
        stride: as in `conv`; taken by the primary convolution, as `padding` and `dilation` are.
        padding: as in `conv`.
        dilation: as in `conv`.
        primary_groups: L. In the paper L * M = C_in = C_mid = C_out: L partitions of M channels,
            then M of L. Here each may be larger: C_in any multiple of L, C_mid any multiple of
            L * M, C_out any multiple of L and of M.
        secondary_groups: M.

    Returns:
        (N, C_out, *output), sized as by `conv` with the primary kernel.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a shape or size does not fit, or the groups do not divide the channels.

    Source: Zhang et al., "Interleaved Group Convolutions for Deep Neural Networks", 2017,
    arXiv:1707.02725.

    >>> import torch
    >>> primary, secondary = torch.randn(6, 3, 3, 3), torch.randn(6, 2, 1, 1)
    >>> interleaved_group_conv(
    ...     torch.randn(1, 6, 8, 8), primary, secondary, primary_groups=2, secondary_groups=3).shape
    torch.Size([1, 6, 6, 6])
    """
    check.same_kind(
        input=input, primary_weight=primary_weight, secondary_weight=secondary_weight, bias=bias
    )
    if primary_weight.ndim < 3 or secondary_weight.ndim != primary_weight.ndim:
        raise ValueError(
            f"primary_weight and secondary_weight must have shapes (C_mid, C_in / L, *kernel) and "
            f"(C_out, C_mid / M, 1, ...), got {tuple(primary_weight.shape)} and "
            f"{tuple(secondary_weight.shape)}"
        )
    middle, out_channels = len(primary_weight), len(secondary_weight)
    check_groups(primary_groups, secondary_groups, middle, out_channels)
    ones = (1,) * (primary_weight.ndim - 2)
    require_shape(
        "secondary_weight", secondary_weight, (out_channels, middle // secondary_groups, *ones),
        "(C_out, C_mid / secondary_groups, 1, ...)",
    )  # fmt: skip
    output = conv(input, primary_weight, None, stride, padding, dilation, primary_groups)
    spec = conv_spec(secondary_weight, bias, 1, 0, 1, secondary_groups)
    bound = bind(spec, output.shape[-len(ones) :])
    back = out_channels // primary_groups
    return convolve(output, secondary_weight, bias, bound, before=primary_groups, after=back)


def check_groups(primary: int, secondary: int, middle: int, out_channels: int) -> None:
    """Raise ValueError unless the groups cross evenly and divide the channels."""
    if primary < 1 or secondary < 1:
        raise ValueError(
            f"primary_groups and secondary_groups must be at least 1, got {primary} and {secondary}"
        )
    if middle < 1 or middle % (primary * secondary):
        raise ValueError(
            f"primary_groups * secondary_groups must divide the {middle} channels between the "
            f"convolutions, got {primary} * {secondary}"
        )
    if out_channels < 1 or out_channels % primary or out_channels % secondary:
        raise ValueError(
            f"primary_groups and secondary_groups must each divide the {out_channels} output "
            f"channels, got {primary} and {secondary}"
        )


def dense_weight(
    primary_weight: Tensor, secondary_weight: Tensor, primary_groups: int, secondary_groups: int
) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): both blocks, permuted."""
    primary = shuffle(ungroup(primary_weight, primary_groups), primary_groups, dim=0)
    rows = compose(ungroup(secondary_weight, secondary_groups), primary)
    return shuffle(rows, len(rows) // primary_groups, dim=0)


def fit(
    weight: Tensor, middle: int, primary_groups: int, secondary_groups: int
) -> tuple[Tensor, Tensor]:
    """Return the primary and secondary weight nearest to `weight` (C_out, C_in, *kernel).

    Cut the weight into M x L blocks, by secondary group of the output and primary group of the
    input. A block passes through the C_mid / (L * M) channels that its two groups share, and no
    other block does: so the best fit is one truncated SVD per block, of the matrix
    (C_out / M) x (C_in / L * cells of the kernel), to that rank.
    """
    L, M = primary_groups, secondary_groups
    rank = middle // (L * M)
    rows = shuffle(weight, L, dim=0)  # as they stand before the permutation back
    blocks = rows.unflatten(0, (M, len(rows) // M)).unflatten(2, (L, rows.shape[1] // L))
    matrices = blocks.movedim(2, 1).flatten(3)  # (M, L, C_out / M, C_in / L * cells)
    if rank > min(matrices.shape[2:]):
        raise ValueError(
            f"primary_groups * secondary_groups must be larger: {L} * {M} leave {rank} of {middle} "
            f"channels to blocks of rank {min(matrices.shape[2:])}"
        )
    left, right = factorize(matrices, rank)  # (M, L, C_out / M, rank), (M, L, rank, ...)
    ones = (1,) * (weight.ndim - 2)
    secondary = left.permute(0, 2, 3, 1).reshape(len(rows), rank * L, *ones)
    primary = right.transpose(0, 1).reshape(middle, weight.shape[1] // L, *weight.shape[2:])
    return primary, secondary
