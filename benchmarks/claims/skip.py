"""Skip connections with learned weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from juanji.nn import BasicBlock, StackedBlock, WeightedResidualBlock

from .accuracy import Accuracy, more_accurate, no_less_accurate
from .data import digits
from .nets import network
from .record import Claim, Results
from .verdict import Statement

DEPTH = 5


UNITS = {"no skip": StackedBlock, "skip": BasicBlock, "weighted skip": WeightedResidualBlock}
ACCURACY = Accuracy(
    "skip", digits, {name: network(unit, 16, depth=DEPTH) for name, unit in UNITS.items()}
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """What the skip gives, and what its weights add."""
    found = results[ACCURACY.name]
    return [
        more_accurate("skip connections make it better", found, "skip", "no skip"),
        more_accurate("learned weights make it better still", found, "weighted skip", "skip"),
        no_less_accurate(
            "learned weights cost no more than half a point",
            found, "weighted skip", "skip"),
    ]  # fmt: skip


CLAIM = Claim(
    name="skip",
    question="Should skip connections have learned weights?",
    article="003, section 5 and its end",
    says="Deep plain networks get worse; skip connections let the gradient through and make depth "
    "pay. The open idea: channels are weighted (squeeze and excitation), so why not the "
    "connections across layers.",
    setting=f"Two stages of {DEPTH} blocks of two 3x3, 16 and 32 channels: {4 * DEPTH} "
    "convolutions. A weighted block has two learned numbers, for branch and skip, which "
    "begin at one.",
    studies=[ACCURACY],
    statements=statements,
)
