"""Octave forms of the residual and MobileNet blocks: part of every map at half the resolution.

Each block has the parts, names and weights of the ordinary one, so that the ordinary weights load,
and with both alphas zero it is the ordinary one. What it takes and gives are pairs (high, low), or
a plain map where the alpha of that end is zero.

In the authors' networks every convolution with a stride averages first and then convolves at stride
one, also those that have no low channels (`pool=True`); with alpha zero there it is a stride.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from ...ops.octave import Alpha
from ..octave import OctaveBatchNorm2d, OctaveConv2d
from .inverted_residual import InvertedResidualBlock
from .residual import ResidualBlock


class OctaveUnit(nn.Sequential):
    """`ConvUnit` on pairs: octave convolution, normalization, activation.

    Shapes: the pair (N, C_in, H, W) to the pair (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in, high and low together.
        out_channels: C_out, high and low together.
        kernel_size: odd.
        stride: s, 1 or 2.
        alpha_in: part of the input's channels that is low.
        alpha_out: part of the output's channels that is low.
        groups: of the convolution.
        activation: builds the activation; None leaves it out.
        pool: take a stride by averaging where there are no low channels, too.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> OctaveUnit(3, 8, 3, alpha_in=0, alpha_out=0.25)(torch.ones(1, 3, 9, 7))
    OctavePair(high=(1, 6, 9, 7), low=(1, 2, 5, 4))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        pool: bool = False,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if pool and stride != 1 and not (alpha_in or alpha_out):
            layers["pool"] = nn.AvgPool2d(stride, ceil_mode=True)
            stride = 1
        layers["conv"] = OctaveConv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2,
            groups=groups, bias=False, alpha_in=alpha_in, alpha_out=alpha_out,
        )  # fmt: skip
        layers["norm"] = OctaveBatchNorm2d(out_channels)
        if activation is not None:
            layers["activation"] = activation()
        super().__init__(layers)


class OctaveResidualBlock(ResidualBlock):
    """What residual blocks on pairs share: their alphas, and a shortcut on pairs.

    Shapes: the pair (N, C, H, W) to the pair (N, expansion * channels, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s.
        alpha_in: part of the input's channels that is low.
        alpha_out: part of all other channels that is low.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        reduction: int | None = None,
    ) -> None:
        self.alpha_in = alpha_in
        self.alpha_out = alpha_out
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Build the shortcut: the identity where shape and parts stay, otherwise a projection."""
        if stride == 1 and in_channels == out_channels and self.alpha_in == self.alpha_out:
            return nn.Identity()
        return nn.Sequential(
            OctaveConv2d(
                in_channels, out_channels, 1, stride, bias=False,
                alpha_in=self.alpha_in, alpha_out=self.alpha_out,
            ),
            OctaveBatchNorm2d(out_channels),
        )  # fmt: skip


class OctaveBasicBlock(OctaveResidualBlock):
    """`BasicBlock` on pairs.

    Shapes and arguments: `OctaveResidualBlock`; C_out = channels.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> OctaveBasicBlock(8, 16, 2, alpha_in=0, alpha_out=0.5)(torch.ones(1, 8, 9, 7))
    OctavePair(high=(1, 8, 5, 4), low=(1, 8, 3, 2))
    """

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        first, alpha = self.alpha_in, self.alpha_out
        self.conv1 = OctaveConv2d(
            in_channels, channels, 3, stride, padding=1, bias=False, alpha_in=first, alpha_out=alpha
        )
        self.bn1 = OctaveBatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = OctaveConv2d(
            channels, channels, 3, padding=1, bias=False, alpha_in=alpha, alpha_out=alpha
        )
        self.bn2 = OctaveBatchNorm2d(channels)

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return y


class OctaveBottleneckBlock(OctaveResidualBlock):
    """`BottleneckBlock` on pairs.

    Shapes and arguments: `OctaveResidualBlock`; C_out = 4 * channels.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> OctaveBottleneckBlock(8, 4, 2, alpha_in=0, alpha_out=0.5)(torch.ones(1, 8, 9, 7))
    OctavePair(high=(1, 8, 5, 4), low=(1, 8, 3, 2))
    """

    expansion = 4

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        out_channels = channels * self.expansion
        first, alpha = self.alpha_in, self.alpha_out
        self.conv1 = OctaveConv2d(
            in_channels, channels, 1, bias=False, alpha_in=first, alpha_out=alpha
        )
        self.bn1 = OctaveBatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        # Where the pairs end, conv2 sees a plain map, but takes its stride as in all of the network
        ends = bool(first) and not alpha and stride != 1
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if ends else nn.Identity()
        self.conv2 = OctaveConv2d(
            channels, channels, 3, 1 if ends else stride, padding=1, bias=False,
            alpha_in=alpha, alpha_out=alpha,
        )  # fmt: skip
        self.bn2 = OctaveBatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = OctaveConv2d(
            channels, out_channels, 1, bias=False, alpha_in=alpha, alpha_out=alpha
        )
        self.bn3 = OctaveBatchNorm2d(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(self.pool(y))))
        y = self.bn3(self.conv3(y))
        return y


class OctaveDepthwiseSeparableBlock(nn.Sequential):
    """`DepthwiseSeparableBlock` on pairs: the filters stay on their grid, the 1x1 exchanges.

    Shapes: the pair (N, C_in, H, W) to the pair (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, taken by the filters.
        alpha_in: part of the input's channels that is low.
        alpha_out: part of the output's channels that is low.
        pool: take a stride by averaging where there are no low channels, too.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> block = OctaveDepthwiseSeparableBlock(8, 16, alpha_in=0, alpha_out=0.25)
    >>> block(torch.ones(1, 8, 9, 7))
    OctavePair(high=(1, 12, 9, 7), low=(1, 4, 5, 4))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.depthwise = OctaveUnit(
            in_channels, in_channels, 3, stride, groups=in_channels,
            alpha_in=alpha_in, alpha_out=alpha_in, pool=pool,
        )  # fmt: skip
        self.pointwise = OctaveUnit(
            in_channels, out_channels, 1, alpha_in=alpha_in, alpha_out=alpha_out
        )


class OctaveInvertedResidualBlock(InvertedResidualBlock):
    """`InvertedResidualBlock` with pairs inside: it takes a plain map and gives one.

    Only the many channels between the two 1x1 convolutions have an octave, the few outside do not.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, taken by the filters.
        expansion: how many times C_in there are inside; with 1, too, there is a first convolution,
            since it is where the octave begins.
        alpha: part of the channels inside that is low.
        pool: take a stride by averaging where there are no low channels, too.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> OctaveInvertedResidualBlock(8, 16, 2, alpha=0.25)(torch.ones(1, 8, 9, 7)).shape
    torch.Size([1, 16, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        expansion: int = 6,
        alpha: Alpha,
        pool: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, expansion=expansion)
        inner = in_channels * expansion
        self.expand = OctaveUnit(
            in_channels, inner, 1, activation=nn.ReLU6, alpha_in=0, alpha_out=alpha
        )
        self.depthwise = OctaveUnit(
            inner, inner, 3, stride, groups=inner, activation=nn.ReLU6,
            alpha_in=alpha, alpha_out=alpha, pool=pool,
        )  # fmt: skip
        self.project = OctaveUnit(
            inner, out_channels, 1, activation=None, alpha_in=alpha, alpha_out=0
        )
