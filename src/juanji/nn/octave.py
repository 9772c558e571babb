"""Octave convolution and batch normalization as layers, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from .. import interop
from ..ops.octave import Alpha, Downsample, OctavePair, Parts, octave_conv_cut, octave_cut
from ..spec import Padding, Size
from .conv import ConvBase

# What octave layers take: a plain map, a pair, or a tuple (high, low).
Octave = Tensor | OctavePair | tuple[Tensor | None, Tensor | None]


def as_pair(input: Octave) -> OctavePair:
    """Accept a plain map (all high), a pair, or a tuple (high, low)."""
    if isinstance(input, Tensor):
        return OctavePair(input, None)
    return input if isinstance(input, OctavePair) else OctavePair(*input)


class OctaveBase(ConvBase):
    """What octave convolution and its transpose share: `cut` says how the channels are parted."""

    def part(self, alpha_in: Alpha, alpha_out: Alpha, downsample: Downsample) -> None:
        """Set what makes the convolution an octave one."""
        self.alpha_in = alpha_in
        self.alpha_out = alpha_out
        self.downsample = downsample
        self.cut = octave_cut(self.spec(), alpha_in, alpha_out, downsample)

    def forward(self, input: Octave) -> OctavePair | Tensor:
        """Convolve a pair (or plain map) into a pair (or plain map)."""
        pair = as_pair(input)
        if not self.cut.low_in and pair.low is not None:
            pair = OctavePair(pair.merge(), None)
        output = octave_conv_cut(pair, self.weight, self.bias, self.cut)
        if self.cut.low_out:
            return output
        assert output.high is not None
        return output.high

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its alphas."""
        own = f", alpha_in={self.alpha_in}, alpha_out={self.alpha_out}"
        pooled = "" if self.downsample == "pool" else f", downsample={self.downsample!r}"
        return super().extra_repr() + own + pooled


class OctaveConv(OctaveBase):
    """Convolution of feature maps at two resolutions, in place of an ordinary convolution.

    Shapes: the pair (high, low), each (N, C, *spatial), to such a pair. With `alpha_in` 0 it takes
    a plain map, or a pair as the map it stands for; with `alpha_out` 0 it gives a plain map. The
    weight has the ordinary shape, so ordinary weights load; initialized as the ordinary layer, its
    outputs have the ordinary variance.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in
            torch.nn; channels count high and low ones together.
        alpha_in: part of the input channels that is low, in [0, 1].
        alpha_out: part of the output channels that is low, in [0, 1].
        downsample: how a stride is taken, "pool" (as the authors do) or "stride".

    Raises:
        ValueError: alpha is outside [0, 1], or breaks the groups.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> first = OctaveConv2d(3, 16, 3, padding=1, alpha_in=0, alpha_out=0.25)
    >>> last = OctaveConv2d(16, 8, 3, padding=1, alpha_in=0.25, alpha_out=0)
    >>> first(torch.randn(1, 3, 9, 9))
    OctavePair(high=(1, 12, 9, 9), low=(1, 4, 5, 5))
    >>> last(torch.relu(first(torch.randn(1, 3, 9, 9)))).shape
    torch.Size([1, 8, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        alpha_in: Alpha,
        alpha_out: Alpha,
        downsample: Downsample = "pool",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
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
        """Build the layer from an ordinary convolution, whose weight and bias it takes over."""
        arguments = interop.conv_arguments(conv)
        layer = cls(**arguments, alpha_in=alpha_in, alpha_out=alpha_out, downsample=downsample)
        return layer.load_conv(conv)

    def permute_inputs(self, parts: Parts) -> None:
        """Reorder the weight's columns in place, for an input that concatenates several pairs.

        `parts` gives the (high, low) channels of each of them. The columns, until now in the order
        of the concatenated plain maps, move to where the layer finds these channels: all high
        ones first, then all low ones.
        """
        columns = torch.arange(self.weight.shape[1], device=self.weight.device)
        pieces = columns.split([count for part in parts for count in part])
        with torch.no_grad():
            self.weight.copy_(self.weight[:, torch.cat([*pieces[0::2], *pieces[1::2]])])


class OctaveConv1d(OctaveConv):
    """`OctaveConv` on (N, C, length)."""

    dimensions = 1


class OctaveConv2d(OctaveConv):
    """`OctaveConv` on (N, C, height, width)."""

    dimensions = 2


class OctaveConv3d(OctaveConv):
    """`OctaveConv` on (N, C, depth, height, width)."""

    dimensions = 3


class OctaveBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalization of a pair: each channel on the grid it lives on.

    Shapes: the pair (high, low), or a plain map, to the same. Parameters, buffers and state dict
    are those of torch.nn's layer over all channels, high first.

    >>> norm = OctaveBatchNorm2d(4)
    >>> norm((torch.randn(2, 3, 5, 5), torch.randn(2, 1, 3, 3)))
    OctavePair(high=(2, 3, 5, 5), low=(2, 1, 3, 3))
    """

    dimensions: ClassVar[int]

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim != self.dimensions + 2:
            raise ValueError(
                f"input must have {self.dimensions + 2} dimensions (N, C, *spatial), "
                f"got {input.ndim}"
            )

    def forward(self, input: Octave) -> OctavePair | Tensor:  # type: ignore[override]
        """Normalize a pair or a plain map."""
        whole: Any = input if isinstance(input, Tensor) else as_pair(input)
        output: OctavePair | Tensor = super().forward(whole)
        return output


class OctaveBatchNorm1d(OctaveBatchNorm):
    """`OctaveBatchNorm` on (N, C, length)."""

    dimensions = 1


class OctaveBatchNorm2d(OctaveBatchNorm):
    """`OctaveBatchNorm` on (N, C, height, width)."""

    dimensions = 2


class OctaveBatchNorm3d(OctaveBatchNorm):
    """`OctaveBatchNorm` on (N, C, depth, height, width)."""

    dimensions = 3
