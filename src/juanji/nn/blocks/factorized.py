"""The factorized block: filters inside the channels, then a projection across them."""

from __future__ import annotations

from torch import Tensor, nn

from ..depthwise import DepthwiseConv2d
from .conv_unit import ConvUnit


class FactorizedBlock(nn.Module):
    """Several layers in a row of a filter per channel with a shortcut, and a 1x1 projection.

    A dense convolution is unravelled: each of the `bases` layers filters every channel by itself
    (single intra-channel convolution), adds what it was given, and projects the channels linearly.
    Since the filters keep the shape, the shortcut lies around them, inside the projection.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out; the last projection changes to it.
        stride: s, taken by the first filters, which then have no shortcut.
        bases: number of layers.

    Raises:
        ValueError: bases is below 1.

    Source: Wang et al., "Factorized Convolutional Neural Networks", 2017, arXiv:1608.04337.

    >>> import torch
    >>> FactorizedBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, bases: int = 2
    ) -> None:
        if bases < 1:
            raise ValueError(f"bases must be at least 1, got {bases}")
        super().__init__()
        self.filters = nn.ModuleList()
        self.projections = nn.ModuleList()
        for index in range(bases):
            step = 1 if index else stride
            channels = out_channels if index == bases - 1 else in_channels
            self.filters.append(
                ConvUnit(in_channels, in_channels, 3, step, layer=DepthwiseConv2d, activation=None)
            )
            self.projections.append(ConvUnit(in_channels, channels, 1))
        self.stride, self.out_channels = stride, out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        for index, (filter, project) in enumerate(zip(self.filters, self.projections, strict=True)):
            y = filter(x)
            x = project(y if self.stride != 1 and index == 0 else x + y)
        return x
