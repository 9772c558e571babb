"""Inception: windows of several sizes and pooling side by side; 1x1 convolutions keep it cheap."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from .branches import Branches
from .conv_unit import ConvUnit


class NaiveInceptionBlock(Branches):
    """1x1, 3x3, 5x5 and max pooling side by side: dear, since all see all channels.

    Shapes: (N, C, H, W) to (N, one + three + five + C, H, W).

    Args:
        in_channels: C.
        one: output channels of the 1x1 convolution.
        three: output channels of the 3x3 convolution.
        five: output channels of the 5x5 convolution.
        options: as for `ConvUnit`.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, arXiv:1409.4842, figure 2a.

    >>> import torch
    >>> NaiveInceptionBlock(16, 8, 8, 4)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 36, 9, 7])
    """

    def __init__(self, in_channels: int, one: int, three: int, five: int, **options: Any) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)
        super().__init__(
            {
                "one": unit(in_channels, one, 1),
                "three": unit(in_channels, three, 3),
                "five": unit(in_channels, five, 5),
                "pool": nn.MaxPool2d(3, stride=1, padding=1),
            }
        )
        self.out_channels = one + three + five + in_channels


class InceptionBlock(Branches):
    """The Inception block with reductions: 1x1 convolutions before 3x3 and 5x5, and after pooling.

    Shapes: (N, C, H, W) to (N, one + three + five + pool, H, W).

    Args:
        in_channels: C.
        one: output channels of the 1x1 convolution.
        reduce3: channels that the 3x3 convolution works on.
        three: its output channels.
        reduce5: channels that the 5x5 convolution works on.
        five: its output channels.
        pool: output channels of the 1x1 convolution behind max pooling.
        large: kernel size of the 5x5 convolution; the widespread weights have 3 there.
        options: as for `ConvUnit`.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, arXiv:1409.4842, figure 2b.

    >>> import torch
    >>> InceptionBlock(192, 64, 96, 128, 16, 32, 32)(torch.ones(1, 192, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce3: int,
        three: int,
        reduce5: int,
        five: int,
        pool: int,
        *,
        large: int = 5,
        **options: Any,
    ) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)
        super().__init__(
            {
                "one": unit(in_channels, one, 1),
                "three": nn.Sequential(unit(in_channels, reduce3, 1), unit(reduce3, three, 3)),
                "five": nn.Sequential(unit(in_channels, reduce5, 1), unit(reduce5, five, large)),
                "pool": nn.Sequential(
                    nn.MaxPool2d(3, stride=1, padding=1), unit(in_channels, pool, 1)
                ),
            }
        )
        self.out_channels = one + three + five + pool
