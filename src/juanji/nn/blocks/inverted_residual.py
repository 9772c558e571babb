"""The inverted residual: a bottleneck turned inside out, wide where it is cheap."""

from __future__ import annotations

from torch import Tensor, nn

from ..depthwise import DepthwiseConv2d
from .conv_unit import ConvUnit


class InvertedResidualBlock(nn.Module):
    """1x1 to many channels, a 3x3 filter for each, 1x1 to few; beside a shortcut between the few.

    The last convolution has no activation: on few channels it would lose too much. There is a
    shortcut where the shape stays, and nothing in its place where it does not.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, taken by the filters.
        expansion: how many times C_in there are inside; with 1 there is no first convolution.

    Source: Sandler et al., "MobileNetV2", 2018, arXiv:1801.04381.

    >>> import torch
    >>> InvertedResidualBlock(16, 24, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 24, 5, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, expansion: int = 6
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = ConvUnit(in_channels, inner, 1, activation=nn.ReLU6)
        self.depthwise: nn.Module = ConvUnit(
            inner, inner, 3, stride, layer=DepthwiseConv2d, activation=nn.ReLU6
        )
        self.project: nn.Module = ConvUnit(inner, out_channels, 1, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y
