"""Big-Little: a deep branch at half the size beside a shallow, thin one at full size."""

from __future__ import annotations

import torch
import torch.nn.functional as torch_functional
from torch import Tensor, nn

from .conv_unit import ConvUnit
from .residual import BottleneckBlock, shortcut


class PooledBottleneckBlock(BottleneckBlock):
    """A bottleneck whose shortcut averages 3x3 cells before it projects, where there is a stride.

    Shapes and arguments: `ResidualBlock`; C_out = 4 * channels.

    >>> PooledBottleneckBlock(16, 8, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Build the shortcut."""
        projection = shortcut(in_channels, out_channels)
        if stride == 1:
            return projection
        return nn.Sequential(nn.AvgPool2d(3, stride, padding=1), projection)


class BigLittleBlock(nn.Module):
    """A stage of bottlenecks in two branches, which are added, and one bottleneck behind them.

    The big branch has depth - 1 bottlenecks at half the size, and is enlarged (nearest); the little
    one has max(1, depth // beta - 1) with alpha times fewer channels, and a 1x1 convolution.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out, a multiple of 4 * alpha.
        depth: number of bottlenecks, at least 2.
        stride: s, of the bottleneck behind the branches.
        alpha: how many times thinner the little branch is.
        beta: how many times shallower it is.

    Raises:
        ValueError: depth is below 2.

    Source: Chen et al., "Big-Little Net", 2019, arXiv:1807.03848.

    >>> BigLittleBlock(16, 32, 3, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        stride: int = 1,
        alpha: int = 2,
        beta: int = 4,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        thin, inner = out_channels // alpha, out_channels // PooledBottleneckBlock.expansion
        big = [PooledBottleneckBlock(in_channels, inner, 2)]
        big += [PooledBottleneckBlock(out_channels, inner) for _ in range(depth - 2)]
        if depth > 2:  # as the authors have it; the ReLU follows the addition
            big[-1].last_relu = nn.Identity()
        little: list[nn.Module] = [PooledBottleneckBlock(in_channels, inner // alpha)]
        little += [PooledBottleneckBlock(thin, inner // alpha) for _ in range(depth // beta - 2)]
        self.big = nn.Sequential(*big)
        self.little = nn.Sequential(*little, ConvUnit(thin, out_channels, 1, activation=None))
        self.fusion = PooledBottleneckBlock(out_channels, inner, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        big, little = self.big(x), self.little(x)
        big = torch_functional.interpolate(big, little.shape[2:])
        output: Tensor = self.fusion(torch.relu(big + little))
        return output
