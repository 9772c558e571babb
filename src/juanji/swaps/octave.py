"""Octave convolution in place of ordinary convolution."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from torch import nn

from .. import interop
from ..ops.octave import Downsample, OctavePair, low_channels
from .base import Site, Swap, Unsuitable, from_conv


@dataclass(frozen=True)
class Octave(Swap):
    """Give `alpha` of the output channels half the resolution (Chen et al., arXiv:1904.05049).

    Every layer keeps its weight. What a layer receives decides its alpha_in, so the first one takes
    a plain map; the last one gives one. The network's first layer is swapped too: a plain map that
    a shortcut carried on from there would meet pairs, and merge them. Everything between two octave
    layers, whatever the network's `forward` does there, works on pairs. With alpha 0 nothing
    changes.
    """

    name: ClassVar[str] = "octave"
    first: ClassVar[bool] = True
    ends: ClassVar[bool] = True

    alpha: float
    downsample: Downsample = "pool"

    def __post_init__(self) -> None:
        low_channels(self.alpha, 1)
        if self.downsample not in ("pool", "stride"):
            raise ValueError(f'downsample must be "pool" or "stride", got {self.downsample!r}')

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Read alpha_in off the input; a depthwise layer hands on the channels it gets."""
        spec = interop.conv_spec(layer)
        pair = site.input if isinstance(site.input, OctavePair) else OctavePair(site.input, None)
        if all(cells == 1 for cells in pair.spatial):
            raise Unsuitable("its input is a single cell")
        low_in = sum(low for _, low in pair.parts)
        alpha_in = Fraction(low_in, spec.in_channels)
        alpha_out = Fraction(0 if site.last else str(self.alpha))
        if spec.groups == spec.in_channels > 1:
            if not low_in:
                raise Unsuitable("depthwise, and its input has no low channels")
            if len(pair.parts) > 1:
                raise Unsuitable("depthwise, behind a concatenation of octave maps")
            alpha_out = alpha_in
        result: dict[str, Any] = {"alpha_in": str(alpha_in), "alpha_out": str(alpha_out)}
        if len(pair.parts) > 1:
            if spec.groups > 1:
                raise Unsuitable("grouped, behind a concatenation of octave maps")
            result["parts"] = [list(part) for part in pair.parts]
        return result

    def build(
        self,
        layer: nn.Module,
        *,
        alpha_in: str,
        alpha_out: str,
        parts: list[list[int]] | None = None,
    ) -> nn.Module:
        """Build the octave layer; behind a concatenation its input columns are put in order.

        `parts` are the (high, low) channels of every concatenated map: the layer receives all
        high channels first, then the low ones.
        """
        alphas = {"alpha_in": Fraction(alpha_in), "alpha_out": Fraction(alpha_out)}
        octave = from_conv("OctaveConv", layer, **alphas, downsample=self.downsample)
        if parts is not None:
            new: Any = octave
            new.permute_inputs([(high, low) for high, low in parts])
        return octave

    def fit_error(self, layer: nn.Module, new: nn.Module) -> float | None:
        """The weight is kept whole; but groups see other channels once these are cut in two."""
        spec = interop.conv_spec(layer)
        cut: Any = new.cut
        parted = cut.low_in or cut.low_out
        return None if parted and 1 < spec.groups < spec.in_channels else 0.0
