"""Flattened convolutions in place of ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .base import Fitted, Site, from_conv, require_taps


@dataclass(frozen=True)
class Flattened(Fitted):
    """Across the channels, then along each axis (Jin et al., 2015, arXiv:1412.5474).

    Every output channel's weight becomes one of rank one, near to the old one. Groups stay.

    >>> import juanji, torch
    >>> plan = juanji.plan(juanji.nets.resnet20(), Flattened(), torch.zeros(1, 3, 8, 8))
    >>> plan.summary
    '18 of 21 layers swapped, weights 270,256 -> 36,720, ...'
    """

    name: ClassVar[str] = "flattened"

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need a kernel to flatten."""
        require_taps(layer)
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Fit every output channel's weight by a product of one-dimensional ones."""
        return from_conv("FlattenedConv", layer)
