"""Deformable convolutions in place of ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .. import interop
from .base import Site, Swap, Unsuitable, from_conv, require_taps


@dataclass(frozen=True)
class Deformable(Swap):
    """Let every tap of the kernel move (Dai et al., arXiv:1703.06211).

    Version 2 also weighs the taps (Zhu et al., arXiv:1811.11168). Versions 3 (arXiv:2211.05778) and
    4 (arXiv:2401.06197) combine the taps of each channel by itself, so they stand for depthwise
    layers only. The weight is kept; offsets start at zero and factors at one, so that right after
    the swap the network computes exactly what it did.

    >>> import juanji, torch
    >>> model, x = juanji.nets.resnet20(width=4).eval(), torch.randn(1, 3, 9, 9)
    >>> torch.allclose(juanji.convert(model, Deformable(), x)(x), model(x), atol=1e-4)
    True
    """

    name: ClassVar[str] = "deformable"

    version: int = 2

    def __post_init__(self) -> None:
        if self.version not in (1, 2, 3, 4):
            raise ValueError(f"version must be 1, 2, 3 or 4, got {self.version}")

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need a kernel, and a depthwise layer for versions 3 and 4."""
        require_taps(layer)
        spec = interop.conv_spec(layer)
        depthwise = spec.groups == spec.in_channels == spec.out_channels
        if self.version >= 3 and not depthwise:
            raise Unsuitable(f"version {self.version} stands for depthwise layers only")
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Keep the weight; add the filters that learn offsets, and from version 2 on factors."""
        return from_conv("DeformConv", layer, version=self.version)
