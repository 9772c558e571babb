"""The building blocks of the papers' networks, one idea a file.

A block takes `in_channels`, `out_channels` (or `channels`), then its stride and what is its own.
"""

from __future__ import annotations

from .conv_unit import ConvUnit
from .residual import BasicBlock, BottleneckBlock, ResidualBlock
from .resnext import ResNeXtBlock

__all__ = ["BasicBlock", "BottleneckBlock", "ConvUnit", "ResNeXtBlock", "ResidualBlock"]
