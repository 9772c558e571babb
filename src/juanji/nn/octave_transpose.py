"""Transposed octave convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

from .. import interop
from ..ops.octave import Alpha, Downsample
from ..spec import Conv as ConvSpec
from ..spec import Padding, Size, per_axis
from .octave import OctaveBase


class OctaveConvTranspose(OctaveBase):
    """Transposed convolution of feature maps at two resolutions, the adjoint of `OctaveConv`.

    Shapes: the pair (high, low), each (N, C, *spatial), to such a pair, as `OctaveConv`. With
    `alpha_in` 0 it takes a plain map, with `alpha_out` 0 it gives one. The weight has the shape of
    the ordinary transposed convolution, so ordinary weights load.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
            dilation: as in torch.nn; channels count high and low ones together.
        alpha_in: part of the input channels that is low, in [0, 1].
        alpha_out: part of the output channels that is low, in [0, 1].
        downsample: how the `OctaveConv` that it is adjoint to takes a stride.

    Raises:
        ValueError: alpha is outside [0, 1], or breaks the groups.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049; the adjoint by composition.

    >>> first = OctaveConvTranspose2d(8, 16, 4, stride=2, padding=1, alpha_in=0, alpha_out=0.25)
    >>> last = OctaveConvTranspose2d(16, 3, 4, stride=2, padding=1, alpha_in=0.25, alpha_out=0)
    >>> first(torch.randn(1, 8, 5, 7))
    OctavePair(high=(1, 12, 10, 14), low=(1, 4, 5, 7))
    >>> last(torch.relu(first(torch.randn(1, 8, 5, 7)))).shape
    torch.Size([1, 3, 20, 28])
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        downsample: Downsample = "pool",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.output_padding = per_axis("output_padding", output_padding, self.dimensions)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.part(alpha_in, alpha_out, downsample)

    @classmethod
    def from_conv(
        cls,
        conv: nn.Module,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        downsample: Downsample = "pool",
    ) -> Self:
        """Build the layer from a transposed convolution, whose weight and bias it takes over."""
        arguments = interop.conv_transpose_arguments(conv)
        layer = cls(**arguments, alpha_in=alpha_in, alpha_out=alpha_out, downsample=downsample)
        return layer.load_conv(conv)

    def spec(self) -> ConvSpec:
        """Return the specification of the convolution."""
        return interop.conv_spec(self)

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its alphas."""
        extra = f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        return super().extra_repr() + extra


class OctaveConvTranspose1d(OctaveConvTranspose):
    """`OctaveConvTranspose` on (N, C, length)."""

    dimensions = 1


class OctaveConvTranspose2d(OctaveConvTranspose):
    """`OctaveConvTranspose` on (N, C, height, width)."""

    dimensions = 2


class OctaveConvTranspose3d(OctaveConvTranspose):
    """`OctaveConvTranspose` on (N, C, depth, height, width)."""

    dimensions = 3
