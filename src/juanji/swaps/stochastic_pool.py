"""Stochastic pooling in place of max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .. import interop
from .. import nn as variants
from .base import Site, Swap, Unsuitable


@dataclass(frozen=True)
class StochasticPool(Swap):
    """Draw from each window in place of taking its maximum (Zeiler, Fergus, arXiv:1301.3557).

    It is about max pooling layers, and so are the patterns that choose layers. In training a value
    is drawn in proportion to it, in evaluation the values are averaged with these weights. Values
    have to be non-negative, as behind a ReLU; a negative one raises ValueError when it comes.

    >>> import juanji, torch
    >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool1d(2))
    >>> juanji.convert(model, StochasticPool(), torch.zeros(1, 2, 9))[1]
    StochasticPool1d(kernel_size=(2,))
    """

    name: ClassVar[str] = "stochastic-pool"
    everywhere: ClassVar[bool] = True

    def targets(self, layer: nn.Module) -> bool:
        """Whether the layer is a max pooling."""
        return interop.is_max_pool(layer)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need a window that stochastic pooling has, and values that it can draw from."""
        spec = interop.pool_spec(layer)
        if getattr(layer, "return_indices", False):
            raise Unsuitable("its indices are used")
        if spec.ceil_mode:
            raise Unsuitable("ceil_mode")
        if any(window.dilation > 1 for window in spec.windows):
            raise Unsuitable("dilated")
        if site.input.lt(0).any():
            raise Unsuitable("its input has negative values")
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Keep the window."""
        old: Any = layer
        kind = getattr(variants, f"StochasticPool{len(interop.pool_spec(layer).windows)}d")
        new: nn.Module = kind(old.kernel_size, old.stride, old.padding)
        return new

    def fit_error(self, layer: nn.Module, new: nn.Module) -> None:
        """There is no weight."""
