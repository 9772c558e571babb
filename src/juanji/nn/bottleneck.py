"""Bottleneck convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import bottleneck
from ..spec import Padding, Size
from .composed import ComposedConv
from .fit import require_dense, trained_weight


class BottleneckConv(ComposedConv):
    """1x1 to few channels, the kernel on these, 1x1 back: 256 -> 64 -> 64 -> 256.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels; between the
    convolutions there are M = max(1, C_out // reduction) channels. There is no activation inside,
    so that the layer stands for one ordinary weight; the block of He et al. has ReLUs there.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias: as in torch.nn;
            there are no groups. The kernel's convolution takes the stride.
        reduction: how many times fewer channels there are between than after.

    Raises:
        ValueError: in_channels, out_channels or reduction is below 1.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385.

    >>> layer = BottleneckConv2d(256, 256, 3, padding=1, bias=False)
    >>> sum(weight.numel() for weight in layer.parameters())  # an ordinary layer has 589824
    69632
    >>> layer(torch.randn(1, 256, 5, 7)).shape
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
        reduction: int = 4,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        for name, value in (
            ("in_channels", in_channels), ("out_channels", out_channels), ("reduction", reduction)
        ):  # fmt: skip
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.reduction = reduction
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 1, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    @property
    def middle(self) -> int:
        """Number of channels between the convolutions."""
        return max(1, self.out_channels // self.reduction)

    def add_weights(self, **kind: Any) -> None:
        """Create the weights: (M, C_in, 1, ...), (M, M, *kernel) and (C_out, M, 1, ...)."""
        middle, ones = self.middle, (1,) * self.dimensions
        self.reduce_weight = nn.Parameter(torch.empty(middle, self.in_channels, *ones, **kind))
        self.spatial_weight = nn.Parameter(torch.empty(middle, middle, *self.kernel_size, **kind))
        self.expand_weight = nn.Parameter(torch.empty(self.out_channels, middle, *ones, **kind))

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        return [self.reduce_weight, self.spatial_weight, self.expand_weight]

    @classmethod
    def from_conv(cls, conv: nn.Module, *, reduction: int = 4) -> Self:
        """Build the layer near to a trained convolution, by Tucker-2 decomposition of its weight.

        Raises:
            TypeError: not a convolution.
            ValueError: `conv` has groups, or fewer input channels than the middle would have.
        """
        require_dense(conv)
        arguments = interop.conv_arguments(conv)
        del arguments["groups"]
        layer = cls(**arguments, reduction=reduction)
        if layer.middle > layer.in_channels:
            raise ValueError(
                f"reduction must be larger: {layer.middle} channels are no bottleneck "
                f"for {layer.in_channels} input channels"
            )
        return layer.load_fit(conv, bottleneck.fit(trained_weight(conv), layer.middle))

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return bottleneck.dense_weight(self.reduce_weight, self.spatial_weight, self.expand_weight)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        hidden = F.conv(input, self.reduce_weight)
        hidden = F.conv(hidden, self.spatial_weight, None, self.stride, self.padding, self.dilation)
        return F.conv(hidden, self.expand_weight, self.bias)

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its reduction."""
        return super().extra_repr() + f", reduction={self.reduction}"


class BottleneckConv1d(BottleneckConv):
    """`BottleneckConv` on (N, C, length)."""

    dimensions = 1


class BottleneckConv2d(BottleneckConv):
    """`BottleneckConv` on (N, C, height, width)."""

    dimensions = 2


class BottleneckConv3d(BottleneckConv):
    """`BottleneckConv` on (N, C, depth, height, width)."""

    dimensions = 3
