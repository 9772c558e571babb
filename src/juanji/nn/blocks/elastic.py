"""ELASTIC: half of the groups of every block work at half the size, where that is possible."""

from __future__ import annotations

import torch.nn.functional as torch_functional
from torch import Tensor, nn

from ..conv import Conv2d
from .conv_unit import ConvUnit
from .residual import shortcut


class ElasticBlock(nn.Module):
    """A bottleneck in two paths, one of them at half the size, added before the normalization.

    What works at half the size is averaged down first, and enlarged (bilinear) afterwards.

    Shapes: (N, C, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions of each path.
        out_channels: C_out.
        stride: s; with a stride both paths work at full size.
        groups: of the 3x3 convolution of each path.
        elastic: False: both paths work at full size, as where the map is small already.

    Source: Wang et al., "ELASTIC: Improving CNNs with Dynamic Scaling Policies", 2019,
    arXiv:1812.05262.

    >>> import torch
    >>> ElasticBlock(16, 8, 32)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        stride: int = 1,
        groups: int = 1,
        *,
        elastic: bool = True,
    ) -> None:
        super().__init__()
        self.elastic = elastic and stride == 1
        if self.elastic:
            self.down = nn.AvgPool2d(2, ceil_mode=True)
        self.low, self.full = (
            nn.Sequential(
                ConvUnit(in_channels, channels, 1),
                ConvUnit(channels, channels, 3, stride, groups=groups),
                Conv2d(channels, out_channels, 1, bias=False),
            )
            for _ in range(2)
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut(in_channels, out_channels, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        full = self.full(x)
        if self.elastic:
            low = torch_functional.interpolate(
                self.low(self.down(x)), scale_factor=2, mode="bilinear", align_corners=False
            )[:, :, : x.shape[2], : x.shape[3]]
        else:
            low = self.low(x)
        output: Tensor = self.relu(self.norm(full + low) + self.downsample(x))
        return output
