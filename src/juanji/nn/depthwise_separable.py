"""Depthwise separable convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from math import prod
from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import depthwise_separable
from ..spec import Padding, Size
from .composed import ComposedConv
from .fit import require_dense, trained_weight


class DepthwiseSeparableConv(ComposedConv):
    """A filter (or `multiplier` of them) per channel, then a 1x1 convolution.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias: as in torch.nn;
            there are no groups.
        multiplier: filters per input channel.

    Raises:
        ValueError: in_channels or multiplier is below 1.

    Source: Chollet, "Xception", 2017, arXiv:1610.02357; Howard et al., "MobileNets", 2017,
    arXiv:1704.04861.

    >>> layer = DepthwiseSeparableConv2d(3, 256, 3, bias=False)
    >>> sum(weight.numel() for weight in layer.parameters())  # an ordinary layer has 6912
    795
    >>> layer(torch.randn(1, 3, 7, 9)).shape
    torch.Size([1, 256, 5, 7])
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
        multiplier: int = 1,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if in_channels < 1 or multiplier < 1:
            raise ValueError(
                f"in_channels and multiplier must be at least 1, got {in_channels} and {multiplier}"
            )
        self.multiplier = multiplier
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 1, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    def add_weights(self, **kind: Any) -> None:
        """Create the depthwise (C_in * m, 1, *k) and pointwise (C_out, C_in * m, 1, ...) weight."""
        filters, ones = self.in_channels * self.multiplier, (1,) * self.dimensions
        self.depthwise_weight = nn.Parameter(torch.empty(filters, 1, *self.kernel_size, **kind))
        self.pointwise_weight = nn.Parameter(torch.empty(self.out_channels, filters, *ones, **kind))

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        return [self.depthwise_weight, self.pointwise_weight]

    @classmethod
    def from_conv(cls, conv: nn.Module, *, multiplier: int = 1) -> Self:
        """Build the layer that is nearest to a trained convolution, by SVD per input channel.

        A multiplier above min(C_out, cells of the kernel) is lowered to it: that many represent
        any weight.

        Raises:
            TypeError: not a convolution.
            ValueError: `conv` has groups, or its kernel is one cell: there is nothing to separate.
        """
        require_dense(conv)
        arguments = interop.conv_arguments(conv)
        del arguments["groups"]
        cells = prod(arguments["kernel_size"])
        if cells == 1:
            raise ValueError("a kernel of one cell has nothing to separate")
        multiplier = min(multiplier, arguments["out_channels"], cells)
        layer = cls(**arguments, multiplier=multiplier)
        return layer.load_fit(conv, depthwise_separable.fit(trained_weight(conv), multiplier))

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return depthwise_separable.dense_weight(
            self.depthwise_weight, self.pointwise_weight, self.in_channels
        )

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return F.depthwise_separable_conv(
            input, self.depthwise_weight, self.pointwise_weight, self.bias,
            self.stride, self.padding, self.dilation,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its multiplier."""
        own = "" if self.multiplier == 1 else f", multiplier={self.multiplier}"
        return super().extra_repr() + own


class DepthwiseSeparableConv1d(DepthwiseSeparableConv):
    """`DepthwiseSeparableConv` on (N, C, length)."""

    dimensions = 1


class DepthwiseSeparableConv2d(DepthwiseSeparableConv):
    """`DepthwiseSeparableConv` on (N, C, height, width)."""

    dimensions = 2


class DepthwiseSeparableConv3d(DepthwiseSeparableConv):
    """`DepthwiseSeparableConv` on (N, C, depth, height, width)."""

    dimensions = 3
