"""Bottlenecks in place of ordinary convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .. import interop
from .base import Fitted, Site, Unsuitable, at_least_one, from_conv, require_dense, require_taps


@dataclass(frozen=True)
class Bottleneck(Fitted):
    """1x1 to C_out / reduction channels, the kernel, 1x1 back (He et al., 2016, arXiv:1512.03385).

    The weights are near to the old one, by Tucker-2 decomposition (Kim et al., 2016,
    arXiv:1511.06530): between the three convolutions there is no activation, so that they stand
    for one ordinary weight.

    >>> import juanji, torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(256, 256, 3, 1, 1, bias=False))
    >>> juanji.plan(model, Bottleneck(), torch.zeros(1, 256, 1, 1), where="*").summary
    '1 of 1 layers swapped, weights 589,824 -> 69,632, multiply-adds 589,824 -> 69,632'
    """

    name: ClassVar[str] = "bottleneck"

    reduction: int = 4

    def __post_init__(self) -> None:
        at_least_one("reduction", self.reduction)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need an ungrouped layer with a kernel, and input channels for the middle to be fewer."""
        require_taps(layer)
        require_dense(layer)
        spec = interop.conv_spec(layer)
        middle = max(1, spec.out_channels // self.reduction)
        if middle > spec.in_channels:
            raise Unsuitable(
                f"{middle} channels are no bottleneck for {spec.in_channels} input channels"
            )
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Decompose the weight."""
        return from_conv("BottleneckConv", layer, reduction=self.reduction)
