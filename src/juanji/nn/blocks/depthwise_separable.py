"""The depthwise separable block: space first, channel by channel, then channels, cell by cell."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..depthwise import DepthwiseConv2d
from .conv_unit import ConvUnit


class DepthwiseSeparableBlock(nn.Sequential):
    """A 3x3 filter per channel, then a 1x1 convolution, each with normalization and activation.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up. With the unit between the
    two it is MobileNet's block; without it, `DepthwiseSeparableConv2d` is Xception's.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, taken by the filters.
        activation: builds the activation.

    Source: Howard et al., "MobileNets", 2017, arXiv:1704.04861.

    >>> import torch
    >>> DepthwiseSeparableBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.depthwise = ConvUnit(
            in_channels, in_channels, 3, stride, layer=DepthwiseConv2d, activation=activation
        )
        self.pointwise = ConvUnit(in_channels, out_channels, 1, activation=activation)
