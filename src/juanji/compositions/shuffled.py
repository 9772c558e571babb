"""The grouped convolution with a channel shuffle behind it."""

from __future__ import annotations

from torch import Tensor

from ..bind import bind
from ..ops import check
from ..ops.conv import conv_spec
from ..ops.operator import operator
from ..ops.shuffle import channel_shuffle, shuffle
from ..ops.shuffle.op import convolve
from ..spec import Padding, Size
from .weights import ungroup

__all__ = ["channel_shuffle", "dense_weight", "shuffle", "shuffled_group_conv"]


@operator
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
    check.same_kind(input=input, weight=weight, bias=bias)
    spec = conv_spec(weight, bias, stride, padding, dilation, groups)
    size = check.spatial_size(tuple(input.shape), len(spec.windows), spec.in_channels)
    return convolve(input, weight, bias, bind(spec, size), before=1, after=groups)


def dense_weight(weight: Tensor, groups: int) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): the blocks, rows shuffled."""
    return shuffle(ungroup(weight, groups), groups, dim=0)
