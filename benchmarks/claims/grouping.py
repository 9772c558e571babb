"""Grouped convolution: does it save time on one device?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

import juanji

from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement

GROUPS = (2, 4, 8, 16, 32)
SIZES = {64: 56, 128: 28, 256: 14}  # channels: extent
KERNELS = {"torch": nn.Conv2d, "juanji": juanji.nn.Conv2d}


def pair(kernels: str, channels: int, groups: int) -> Pair:
    """Return an ordinary and a grouped 3x3 convolution, on four images."""

    def layer(groups: int) -> nn.Module:
        conv: nn.Module = KERNELS[kernels](channels, channels, 3, padding=1, groups=groups)
        return conv

    extent = SIZES[channels]
    return Pair(lambda: layer(1), lambda: layer(groups), (4, channels, extent, extent))


def name(kernels: str, channels: int, groups: int) -> str:
    """Return what a pair is called."""
    return f"{kernels}: {channels} channels, {SIZES[channels]}², {groups} groups"


TIME = Timing(
    "grouping-time",
    {
        name(kernels, channels, groups): pair(kernels, channels, groups)
        for kernels in KERNELS
        for channels in SIZES
        for groups in GROUPS
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Time is saved at all; and as much as the count promises. The size in the middle decides."""
    found = results[TIME.name]
    made = []
    for kernels in KERNELS:
        for groups in (2, 8, 32):
            for direction in DIRECTIONS:
                where = f"({kernels}'s layers, {direction})"
                work = name(kernels, 128, groups)
                made += [
                    faster(f"{groups} groups take less time {where}", found, work, direction),
                    faster(
                        f"and 1/{groups} of it, to within a tenth {where}",
                        found, work, direction, 0.9 * groups,
                    ),
                ]  # fmt: skip
    return made


CLAIM = Claim(
    name="grouping",
    question="Does grouping save time on one device?",
    article="003, section 1",
    says="On several devices each has 1/groups of the work. The article asks whether on a single "
    "one the work stays as it was; a reader answers that weights, at least, fall to 1/groups.",
    setting="One 3x3 convolution on four images, ordinary against grouped; torch's own layers, and "
    "juanji's, which have kernels for few channels per group.",
    studies=[TIME],
    statements=statements,
)
