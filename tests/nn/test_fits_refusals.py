"""What from_conv cannot fit says why: a conversion plan shows the message as its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from juanji import nn as V

REASONS: dict[str, Callable[[], Any]] = {
    "kernel of one cell has nothing to separate": (
        lambda: V.DepthwiseSeparableConv2d.from_conv(nn.Conv2d(4, 8, 1))
    ),
    "conv must have groups=1, got groups=2": (
        lambda: V.DepthwiseSeparableConv2d.from_conv(nn.Conv2d(4, 8, 3, groups=2))
    ),
    "conv must have groups=1, got groups=4": (
        lambda: V.ShuffledGroupConv2d.from_conv(nn.Conv2d(4, 8, 3, groups=4), groups=2)
    ),
    "kernel of 1 x 3 has nothing to separate: fewer than two": (
        lambda: V.SpatiallySeparableConv2d.from_conv(nn.Conv2d(4, 8, (1, 3)))
    ),
    "kernel of 3 has nothing to separate": (
        lambda: V.SpatiallySeparableConv1d.from_conv(nn.Conv1d(4, 8, 3))
    ),
    "rank must be at least 1 and a multiple of groups, got 3": (
        lambda: V.SpatiallySeparableConv2d.from_conv(nn.Conv2d(4, 8, 3, groups=2), rank=3)
    ),
    "kernel of one cell has nothing to flatten": (
        lambda: V.FlattenedConv2d.from_conv(nn.Conv2d(4, 8, 1))
    ),
    "groups must divide in_channels: 4 % 8": (
        lambda: V.ShuffledGroupConv2d.from_conv(nn.Conv2d(4, 8, 3), groups=8)
    ),
    "primary_groups must be at least 1 and divide in_channels, got 3": (
        lambda: V.InterleavedGroupConv2d.from_conv(nn.Conv2d(4, 8, 3), primary_groups=3)
    ),
    "leave 8 of 8 channels to blocks of rank 4": (
        lambda: V.InterleavedGroupConv2d.from_conv(
            nn.Conv2d(4, 8, 1), primary_groups=1, secondary_groups=1
        )
    ),
    "out_channels must be a multiple of in_channels": (
        lambda: V.DepthwiseConv2d.from_conv(nn.Conv2d(4, 6, 3))
    ),
    "groups must be in_channels, 4, got 2": (
        lambda: V.DepthwiseConv2d.from_conv(nn.Conv2d(4, 8, 3), groups=2)
    ),
    "kernel_size must be an int or have one value per axis": (
        lambda: V.DepthwiseSeparableConv2d.from_conv(nn.Conv1d(4, 8, 3))
    ),
    "order must name each of the axes 0 to 1": (
        lambda: V.SpatiallySeparableConv2d.from_conv(nn.Conv2d(4, 8, 3), order=(1, 1))
    ),
    "padding_mode \"zeros\", got 'reflect'": (
        lambda: V.FlattenedConv2d.from_conv(nn.Conv2d(4, 8, 3, padding_mode="reflect"))
    ),
    "must hold numbers to start from.*on device meta": (
        lambda: V.FlattenedConv2d.from_conv(nn.Conv2d(4, 8, 3, device="meta"))
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_be_fitted_says_why(reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        REASONS[reason]()


@pytest.mark.parametrize(
    "module", [nn.Linear(3, 3), nn.ConvTranspose2d(4, 8, 3), V.FlattenedConv2d(4, 8, 3)]
)
def test_what_is_no_convolution_is_refused(module: nn.Module) -> None:
    for name in ("DepthwiseConv2d", "DepthwiseSeparableConv2d", "FlattenedConv2d"):
        with pytest.raises(TypeError, match="must be a convolution"):
            getattr(V, name).from_conv(module)
