"""Grouped convolutions with and without a shuffle of the channels between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from juanji.nn import Conv2d, ConvUnit, ShuffledGroupConv2d

from .accuracy import Accuracy, more_accurate, no_less_accurate
from .data import digits
from .nets import Unit, dense, network
from .record import Claim, Results
from .verdict import Statement

GROUPS = (4, 8)
DEPTH = 3


def grouped(layer: type[nn.Module], groups: int) -> Unit:
    """Return a grouped 3x3 of one kind or the other."""

    def unit(in_channels: int, out_channels: int) -> nn.Module:
        return ConvUnit(in_channels, out_channels, 3, layer=layer, groups=groups)

    return unit


ACCURACY = Accuracy(
    "shuffle",
    digits,
    {"ordinary": network(dense, depth=DEPTH)}
    | {
        f"{groups} groups{name}": network(grouped(layer, groups), depth=DEPTH)
        for groups in GROUPS
        for name, layer in (("", Conv2d), (", shuffled", ShuffledGroupConv2d))
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """The shuffle helps; it does not make up for all that groups lose."""
    found = results[ACCURACY.name]
    return [
        *(
            more_accurate(
                f"{groups} groups learn better with the shuffle",
                found,
                f"{groups} groups, shuffled",
                f"{groups} groups",
            )
            for groups in GROUPS
        ),
        *(
            no_less_accurate(
                f"{groups} shuffled groups are within half a point of the ordinary network",
                found,
                f"{groups} groups, shuffled",
                "ordinary",
            )
            for groups in GROUPS
        ),
    ]


CLAIM = Claim(
    name="shuffle",
    question="Does a channel shuffle make grouped convolutions more accurate?",
    article="003, section 7; 004, section 7",
    says="Without it the groups meet only at the very end, which is bad for generalization; "
    "shuffled, each group sees something of all others and represents more.",
    setting=f"Two stages of {DEPTH} grouped 3x3, 32 and 64 channels. Weights and multiply-adds "
    "are the same with and without the shuffle.",
    studies=[ACCURACY],
    statements=statements,
)
