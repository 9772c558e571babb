"""Residual blocks: what a layer learns is added to what it was given."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ..conv import Conv2d
from ..squeeze_excite import SqueezeExcite


def shortcut(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """Return the identity where the shape stays, otherwise a 1x1 projection, in `groups`.

    >>> shortcut(4, 4)
    Identity()
    """
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        Conv2d(in_channels, out_channels, 1, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class ResidualBlock(nn.Module):
    """What residual blocks share: relu(branch(x) + shortcut(x)).

    A subclass gives `branch`. Shapes: (N, C, H, W) to (N, expansion * channels, H/s, W/s), sizes
    rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.
    """

    expansion: ClassVar[int] = 1  # output channels per inner channel

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, reduction: int | None = None
    ) -> None:
        super().__init__()
        self.out_channels = out_channels = channels * self.expansion
        self.add_branch(in_channels, channels, stride)
        self.weigh = SqueezeExcite(out_channels, reduction) if reduction else nn.Identity()
        self.downsample = self.shortcut(in_channels, out_channels, stride)
        self.last_relu: nn.Module = nn.ReLU()

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        raise NotImplementedError

    def shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Build the shortcut: the identity where the shape stays, otherwise a 1x1 projection."""
        return shortcut(in_channels, out_channels, stride)

    def join(self, branch: Tensor, skipped: Tensor) -> Tensor:
        """Bring the branch and the shortcut together."""
        return branch + skipped

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        joined = self.join(self.weigh(self.branch(x)), self.downsample(x))
        output: Tensor = self.last_relu(joined)
        return output


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions beside a shortcut.

    Shapes and arguments: `ResidualBlock`; C_out = channels.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385.

    >>> import torch
    >>> BasicBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        self.conv1 = Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return y


class BottleneckBlock(ResidualBlock):
    """1x1 down, 3x3, 1x1 up, beside a shortcut; the 3x3 takes the stride.

    Shapes and arguments: `ResidualBlock`; C_out = 4 * channels.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385.

    >>> import torch
    >>> BottleneckBlock(256, 64)(torch.ones(1, 256, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    expansion = 4

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        self.add_layers(in_channels, channels, channels * self.expansion, stride)

    def add_layers(
        self, in_channels: int, inner: int, out_channels: int, stride: int, groups: int = 1
    ) -> None:
        """Create the layers of the branch: the inner convolution may be grouped."""
        self.conv1 = Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu1 = nn.ReLU()
        self.conv2: nn.Module = Conv2d(
            inner, inner, 3, stride, padding=1, groups=groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU()
        self.conv3 = Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return y
