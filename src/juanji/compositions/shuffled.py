"""Channel shuffle, and the grouped convolution that it follows."""

from __future__ import annotations

import torch.nn.functional as torch_functional
from torch import Tensor

from ..ops import layout
from ..ops.conv import conv
from ..ops.memory import memory_checked
from ..spec import Padding, Size
from .weights import ungroup


@memory_checked
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out to all groups, like cards.

    Seen as a (groups, C / groups) table, the channels are read column by column: channel
    g * C / groups + i goes to i * groups + g. `channel_shuffle(_, C // groups)` undoes it.

    Args:
        input: (N, C, *spatial) with any number of spatial axes, none too. Dimension 1 is the
            channels: unbatched input cannot be told from batched and needs `unsqueeze(0)`.
        groups: how many groups the channels stand in; divides C.

    Returns:
        the input's shape and memory format.

    Raises:
        ValueError: groups do not divide the channels, or there is no dimension 1.

    Source: Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083.

    >>> import torch
    >>> channel_shuffle(torch.arange(6).view(1, 6), groups=2)
    tensor([[0, 3, 1, 4, 2, 5]])
    """
    if input.ndim < 2:
        raise ValueError(f"input must have shape (N, C, *spatial), got {tuple(input.shape)}")
    if groups < 1 or input.shape[1] % groups:
        raise ValueError(
            f"groups must be at least 1 and divide the channels, got {groups} "
            f"for {input.shape[1]} channels"
        )
    return shuffle(input, groups, dim=1)


def shuffle(input: Tensor, groups: int, dim: int) -> Tensor:
    """Shuffle dimension 0 or 1."""
    if dim == 0:
        return shuffle(input.unsqueeze(0), groups, dim=1).squeeze(0)
    if input.ndim == 2:  # torch wants a third dimension
        return shuffle(input.unsqueeze(2), groups, dim=1).squeeze(2)
    shuffled = torch_functional.channel_shuffle(input, groups)
    # torch keeps channels last itself, but says otherwise where there is no data
    return layout.follow(shuffled, input, input.ndim - 2)


def shuffled_group_conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve in groups, then shuffle the channels: the next groups see all of these.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        weight: (C_out, C_in / groups, *kernel).
        bias: (C_out,), of the convolution: it is shuffled with the channels.
        stride: as in `conv`.
        padding: as in `conv`.
        dilation: as in `conv`.
        groups: of the convolution and of the shuffle behind it.

    Returns:
        (N, C_out, *output) as `conv`, channels dealt out over the groups.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a shape or size does not fit.

    Source: Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083.

    >>> import torch
    >>> x = torch.tensor([1.0, 2, 3, 4]).view(1, 4, 1)
    >>> shuffled_group_conv(x, torch.eye(2).repeat(2, 1).unsqueeze(2), groups=2).flatten()
    tensor([1., 3., 2., 4.])
    """
    output = conv(input, weight, bias, stride, padding, dilation, groups)
    return shuffle(output, groups, dim=output.ndim - weight.ndim + 1)


def dense_weight(weight: Tensor, groups: int) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): the blocks, rows shuffled."""
    return shuffle(ungroup(weight, groups), groups, dim=0)
