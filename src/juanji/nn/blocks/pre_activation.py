"""Residual blocks with pre-activation: nothing but additions along the shortcuts."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from ..conv import Conv2d
from ..squeeze_excite import SqueezeExcite


class PreActivationBlock(nn.Module):
    """Normalization and ReLU before each of two 3x3 convolutions, none after the addition.

    Shapes: (N, C, H, W) to (N, expansion * channels, H/s, W/s), sizes rounded up. Where the shape
    changes, the shortcut is a 1x1 convolution of the activated input; otherwise the input itself.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016, arXiv:1603.05027.

    >>> import torch
    >>> PreActivationBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    expansion: ClassVar[int] = 1  # output channels per inner channel

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, reduction: int | None = None
    ) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.bn = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.branch = nn.Sequential(self.layers(in_channels, channels, stride))
        self.weigh = SqueezeExcite(out_channels, reduction) if reduction else nn.Identity()
        self.projects = stride != 1 or in_channels != out_channels
        if self.projects:
            self.downsample = Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def layers(self, in_channels: int, channels: int, stride: int) -> OrderedDict[str, nn.Module]:
        """Return the layers of the branch, from the first convolution on."""
        return OrderedDict(
            conv1=Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
            bn2=nn.BatchNorm2d(channels),
            relu2=nn.ReLU(),
            conv2=Conv2d(channels, channels, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        active = self.relu(self.bn(x))
        skipped = self.downsample(active) if self.projects else x
        output: Tensor = self.weigh(self.branch(active)) + skipped
        return output


class PreActivationBottleneckBlock(PreActivationBlock):
    """1x1 down, 3x3, 1x1 up, with normalization and ReLU before each.

    Shapes, arguments and source: `PreActivationBlock`; C_out = 4 * channels.

    >>> import torch
    >>> PreActivationBottleneckBlock(256, 64)(torch.ones(1, 256, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    expansion = 4

    def layers(self, in_channels: int, channels: int, stride: int) -> OrderedDict[str, nn.Module]:
        """Return the layers of the branch, from the first convolution on."""
        return OrderedDict(
            conv1=Conv2d(in_channels, channels, 1, bias=False),
            bn2=nn.BatchNorm2d(channels),
            relu2=nn.ReLU(),
            conv2=Conv2d(channels, channels, 3, stride, padding=1, bias=False),
            bn3=nn.BatchNorm2d(channels),
            relu3=nn.ReLU(),
            conv3=Conv2d(channels, channels * self.expansion, 1, bias=False),
        )
