"""The Inception blocks of version 3: large kernels factorized, and reductions of the grid.

All of them: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016,
arXiv:1512.00567, in the form of the authors' released network, which differs from the figures.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from .branches import Branches
from .conv_unit import ConvUnit


def pooled(in_channels: int, out_channels: int, **options: Any) -> nn.Sequential:
    """Return the branch that averages 3x3 cells, and mixes channels then."""
    return nn.Sequential(
        nn.AvgPool2d(3, stride=1, padding=1), ConvUnit(in_channels, out_channels, 1, **options)
    )


class InceptionStackedBlock(Branches):
    """1x1, 5x5, two stacked 3x3 for another 5x5, and average pooling (figure 5).

    Shapes: (N, C, H, W) to (N, one + five + stacked + pool, H, W).

    Args:
        in_channels: C.
        one: output channels of the 1x1 convolution.
        reduce5: channels that the 5x5 convolution works on.
        five: its output channels.
        reduce3: channels that the stacked 3x3 convolutions work on.
        stacked: their output channels.
        pool: output channels of the 1x1 convolution behind average pooling.
        options: as for `ConvUnit`.

    >>> import torch
    >>> InceptionStackedBlock(192, 64, 48, 64, 64, 96, 32)(torch.ones(1, 192, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce5: int,
        five: int,
        reduce3: int,
        stacked: int,
        pool: int,
        **options: Any,
    ) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)
        super().__init__(
            {
                "one": unit(in_channels, one, 1),
                "five": nn.Sequential(unit(in_channels, reduce5, 1), unit(reduce5, five, 5)),
                "stacked": nn.Sequential(
                    unit(in_channels, reduce3, 1),
                    unit(reduce3, stacked, 3),
                    unit(stacked, stacked, 3),
                ),
                "pool": pooled(in_channels, pool, **options),
            }
        )
        self.out_channels = one + five + stacked + pool


class InceptionFactorizedBlock(Branches):
    """1x1, 7x7 as 1x7 and 7x1, two such 7x7 in a row, and average pooling (figure 6).

    Shapes: (N, C, H, W) to (N, 4 * channels, H, W).

    Args:
        in_channels: C.
        channels: output channels of each of the four branches.
        inner: channels that the factorized convolutions work on.
        size: 7 of the 7x7.
        options: as for `ConvUnit`.

    >>> import torch
    >>> InceptionFactorizedBlock(768, 192, 128)(torch.ones(1, 768, 9, 7)).shape
    torch.Size([1, 768, 9, 7])
    """

    def __init__(
        self, in_channels: int, channels: int, inner: int, size: int = 7, **options: Any
    ) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)
        row, column = (1, size), (size, 1)
        super().__init__(
            {
                "one": unit(in_channels, channels, 1),
                "seven": nn.Sequential(
                    unit(in_channels, inner, 1),
                    unit(inner, inner, row),
                    unit(inner, channels, column),
                ),
                "twice": nn.Sequential(
                    unit(in_channels, inner, 1),
                    unit(inner, inner, column),
                    unit(inner, inner, row),
                    unit(inner, inner, column),
                    unit(inner, channels, row),
                ),
                "pool": pooled(in_channels, channels, **options),
            }
        )
        self.out_channels = 4 * channels


class InceptionExpandedBlock(Branches):
    """1x1, 3x3 as 1x3 and 3x1 side by side, 5x5 so too, and average pooling (figure 7).

    Shapes: (N, C, H, W) to (N, one + 4 * split + pool, H, W).

    Args:
        in_channels: C.
        one: output channels of the 1x1 convolution.
        split: output channels of each 1x3 and each 3x1, which is also what the first ones work on.
        reduce: channels that the 3x3 convolution before the second ones works on.
        pool: output channels of the 1x1 convolution behind average pooling.
        options: as for `ConvUnit`.

    >>> import torch
    >>> InceptionExpandedBlock(1280, 320, 384, 448, 192)(torch.ones(1, 1280, 3, 2)).shape
    torch.Size([1, 2048, 3, 2])
    """

    def __init__(
        self, in_channels: int, one: int, split: int, reduce: int, pool: int, **options: Any
    ) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)

        def both() -> Branches:
            return Branches(
                {"row": unit(split, split, (1, 3)), "column": unit(split, split, (3, 1))}
            )

        super().__init__(
            {
                "one": unit(in_channels, one, 1),
                "three": nn.Sequential(unit(in_channels, split, 1), both()),
                "five": nn.Sequential(unit(in_channels, reduce, 1), unit(reduce, split, 3), both()),
                "pool": pooled(in_channels, pool, **options),
            }
        )
        self.out_channels = one + 4 * split + pool


class InceptionReductionBlock(Branches):
    """Halve the grid without a bottleneck: strided convolutions beside strided pooling (figure 10).

    Shapes: (N, C, H, W) to (N, three + large + C, (H - 1) // 2, (W - 1) // 2).

    Args:
        in_channels: C.
        three: output channels of the strided 3x3 convolution.
        large: output channels of the branch with the larger window.
        reduce3: channels that the strided 3x3 convolution works on; None: on all.
        reduce: channels that the other branch begins with.
        size: 3: the other branch stacks two 3x3; 7: a 1x7, a 7x1 and a 3x3.
        options: as for `ConvUnit`.

    >>> import torch
    >>> InceptionReductionBlock(288, 384, 96, reduce=64)(torch.ones(1, 288, 9, 7)).shape
    torch.Size([1, 768, 4, 3])
    """

    def __init__(
        self,
        in_channels: int,
        three: int,
        large: int,
        *,
        reduce3: int | None = None,
        reduce: int,
        size: int = 3,
        **options: Any,
    ) -> None:
        unit: Callable[..., nn.Module] = partial(ConvUnit, **options)
        halve = partial(unit, kernel_size=3, stride=2, padding=0)
        first: OrderedDict[str, nn.Module] = OrderedDict()
        if reduce3 is not None:
            first["reduce"] = unit(in_channels, reduce3, 1)
        first["halve"] = halve(reduce3 or in_channels, three)
        if size == 3:
            middle = [unit(reduce, large, 3)]
        else:
            middle = [unit(reduce, large, (1, size)), unit(large, large, (size, 1))]
        super().__init__(
            {
                "three": nn.Sequential(first),
                "large": nn.Sequential(unit(in_channels, reduce, 1), *middle, halve(large, large)),
                "pool": nn.MaxPool2d(3, stride=2),
            }
        )
        self.out_channels = three + large + in_channels
