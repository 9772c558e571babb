"""Stacked 3x3 convolutions: two see what one 5x5 sees, three what one 7x7 sees, at less cost."""

from __future__ import annotations

from typing import Any

from torch import nn

from .conv_unit import ConvUnit


class StackedBlock(nn.Sequential):
    """3x3 convolutions one after the other, each with its activation.

    Shapes: (N, C_in, H, W) to (N, C_out, H, W); one output cell sees 2 * depth + 1 cells per axis.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        depth: number of convolutions.
        options: as for `ConvUnit`.

    Raises:
        ValueError: depth is below 1.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", 2015, arXiv:1409.1556.

    >>> import torch
    >>> StackedBlock(3, 8)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 8, 9, 7])
    """

    def __init__(self, in_channels: int, out_channels: int, depth: int = 2, **options: Any) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        for index in range(depth):
            channels = in_channels if index == 0 else out_channels
            self.add_module(f"conv{index + 1}", ConvUnit(channels, out_channels, 3, **options))
