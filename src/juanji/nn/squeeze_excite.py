"""Squeeze and excitation as a layer, for any number of spatial axes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .. import interop
from ..ops.octave import OctavePair
from .composed import ComposedConv
from .conv import ConvBase


class SqueezeExcite(nn.Module):
    """Weigh each channel by a factor in (0, 1) that is computed from all channels' means.

    Global average, two fully connected layers (to max(1, channels // reduction) and back) with
    ReLU between them, sigmoid, product.

    Shapes: (N, C, *spatial) with any number of spatial axes, or an `OctavePair`, to the same.
    Dimension 1 is the channels: unbatched input needs `unsqueeze(0)`.

    Args:
        channels: C.
        reduction: how many times narrower the middle is.

    Raises:
        ValueError: channels or reduction is below 1, or an input has other channels.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018, arXiv:1709.01507.

    >>> SqueezeExcite(32)(torch.randn(2, 32, 5, 7)).shape
    torch.Size([2, 32, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if channels < 1 or reduction < 1:
            raise ValueError(
                f"channels and reduction must be at least 1, got {channels} and {reduction}"
            )
        self.channels = channels
        self.reduction = reduction
        middle = max(1, channels // reduction)
        self.reduce = nn.Linear(channels, middle, device=device, dtype=dtype)
        self.expand = nn.Linear(middle, channels, device=device, dtype=dtype)

    @classmethod
    def after_conv(cls, conv: nn.Module, *, reduction: int = 16) -> nn.Sequential:
        """Return a copy of `conv` with this unit behind it: together, exactly what `conv` computes.

        The last layer of the unit is zero, so that the gate is sigmoid(0) = 1/2; weight and bias of
        the copy are doubled (of several weights, the last). Both are exact in floating point, and
        training moves on from there.

        Args:
            conv: a convolution of torch.nn, transposed ones included, or any of juanji.nn.
            reduction: as for the unit.

        Raises:
            TypeError: not a convolution.
        """
        ordinary = interop.is_conv(conv) or interop.is_transposed(conv)
        if not ordinary and not isinstance(conv, ConvBase):
            raise TypeError(
                f"conv must be a convolution of torch.nn or juanji.nn, got {type(conv)}"
            )
        doubled: Any = copy.deepcopy(conv)
        composed = isinstance(doubled, ComposedConv)
        weight: Tensor = doubled.weights()[-1] if composed else doubled.weight
        unit = cls(doubled.out_channels, reduction, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            weight.mul_(2)
            if doubled.bias is not None:
                doubled.bias.mul_(2)
        nn.init.zeros_(unit.expand.weight)
        nn.init.zeros_(unit.expand.bias)
        return nn.Sequential(doubled, unit).train(conv.training)

    def forward(self, input: Tensor | OctavePair) -> Tensor | OctavePair:
        """Weigh the channels of `input`."""
        if input.ndim < 2 or input.shape[1] != self.channels:
            raise ValueError(
                f"input must have shape (N, {self.channels}, *spatial), got {tuple(input.shape)}"
            )
        axes = tuple(range(2, input.ndim))
        squeezed: Any = input.mean(axes) if axes else input
        gate = torch.sigmoid(self.expand(torch.relu(self.reduce(squeezed))))
        output: Tensor | OctavePair = input * gate.reshape(*gate.shape, *(1 for _ in axes))
        return output

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does."""
        return f"{self.channels}, reduction={self.reduction}"
