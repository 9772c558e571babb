"""Separable convolutions in place of ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .base import Fitted, Site, from_conv, require_dense, require_taps


@dataclass(frozen=True)
class DepthwiseSeparable(Fitted):
    """A filter per channel, then 1x1 (MobileNet, arXiv:1704.04861): the best fit of the weight."""

    name: ClassVar[str] = "depthwise-separable"

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need an ungrouped layer with a kernel to separate."""
        require_taps(layer)
        require_dense(layer)
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Fit the weight by one filter per input channel."""
        return from_conv("DepthwiseSeparableConv", layer)


@dataclass(frozen=True)
class SpatiallySeparable(Fitted):
    """One axis after the other, 3x3 = 3x1 then 1x3, as the best fit of the weight."""

    name: ClassVar[str] = "spatially-separable"

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need a kernel; the layer itself says if fewer than two axes have more than one tap."""
        require_taps(layer)
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Fit the weight by a product of one-dimensional ones."""
        return from_conv("SpatiallySeparableConv", layer)
