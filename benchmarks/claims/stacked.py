"""Two 3x3 convolutions in place of one 5x5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from juanji.nn import ConvUnit, StackedBlock

from .accuracy import Accuracy, fewer, more_accurate
from .data import digits
from .nets import network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement


def large(in_channels: int, out_channels: int) -> nn.Module:
    """Return one 5x5."""
    return ConvUnit(in_channels, out_channels, 5)


ACCURACY = Accuracy(
    "stacked", digits, {"5x5": network(large, 16), "two 3x3": network(StackedBlock, 16)}
)
WORK = "64 channels, 28²"
TIME = Timing(
    "stacked-time", {WORK: Pair(stack(large, 64), stack(StackedBlock, 64), (4, 64, 28, 28))}
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Better, smaller, and the article's complaint that large kernels are slow."""
    found, times = results[ACCURACY.name], results[TIME.name]
    return [
        more_accurate("two 3x3 learn better than a 5x5", found, "two 3x3", "5x5"),
        fewer("they have fewer weights", found, "weights", "two 3x3", "5x5", 1),
        *(
            faster(f"they take less time ({direction})", times, WORK, direction)
            for direction in DIRECTIONS
        ),
    ]


CLAIM = Claim(
    name="stacked",
    question="Are two 3x3 convolutions better than one 5x5?",
    article="003, section 2",
    says="Two 3x3 work better than one 5x5 of the same view, with fewer weights "
    "(3·3·2 + 1 against 5·5 + 1 for one channel); large kernels make the computation explode.",
    setting="Two stages of two units, 16 and 32 channels; each convolution with normalization and "
    "ReLU, so that the pair has one nonlinearity more, as in the papers.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
