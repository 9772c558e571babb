"""Grouped convolution: does it save time on one device?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

import juanji

from .accuracy import mean_deviation
from .record import Claim, Result, Results
from .timing import DIRECTIONS, Pair, Timing
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


class Grouping(Timing):
    """Timings whose table has a column for each number of groups."""

    def table(self, results: Results) -> list[list[str]]:
        """Return a row for each layer, size and direction."""
        rows = [["layer", "direction", *(f"{groups} groups" for groups in GROUPS)]]
        for kernels in KERNELS:
            for channels, extent in SIZES.items():
                for direction in DIRECTIONS:
                    layer = f"{kernels}: {channels} channels, {extent}²"
                    cells = [
                        results.get(f"{name(kernels, channels, groups)}, {direction}")
                        for groups in GROUPS
                    ]
                    rows.append([layer, direction, *map(shown, cells)])
        return rows


def shown(found: Result | None) -> str:
    """Write a ratio, its deviation, and what part of the promise it is."""
    if found is None:
        return "not measured"
    mean, deviation = mean_deviation([block["ratio"] for block in found["blocks"]])
    unsteady = "" if all(block["steady"] for block in found["blocks"]) else "~"
    return f"{unsteady}{mean:.2f} ± {deviation:.2f} x ({mean / found['promised']:.0%})"


TIME = Grouping(
    "grouping-time",
    {
        name(kernels, channels, groups): pair(kernels, channels, groups)
        for kernels in KERNELS
        for channels in SIZES
        for groups in GROUPS
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Time is saved at all, and as much as promised: the worst of all sizes counts."""
    found = results[TIME.name]

    def worst(kernels: str, direction: str, numbers: Sequence[int], of: int) -> list[float]:
        """Return the smallest ratio in each repeat; of = 1: divided by what was promised."""
        cells = [
            found.get(f"{name(kernels, channels, groups)}, {direction}")
            for channels in SIZES
            for groups in numbers
        ]
        if None in cells:
            return []
        ratios = [
            [block["ratio"] / cell["promised"] ** of for block in cell["blocks"]]
            for cell in cells
            if cell
        ]
        return [min(turn) for turn in zip(*ratios, strict=True)]

    return [
        Statement(f"{kernels}, {direction}: {text}", worst(kernels, direction, groups, of), limit)
        for text, groups, of, limit in (
            ("less time, at any size and number of groups", GROUPS, 0, 1),
            ("two groups keep nine tenths of the promise", (2,), 1, 0.9),
            ("eight groups and more keep half of it", (8, 16, 32), 1, 0.5),
        )
        for kernels in KERNELS
        for direction in DIRECTIONS
    ]


CLAIM = Claim(
    name="grouping",
    question="Does grouping save time on one device?",
    article="003, section 1",
    says="On several devices each has 1/groups of the work. The article asks whether on a single "
    "one the work stays as it was; a reader answers that weights, at least, fall to 1/groups.",
    setting="One 3x3 convolution on four images, ordinary against grouped; torch's own layers, and "
    "juanji's, which have kernels for few channels per group. The table has how many times faster "
    "the grouped one is, and what part of the promise, the number of groups, that is.",
    studies=[TIME],
    statements=statements,
)
