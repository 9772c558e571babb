"""Bottleneck, groups, shuffle and depthwise in one block: each can be left out, to be measured."""

from __future__ import annotations

from torch import Tensor, nn

from ..conv import Conv2d
from ..depthwise import DepthwiseConv2d
from ..shuffled import ChannelShuffle
from .residual import ResidualBlock, shortcut


class CombinedBlock(ResidualBlock):
    """1x1 down, shuffle, 3x3, 1x1 up, beside a shortcut; the 1x1 grouped, the 3x3 depthwise.

    It is the bottleneck of He et al. with what came later. All four savings together are nearly
    ShuffleNet's unit; here the frame around them stays the bottleneck's, so that each alone can be
    compared: with one group, no shuffle and a dense 3x3 it is `BottleneckBlock`.

    Shapes: (N, C, H, W) to (N, 4 * channels, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s, taken by the 3x3 convolution.
        groups: of the 1x1 convolutions and of the shortcut's projection.
        shuffle: whether the groups are mixed, before the 3x3 convolution.
        depthwise: whether the 3x3 convolution is depthwise, else it is dense.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.

    Raises:
        ValueError: groups do not divide the channels.

    Source: the question whether the combination becomes the standard is an open one of the article
    that this library started from; the parts are He et al., arXiv:1512.03385, and Zhang et al.,
    arXiv:1707.01083.

    >>> import torch
    >>> CombinedBlock(64, 16, groups=4)(torch.ones(1, 64, 9, 7)).shape
    torch.Size([1, 64, 9, 7])
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        groups: int = 4,
        shuffle: bool = True,
        depthwise: bool = True,
        reduction: int | None = None,
    ) -> None:
        self.groups = groups
        self.shuffled = shuffle
        self.depthwise = depthwise
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Build the shortcut; its projection is grouped too."""
        return shortcut(in_channels, out_channels, stride, self.groups)

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        out_channels = channels * self.expansion
        self.conv1 = Conv2d(in_channels, channels, 1, groups=self.groups, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.shuffle = ChannelShuffle(self.groups) if self.shuffled else nn.Identity()
        layer = DepthwiseConv2d if self.depthwise else Conv2d
        self.conv2 = layer(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = Conv2d(channels, out_channels, 1, groups=self.groups, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.shuffle(self.relu1(self.bn1(self.conv1(x))))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return y
