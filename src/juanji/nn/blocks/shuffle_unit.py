"""ShuffleNet's unit: a bottleneck of grouped 1x1 convolutions, and a shuffle between the groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..depthwise import DepthwiseConv2d
from ..shuffled import ChannelShuffle
from .conv_unit import ConvUnit


class ShuffleUnit(nn.Module):
    """Grouped 1x1 down, shuffle, depthwise 3x3, grouped 1x1 up, beside a shortcut.

    With stride 1 the shortcut is the identity and is added; with stride 2 it is an average pooling
    and is concatenated, so that the branch only computes the channels that are new.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C_in.
        out_channels: C_out; with stride 1 the same as C_in, with stride 2 more.
        stride: s, 1 or 2.
        groups: of both 1x1 convolutions.
        first_groups: of the first of them, where it differs: in the network's first unit, whose
            input has few channels, it is 1.

    Raises:
        ValueError: the channels do not fit the stride or the groups.

    Source: Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083.

    >>> import torch
    >>> ShuffleUnit(24, 240, stride=2, groups=3)(torch.ones(1, 24, 9, 7)).shape
    torch.Size([1, 240, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        groups: int = 3,
        first_groups: int | None = None,
    ) -> None:
        if stride not in (1, 2):
            raise ValueError(f"stride must be 1 or 2, got {stride}")
        if (in_channels >= out_channels) if stride == 2 else (in_channels != out_channels):
            expected = "above" if stride == 2 else "equal to"
            raise ValueError(
                f"out_channels must be {expected} in_channels at stride {stride}, "
                f"got {out_channels} and {in_channels}"
            )
        super().__init__()
        inner = out_channels // 4
        new = out_channels - in_channels if stride == 2 else out_channels
        first_groups = groups if first_groups is None else first_groups
        self.reduce = ConvUnit(in_channels, inner, 1, groups=first_groups)
        self.shuffle = ChannelShuffle(groups)
        self.depthwise = ConvUnit(inner, inner, 3, stride, layer=DepthwiseConv2d, activation=None)
        self.expand = ConvUnit(inner, new, 1, groups=groups, activation=None)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit."""
        y: Tensor = self.expand(self.depthwise(self.shuffle(self.reduce(x))))
        y = x + y if self.pool is None else torch.cat([y, self.pool(x)], dim=1)
        y = self.activation(y)
        return y
