"""Dense connections: every layer sees the outputs of all layers before it."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ..conv import Conv2d


class DenseLayer(nn.Sequential):
    """1x1 down, 3x3, with normalization and ReLU before each; its output joins its input.

    Shapes: (N, C, H, W) to (N, C + growth, H, W), of which the first C channels are the input.

    Args:
        in_channels: C.
        growth: number of new channels.
        expansion: inner channels per new channel.

    Source: Huang et al., "Densely Connected Convolutional Networks", 2017, arXiv:1608.06993.

    >>> DenseLayer(16, 4)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 20, 9, 7])
    """

    def __init__(self, in_channels: int, growth: int, expansion: int = 4) -> None:
        inner = growth * expansion
        super().__init__(
            OrderedDict(
                norm1=nn.BatchNorm2d(in_channels),
                relu1=nn.ReLU(),
                conv1=Conv2d(in_channels, inner, 1, bias=False),
                norm2=nn.BatchNorm2d(inner),
                relu2=nn.ReLU(),
                conv2=Conv2d(inner, growth, 3, padding=1, bias=False),
            )
        )

    def forward(self, input: Tensor) -> Tensor:
        """Append the new channels to `input`."""
        return torch.cat([input, super().forward(input)], dim=1)


class DenseBlock(nn.Sequential):
    """Dense layers in a row: C, C + growth, C + 2 * growth, ... channels.

    Shapes: (N, C, H, W) to (N, C + depth * growth, H, W).

    Args:
        in_channels: C.
        depth: number of layers.
        growth: new channels of each.
        expansion: inner channels per new channel.

    Source: Huang et al., "Densely Connected Convolutional Networks", 2017, arXiv:1608.06993.

    >>> DenseBlock(16, 3, 4)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 28, 9, 7])
    """

    def __init__(self, in_channels: int, depth: int, growth: int, expansion: int = 4) -> None:
        super().__init__()
        for index in range(depth):
            layer = DenseLayer(in_channels + index * growth, growth, expansion)
            self.add_module(f"denselayer{index + 1}", layer)
        self.out_channels = in_channels + depth * growth


class TransitionBlock(nn.Sequential):
    """Between dense blocks: fewer channels by a 1x1 convolution, half the size by average pooling.

    Shapes: (N, C_in, H, W) to (N, C_out, H // 2, W // 2), rounded up with `ceil_mode`.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        ceil_mode: of the pooling.

    Source: Huang et al., "Densely Connected Convolutional Networks", 2017, arXiv:1608.06993.

    >>> TransitionBlock(16, 8)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 8, 4, 3])
    """

    def __init__(self, in_channels: int, out_channels: int, *, ceil_mode: bool = False) -> None:
        super().__init__(
            OrderedDict(
                norm=nn.BatchNorm2d(in_channels),
                relu=nn.ReLU(),
                conv=Conv2d(in_channels, out_channels, 1, bias=False),
                pool=nn.AvgPool2d(2, ceil_mode=ceil_mode),
            )
        )
