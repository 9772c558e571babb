"""Spatially separable against ordinary convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from juanji.nn import ConvUnit, SpatiallySeparableConv2d

from .accuracy import Accuracy, fewer, no_less_accurate
from .data import digits
from .nets import Unit, network, stack
from .record import Claim, Results
from .timing import DIRECTIONS, Pair, Timing, faster
from .verdict import Statement


def ordinary(kernel: int) -> Unit:
    """Return k x k."""
    return lambda in_channels, out_channels: ConvUnit(in_channels, out_channels, kernel)


def separable(kernel: int) -> Unit:
    """Return k x 1, then 1 x k."""

    def unit(in_channels: int, out_channels: int) -> nn.Module:
        return ConvUnit(in_channels, out_channels, kernel, layer=SpatiallySeparableConv2d)

    return unit


ACCURACY = Accuracy(
    "spatial",
    digits,
    {
        f"{kernel}x{kernel}{name}": network(unit(kernel), 16)
        for kernel in (3, 5)
        for name, unit in (("", ordinary), (" separable", separable))
    },
)
WORK = {kernel: f"{kernel}x{kernel}, 64 channels, 28²" for kernel in (3, 5)}
TIME = Timing(
    "spatial-time",
    {
        name: Pair(stack(ordinary(kernel), 64), stack(separable(kernel), 64), (4, 64, 28, 28))
        for kernel, name in WORK.items()
    },
)


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Fewer multiplications; what this is worth, and what it costs."""
    found, times = results[ACCURACY.name], results[TIME.name]
    made = []
    for kernel, work in WORK.items():
        name = f"{kernel}x{kernel}"
        a, b = f"{name} separable", name
        made += [
            fewer(f"{name}: fewer multiplications", found, "multiply_adds", a, b, 1),
            *(
                faster(f"{name}: less time ({direction})", times, work, direction)
                for direction in DIRECTIONS
            ),
            no_less_accurate(f"{name}: no more than half a point lost", found, a, b),
        ]
    return made


CLAIM = Claim(
    name="spatial",
    question="Does a convolution that is separable in space save work, and at what price?",
    article="000, spatially separable; 004, section 4",
    says="A 3x3 as 3x1 and 1x3 needs fewer multiplications: 2/m + 2/(m(N - 2)) of them for m = 3. "
    "Neither article says what it costs.",
    setting="Two stages of two units, 16 and 32 channels, kernels of 3x3 and 5x5.",
    studies=[ACCURACY, TIME],
    statements=statements,
)
