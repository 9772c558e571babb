"""Xception's block: depthwise separable convolutions beside a shortcut."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..depthwise_separable import DepthwiseSeparableConv2d
from .residual import shortcut


class XceptionBlock(nn.Module):
    """ReLU, separable 3x3 convolution, normalization, several times, beside a shortcut.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up; C_out is the last of
    `channels`. A stride is taken by max pooling at the end.

    Args:
        in_channels: C_in.
        channels: output channels of each convolution.
        stride: s.
        relu_first: whether there is a ReLU before the first convolution; not behind another.

    Source: Chollet, "Xception", 2017, arXiv:1610.02357.

    >>> import torch
    >>> XceptionBlock(16, [32, 32], stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        stride: int = 1,
        *,
        relu_first: bool = True,
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential()
        features = in_channels
        for index, out_channels in enumerate(channels):
            if index or relu_first:
                self.branch.append(nn.ReLU())
            self.branch.append(
                DepthwiseSeparableConv2d(features, out_channels, 3, padding=1, bias=False)
            )
            self.branch.append(nn.BatchNorm2d(out_channels))
            features = out_channels
        if stride != 1:
            self.branch.append(nn.MaxPool2d(3, stride, padding=1))
        self.downsample = shortcut(in_channels, features, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        output: Tensor = self.branch(x) + self.downsample(x)
        return output
