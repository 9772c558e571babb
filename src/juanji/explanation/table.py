"""Which scene a layer has: one explicit table, the first row that matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from .. import interop
from ..draw.scene import Scene
from . import windowed
from .crop import View

Build: TypeAlias = Callable[[Any, Any, View], Scene]  # (layer, input or None, view)


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of layer, and what makes its scene."""

    kind: str
    matches: Callable[[nn.Module], bool]
    build: Build


LAYERS: tuple[Row, ...] = (
    Row("convolution", interop.is_conv, windowed.conv_layer),
    Row("transposed convolution", interop.is_transposed, windowed.conv_layer),
    Row("max or average pooling", interop.is_pool, windowed.pool_layer),
)


def find(layer: nn.Module) -> Row | None:
    """Return the row of a layer, or None where there is none."""
    return next((row for row in LAYERS if row.matches(layer)), None)
