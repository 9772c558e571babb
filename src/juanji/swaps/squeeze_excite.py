"""Squeeze and excitation behind convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .. import interop
from .. import nn as variants
from .base import Site, Swap, Unsuitable, at_least_one, require_taps


@dataclass(frozen=True)
class SqueezeExcite(Swap):
    """Weigh the channels of every spatial convolution's output (Hu et al., arXiv:1709.01507).

    The unit stands directly behind the convolution, the paper's "SE_3x3" placement, which needs no
    knowledge of the network's blocks. The output is at first exactly the convolution's.
    """

    name: ClassVar[str] = "squeeze-excite"

    reduction: int = 16

    def __post_init__(self) -> None:
        at_least_one("reduction", self.reduction)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need a kernel of more than one cell, and a batch, which the unit takes for granted."""
        require_taps(layer)
        if site.input.ndim != len(interop.conv_spec(layer).windows) + 2:
            raise Unsuitable("its input has no batch dimension")
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Put the unit behind the layer."""
        return variants.SqueezeExcite.after_conv(layer, reduction=self.reduction)
