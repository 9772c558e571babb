"""Bottleneck, groups, shuffle and depthwise convolution in one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from juanji.nn import BasicBlock, BottleneckBlock, CombinedBlock

from .accuracy import Accuracy, fewer, more_accurate, no_less_accurate
from .data import digits
from .nets import Unit, network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement


def ordinary(in_channels: int, out_channels: int) -> nn.Module:
    """Return the residual block of two 3x3."""
    return BasicBlock(in_channels, out_channels)


def bottleneck(in_channels: int, out_channels: int) -> nn.Module:
    """Return the bottleneck."""
    return BottleneckBlock(in_channels, out_channels // 4)


def combined(**options: Any) -> Unit:
    """Return the bottleneck with more savings, all of them if nothing is left out."""
    return lambda in_channels, out_channels: CombinedBlock(
        in_channels, out_channels // 4, **options
    )


ALL = "all four"
ACCURACY = Accuracy(
    "combined",
    digits,
    {
        "two 3x3": network(ordinary),
        "bottleneck": network(bottleneck),
        ALL: network(combined()),
        "without shuffle": network(combined(shuffle=False)),
        "without groups": network(combined(groups=1, shuffle=False)),
        "without depthwise": network(combined(depthwise=False)),
    },
)
WORK = "256 channels, 14²"
TIME = Timing(
    "combined-time",
    {
        f"{WORK}, against {name}": Pair(stack(unit, 256), stack(combined(), 256), (4, 256, 14, 14))
        for name, unit in (("two 3x3", ordinary), ("bottleneck", bottleneck))
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """It is the smallest; what is lost and what is gained in time."""
    found, times = results[ACCURACY.name], results[TIME.name]
    return [
        fewer("it has fewer weights than a bottleneck", found, "weights", ALL, "bottleneck", 1),
        no_less_accurate("it is within half a point of two 3x3", found, ALL, "two 3x3"),
        no_less_accurate("it is within half a point of a bottleneck", found, ALL, "bottleneck"),
        more_accurate("its shuffle makes it better", found, ALL, "without shuffle"),
        *(
            faster(f"it takes less time than {other} ({direction})", times, name, direction)
            for name in TIME.pairs
            for other in [name.partition("against ")[2]]
            for direction in DIRECTIONS
        ),
    ]


CLAIM = Claim(
    name="combined",
    question="Is bottleneck + groups + shuffle + depthwise a block to take as the standard?",
    article="003, at its end",
    says="An open question: whether the four together become the usual way to few weights.",
    setting="Two stages of two residual blocks, 32 and 64 channels, a quarter of them inside, four "
    "groups; the same with one of the savings left out.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
