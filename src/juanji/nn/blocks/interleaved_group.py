"""The interleaved group block: two grouped convolutions whose groups cross each other."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ..interleaved import InterleavedGroupConv2d
from .conv_unit import ConvUnit
from .residual import ResidualBlock, shortcut


class InterleavedGroupBlock(ConvUnit):
    """Spatial convolution in L groups, 1x1 convolution in the groups across these, ReLU.

    Shapes: (N, C_in, H, W) to (N, C_out, H/s, W/s), sizes rounded up. Between the two convolutions
    is neither normalization nor activation, so that they stand for one wide convolution.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, taken by the spatial convolution.
        primary_groups: L, the partitions of the spatial convolution; the 1x1 has C_out / L.
        activation: whether there is a ReLU at the end.

    Raises:
        ValueError: the groups do not divide the channels.

    Source: Zhang et al., "Interleaved Group Convolutions for Deep Neural Networks", 2017,
    arXiv:1707.02725.

    >>> import torch
    >>> InterleavedGroupBlock(48, 96, stride=2, primary_groups=24)(torch.ones(1, 48, 9, 7)).shape
    torch.Size([1, 96, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        primary_groups: int,
        activation: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, 3, stride, padding=1, layer=InterleavedGroupConv2d,
            activation=nn.ReLU if activation else None, primary_groups=primary_groups,
        )  # fmt: skip


class InterleavedResidualBlock(ResidualBlock):
    """Two interleaved group blocks beside a shortcut, whose projection is grouped too.

    Shapes and arguments: `ResidualBlock`; C_out = channels.

    Args:
        primary_groups: L.

    Source: as `InterleavedGroupBlock`.

    >>> import torch
    >>> InterleavedResidualBlock(16, 32, 2, primary_groups=8)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        primary_groups: int,
        reduction: int | None = None,
    ) -> None:
        self.primary_groups = primary_groups
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Build the shortcut; its projection is grouped too."""
        return shortcut(in_channels, out_channels, stride, self.primary_groups)

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        groups = self.primary_groups
        self.first = InterleavedGroupBlock(in_channels, channels, stride, primary_groups=groups)
        self.second = InterleavedGroupBlock(
            channels, channels, primary_groups=groups, activation=False
        )

    def branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.second(self.first(x))
        return y
