"""Depthwise separable against ordinary convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from juanji.nn import ConvUnit, DepthwiseSeparableConv2d

from .accuracy import Accuracy, fewer, more_accurate, no_less_accurate
from .data import digits
from .nets import dense, network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement


def separable(in_channels: int, out_channels: int) -> nn.Module:
    """Return a 3x3 for each channel, then 1x1."""
    return ConvUnit(in_channels, out_channels, 3, layer=DepthwiseSeparableConv2d)


ACCURACY = Accuracy(
    "depthwise", digits, {"ordinary": network(dense), "depthwise separable": network(separable)}
)
WORK = "128 channels, 28²"
TIME = Timing(
    "depthwise-time", {WORK: Pair(stack(dense, 128), stack(separable, 128), (4, 128, 28, 28))}
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Fewer weights, better results."""
    found, times = results[ACCURACY.name], results[TIME.name]
    a, b = "depthwise separable", "ordinary"
    return [
        fewer("weights fall to less than a fifth", found, "weights", a, b, 5),
        more_accurate("it classifies better", found, a, b),
        no_less_accurate("it costs no more than half a point of accuracy", found, a, b),
        *(
            faster(f"it takes less time ({direction})", times, WORK, direction)
            for direction in DIRECTIONS
        ),
    ]


CLAIM = Claim(
    name="depthwise",
    question="Are depthwise separable convolutions both smaller and better?",
    article="003, section 6; 004, section 4",
    says="A convolution for each channel and then a 1x1 needs a fraction of the weights (3 -> 256 "
    "channels: 795 in place of 6,912), and the networks built of it classify better.",
    setting="Two stages of two units, 32 and 64 channels. The article compares whole networks of "
    "the same size; here one layer takes another's place at the same channels.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
