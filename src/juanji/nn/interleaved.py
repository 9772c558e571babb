"""Interleaved group convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import interleaved
from ..compositions.shuffled import shuffle
from ..compositions.weights import ungroup
from ..spec import Padding, Size
from .composed import ComposedConv
from .fit import trained_weight


class InterleavedGroupConv(ComposedConv):
    """Grouped convolution, then grouped 1x1 whose groups draw from all groups of the first.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels; between the two
    convolutions there are C_out channels.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias: as in torch.nn.
        primary_groups: L, groups of the first convolution; divides in_channels and out_channels.
        secondary_groups: M, groups of the 1x1 convolution; L * M divides out_channels. By default
            out_channels / L, as in the paper: the two kinds of groups then share one channel each.

    Raises:
        ValueError: the groups do not divide the channels.

    Source: Zhang et al., "Interleaved Group Convolutions for Deep Neural Networks", 2017,
    arXiv:1707.02725.

    >>> layer = InterleavedGroupConv2d(12, 12, 3, padding=1, primary_groups=3)
    >>> [tuple(weight.shape) for weight in layer.weights()]
    [(12, 4, 3, 3), (12, 3, 1, 1)]
    >>> layer(torch.randn(1, 12, 7, 9)).shape
    torch.Size([1, 12, 7, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        bias: bool = True,
        *,
        primary_groups: int,
        secondary_groups: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if primary_groups < 1 or in_channels % primary_groups:
            raise ValueError(
                f"primary_groups must be at least 1 and divide in_channels, "
                f"got {primary_groups} for {in_channels}"
            )
        if secondary_groups is None:
            secondary_groups = max(out_channels // primary_groups, 1)
        interleaved.check_groups(primary_groups, secondary_groups, out_channels, out_channels)
        self.primary_groups = primary_groups
        self.secondary_groups = secondary_groups
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 1, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    def add_weights(self, **kind: Any) -> None:
        """Create the weights: (C_out, C_in / L, *kernel), then (C_out, C_out / M, 1, ...)."""
        rows, ones = self.out_channels, (1,) * self.dimensions
        self.primary_weight = nn.Parameter(
            torch.empty(rows, self.in_channels // self.primary_groups, *self.kernel_size, **kind)
        )
        self.secondary_weight = nn.Parameter(
            torch.empty(rows, rows // self.secondary_groups, *ones, **kind)
        )

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        return [self.primary_weight, self.secondary_weight]

    @classmethod
    def from_conv(
        cls, conv: nn.Module, *, primary_groups: int, secondary_groups: int | None = None
    ) -> Self:
        """Build the layer that is nearest to a trained convolution, by SVD per pair of groups.

        Raises:
            TypeError: not a convolution.
            ValueError: the groups do not divide the channels, or leave more channels to a pair of
                groups than its weights have rank.
        """
        arguments = interop.conv_arguments(conv)
        groups = arguments.pop("groups")
        layer = cls(**arguments, primary_groups=primary_groups, secondary_groups=secondary_groups)
        weight = ungroup(trained_weight(conv), groups)
        primary, secondary = interleaved.fit(
            weight, layer.out_channels, layer.primary_groups, layer.secondary_groups
        )
        layer.load_fit(conv, [primary, secondary])
        if arguments["bias"]:  # added before the permutation back
            with torch.no_grad():
                layer.bias.copy_(shuffle(layer.bias, layer.primary_groups, dim=0))
        return layer

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return interleaved.dense_weight(
            self.primary_weight, self.secondary_weight, self.primary_groups, self.secondary_groups
        )

    def dense_bias(self) -> Tensor | None:
        """Return the bias of the ordinary convolution that the layer stands for."""
        back = self.out_channels // self.primary_groups
        return None if self.bias is None else shuffle(self.bias, back, dim=0)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return F.interleaved_group_conv(
            input, self.primary_weight, self.secondary_weight, self.bias,
            self.stride, self.padding, self.dilation,
            primary_groups=self.primary_groups, secondary_groups=self.secondary_groups,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its groups."""
        own = f"primary_groups={self.primary_groups}, secondary_groups={self.secondary_groups}"
        return f"{super().extra_repr()}, {own}"


class InterleavedGroupConv1d(InterleavedGroupConv):
    """`InterleavedGroupConv` on (N, C, length)."""

    dimensions = 1


class InterleavedGroupConv2d(InterleavedGroupConv):
    """`InterleavedGroupConv` on (N, C, height, width)."""

    dimensions = 2


class InterleavedGroupConv3d(InterleavedGroupConv):
    """`InterleavedGroupConv` on (N, C, depth, height, width)."""

    dimensions = 3
