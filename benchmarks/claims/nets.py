"""The small networks that the claims are tried on: one frame, with one kind of unit or other."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from juanji.nn import ConvUnit

Unit = Callable[[int, int], nn.Module]  # channels in and out; keeps the size
Build = Callable[[int, int], nn.Module]  # channels of the images, classes
CHANNELS = 32


def network(
    unit: Unit,
    channels: int = CHANNELS,
    depth: int = 2,
    pool: Callable[[], nn.Module] = lambda: nn.MaxPool2d(2),
) -> Build:
    """Return what builds a network of units: an ordinary 3x3, two stages, a classifier.

    A pooling stands before each stage; the second has twice the channels.
    """

    def build(in_channels: int, classes: int) -> nn.Module:
        stages = [pool(), *units(unit, channels, channels, depth)]
        stages += [pool(), *units(unit, channels, 2 * channels, depth)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * channels, classes)]
        return nn.Sequential(ConvUnit(in_channels, channels, 3), *stages, *head)

    return build


def units(unit: Unit, in_channels: int, channels: int, depth: int) -> list[nn.Module]:
    """Return units in a row, the first of which changes the channels."""
    return [unit(in_channels if index == 0 else channels, channels) for index in range(depth)]


def stack(unit: Unit, channels: int, depth: int = 3) -> Callable[[], nn.Module]:
    """Return what builds units in a row without a network around them: what is timed."""
    return lambda: nn.Sequential(*units(unit, channels, channels, depth))


def dense(in_channels: int, out_channels: int) -> nn.Module:
    """Return an ordinary 3x3 convolution with normalization and ReLU."""
    return ConvUnit(in_channels, out_channels, 3)
