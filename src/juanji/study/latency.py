"""Latency of a variant against the unswapped network, both at their best, in interleaved pairs.

A machine changes its speed from second to second. So the two networks take turns, A B B A, on the
same fresh input; each turn gives one ratio, in which a steady drift cancels, and the result is the
median ratio with an interval from the bootstrap. A fixed matrix product before and after says
whether the machine itself kept its speed. Where it did not, or the interval is wide because others
use the machine, the block is measured again.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from .layout import lay_out, layouts

SECONDS = 1.0  # at least this long per block
FEWEST, MOST = 5, 100  # pairs per block
DRIFT = 0.05  # the machine's change of speed, and
WIDTH = 0.2  # the relative width of the interval, above which a block counts as unsteady
TRIES = 3  # blocks until the narrowest is taken as it is


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds per call on `batch` images; `ratios` are unswapped / variant, one for each pair."""

    batch: int
    unswapped_seconds: float
    variant_seconds: float
    ratios: tuple[float, ...]
    unswapped_layout: str
    variant_layout: str
    drift: float  # of the machine, during the block
    steady: bool


def measure(
    unswapped: nn.Module, variant: nn.Module, image_shape: Sequence[int], batch: int
) -> Latency:
    """Measure two networks in evaluation mode on `batch` random images of shape (C, *spatial).

    Each runs in the memory layout, contiguous or channels-last, that suits it better.
    """

    def images() -> torch.Tensor:
        return torch.randn(batch, *image_shape)

    with torch.inference_mode():
        a_layout, run_a = at_its_best(unswapped, images)
        b_layout, run_b = at_its_best(variant, images)
        blocks: list[Latency] = []
        while len(blocks) < TRIES and not (blocks and blocks[-1].steady):
            before = machine_seconds()
            a, b = alternate(run_a, run_b, images)
            drift = machine_seconds() / before - 1
            ratios = tuple(x / y for x, y in zip(a, b, strict=True))
            blocks.append(
                Latency(
                    batch=batch,
                    unswapped_seconds=statistics.median(a),
                    variant_seconds=statistics.median(b),
                    ratios=ratios,
                    unswapped_layout=a_layout,
                    variant_layout=b_layout,
                    drift=drift,
                    steady=abs(drift) <= DRIFT and width(ratios) <= WIDTH,
                )
            )
    return min(blocks, key=lambda block: (not block.steady, width(block.ratios)))


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of ratios and its 95 % interval, by the bootstrap with a fixed seed.

    >>> interval([2.0, 2.0, 2.0])
    (2.0, 2.0, 2.0)
    """
    values = np.asarray(ratios)
    draws = np.random.default_rng(0).integers(len(values), size=(1000, len(values)))
    low, high = np.quantile(np.median(values[draws], axis=1), [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def width(ratios: Sequence[float]) -> float:
    """Return the width of the interval relative to the median."""
    median, low, high = interval(ratios)
    return (high - low) / median


T = TypeVar("T")
Call = Callable[[torch.Tensor], float]  # images -> seconds


def at_its_best(net: nn.Module, images: Callable[[], torch.Tensor]) -> tuple[str, Call]:
    """Return the layout in which a copy of a network is fastest, and how to time it there."""
    return fastest(
        {name: timed(net, layout) for name, layout in layouts(images().ndim).items()}, images
    )


def fastest(calls: Mapping[str, Call], images: Callable[[], torch.Tensor]) -> tuple[str, Call]:
    """Return the name of the fastest call, and the call."""
    for call in calls.values():  # warm-up
        call(images())
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(3 if len(calls) > 1 else 0):
        for name, call in calls.items():
            seconds[name].append(call(images()))
    best = min(calls, key=lambda name: statistics.median(seconds[name] or [0]))
    return best, calls[best]


def timed(net: nn.Module, layout: torch.memory_format) -> Call:
    """Return a function that times a copy of a network, its weights and inputs laid out so."""
    net = copy.deepcopy(net).eval()
    lay_out(net, layout)

    def call(images: torch.Tensor) -> float:
        images = images.contiguous(memory_format=layout)
        start = time.perf_counter()
        net(images)
        return time.perf_counter() - start

    return call


def alternate(
    run_a: Callable[[T], float],
    run_b: Callable[[T], float],
    inputs: Callable[[], T],
    seconds: float | None = None,
) -> tuple[list[float], list[float]]:
    """Time A B B A for `seconds`, or SECONDS; return the mean seconds of A and of B per turn."""
    least = SECONDS if seconds is None else seconds
    a: list[float] = []
    b: list[float] = []
    for warm_up in (run_a, run_b):
        warm_up(inputs())
    start = time.perf_counter()
    while len(a) < FEWEST or (len(a) < MOST and time.perf_counter() - start < least):
        input = inputs()
        first, second, third, fourth = run_a(input), run_b(input), run_b(input), run_a(input)
        a.append((first + fourth) / 2)
        b.append((second + third) / 2)
    return a, b


def machine_seconds() -> float:
    """Return how long the machine takes for a fixed matrix product, as the median of several."""
    x = torch.ones(384, 384)
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        x @ x
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
