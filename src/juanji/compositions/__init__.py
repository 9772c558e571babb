"""Convolutions composed of convolutions: separable, flattened, shuffled, interleaved.

Each file has the operator, the dense weight that its parts stand for, and the parts that fit a
given dense weight best. The mathematics: README.md in this folder.
"""

from __future__ import annotations

from .depthwise_separable import depthwise_separable_conv
from .flattened import flattened_conv
from .interleaved import interleaved_group_conv
from .shuffled import channel_shuffle, shuffled_group_conv
from .spatially_separable import spatially_separable_conv

__all__ = [
    "channel_shuffle",
    "depthwise_separable_conv",
    "flattened_conv",
    "interleaved_group_conv",
    "shuffled_group_conv",
    "spatially_separable_conv",
]
