"""Octave convolution at equal accuracy with half the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

import juanji

from .accuracy import Accuracy, fewer, more_accurate, no_less_accurate
from .data import digits
from .nets import CHANNELS, Build, dense, network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement

ALPHAS = (0.125, 0.5)
DEPTH = 3


def converted(alpha: float) -> Build:
    """Return what builds the network of octave convolutions."""

    def build(in_channels: int, classes: int) -> nn.Module:
        net = network(dense, depth=DEPTH)(in_channels, classes)
        return juanji.convert(net, juanji.swaps.Octave(alpha), torch.zeros(2, in_channels, 28, 28))

    return build


def converted_stack(alpha: float) -> Callable[[], nn.Module]:
    """Return what builds three octave units, all inside: the first makes the pair."""
    return lambda: juanji.convert(
        stack(dense, 128)(), juanji.swaps.Octave(alpha), torch.zeros(2, 128, 28, 28), where="*"
    )


ACCURACY = Accuracy(
    "octave",
    digits,
    {"ordinary": network(dense, depth=DEPTH)}
    | {f"alpha {alpha}": converted(alpha) for alpha in ALPHAS},
)
WORK = {alpha: f"alpha {alpha}, 128 channels, 28²" for alpha in ALPHAS}
TIME = Timing(
    "octave-time",
    {
        name: Pair(stack(dense, 128), converted_stack(alpha), (4, 128, 28, 28))
        for alpha, name in WORK.items()
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """The two offers of the article, and the time."""
    found, times = results[ACCURACY.name], results[TIME.name]
    return [
        fewer(
            "alpha 1/2: at most half of the multiply-adds",
            found, "multiply_adds", "alpha 0.5", "ordinary", 1.999,
        ),
        no_less_accurate(
            "alpha 1/2: no more than half a point of accuracy lost",
            found, "alpha 0.5", "ordinary"),
        fewer(
            "alpha 1/8: at most 82 % of the multiply-adds",
            found, "multiply_adds", "alpha 0.125", "ordinary", 1 / 0.8201,
        ),
        more_accurate("alpha 1/8: more accurate", found, "alpha 0.125", "ordinary"),
        *(
            faster(f"alpha 1/2: less time ({direction})", times, WORK[0.5], direction)
            for direction in DIRECTIONS
        ),
    ]  # fmt: skip


CLAIM = Claim(
    name="octave",
    question="Does octave convolution keep the accuracy with half of the arithmetic?",
    article="000 and 002",
    says="In place of ordinary convolution it gains 1.2 points on ImageNet with 82 % of the "
    "arithmetic, or keeps the accuracy with half of it.",
    setting=f"Two stages of three 3x3 units, {CHANNELS} and {2 * CHANNELS} channels, converted by "
    "`juanji.convert`, which leaves the first convolution and the ends of the network as they are.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
