"""Grouped convolutions in place of ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from .base import Fitted, Site, at_least_one, from_conv, require_dense, require_divisible


@dataclass(frozen=True)
class Grouped(Fitted):
    """Blocks of channels that do not mix (AlexNet, ResNeXt): the diagonal blocks of the weight."""

    name: ClassVar[str] = "grouped"

    groups: int

    def __post_init__(self) -> None:
        at_least_one("groups", self.groups)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need an ungrouped layer whose channels the groups divide."""
        require_dense(layer)
        require_divisible(layer, self.groups)
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Keep the diagonal blocks."""
        return from_conv("Conv", layer, groups=self.groups)


@dataclass(frozen=True)
class ShuffledGroups(Grouped):
    """Grouped, then the channels shuffled, so that the next groups mix (arXiv:1707.01083)."""

    name: ClassVar[str] = "shuffled"

    def build(self, layer: nn.Module) -> nn.Module:
        """Keep the blocks that leave every output channel its own weights."""
        return from_conv("ShuffledGroupConv", layer, groups=self.groups)
