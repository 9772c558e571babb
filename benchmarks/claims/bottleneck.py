"""The bottleneck against the ordinary convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from juanji.nn import ConvUnit

from .accuracy import Accuracy, fewer, more_accurate, no_less_accurate
from .data import digits
from .nets import dense, network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement


def bottleneck(in_channels: int, out_channels: int) -> nn.Module:
    """Return 1x1 to a quarter of the channels, 3x3, 1x1 back."""
    inner = out_channels // 4
    return nn.Sequential(
        ConvUnit(in_channels, inner, 1),
        ConvUnit(inner, inner, 3),
        ConvUnit(inner, out_channels, 1),
    )


ACCURACY = Accuracy(
    "bottleneck", digits, {"ordinary": network(dense), "bottleneck": network(bottleneck)}
)
WORK = "256 channels, 14²"
TIME = Timing(
    "bottleneck-time", {WORK: Pair(stack(dense, 256), stack(bottleneck, 256), (4, 256, 14, 14))}
)
COUNT = {"ordinary": 256 * 3 * 3 * 256, "bottleneck": 256 * 64 + 64 * 3 * 3 * 64 + 64 * 256}


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """A ninth of the weights, and at least as good."""
    found, times = results[ACCURACY.name], results[TIME.name]
    ratio = COUNT["ordinary"] / COUNT["bottleneck"]
    return [
        Statement(
            "256 -> 64 -> 64 -> 256 has a ninth of the weights or less",
            [ratio],
            8.999,
            1,
            " x",
            exact=True,
        ),
        fewer(
            "in the trained network weights fall too", found, "weights", "bottleneck", "ordinary", 1
        ),
        more_accurate(
            "it learns better, its channels being more in sum", found, "bottleneck", "ordinary"
        ),
        no_less_accurate(
            "it costs no more than half a point of accuracy", found, "bottleneck", "ordinary"
        ),
        *(
            faster(f"it takes less time ({direction})", times, WORK, direction)
            for direction in DIRECTIONS
        ),
    ]


CLAIM = Claim(
    name="bottleneck",
    question="Is a bottleneck as good as the ordinary convolution, for a ninth of the weights?",
    article="003, section 4 and its comments",
    says="256 -> 256 by a 3x3 needs 589,824 weights, through 64 channels 69,632: said to be a "
    "ninth. Asked whether it does not cost accuracy, the author answers that 64 + 64 + 256 "
    "channels represent more than 256.",
    setting="Two stages of two units, 32 and 64 channels; the timing at the article's 256.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
