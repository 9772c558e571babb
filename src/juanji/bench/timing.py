"""Several sides of one piece of work, timed in turns: A B B A.

Each turn goes through the sides and back again, every other turn from the other end, so that a
steady drift of the machine and a cache that the first finds cold cancel. A turn gives one ratio to
ours for each peer; the result is the median ratio with an interval from the bootstrap.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..study.latency import DRIFT, interval, width
from .machine import Machine, Speed

SHORTEST = 2e-4  # seconds; where a side's call is shorter, all are repeated until it takes so long
MOST_REPEATS = 100
MOST_TURNS = 60

Calls = Sequence[Callable[[], Any]]  # one for each set of inputs


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least so many turns and seconds; tries until a block is steady."""

    turns: int = 5
    seconds: float = 0.3
    tries: int = 3
    width: float = 0.2  # of the interval relative to the median: above it a block is unsteady


@dataclass(frozen=True)
class Block:
    """The seconds of every side in each turn, and the machine before and after."""

    seconds: Mapping[str, Sequence[float]]
    speeds: tuple[Speed, Speed]
    tries: int = 1

    @property
    def drift(self) -> float:
        """By what part the machine changed its speed."""
        return self.speeds[0].drift(self.speeds[1])

    def ratios(self, peer: str) -> list[float]:
        """Return the peer's time by ours in each turn."""
        return [b / a for a, b in zip(self.seconds["ours"], self.seconds[peer], strict=True)]

    def ratio(self, peer: str) -> dict[str, float]:
        """Return the median ratio and its 95 % interval."""
        median, low, high = interval(self.ratios(peer))
        return {"ratio": median, "low": low, "high": high}

    def median(self, side: str) -> float:
        """Return the seconds of a call."""
        return statistics.median(self.seconds[side])

    def better(self) -> str:
        """Return which of torch's two ways was the faster."""
        ways = [side for side in ("as given", "channels last") if side in self.seconds]
        return min(ways, key=self.median)

    @property
    def width(self) -> float:
        """The relative width of the interval of the ratio that counts."""
        return width(self.ratios(self.better()))


def measure(sides: Mapping[str, Calls], machine: Machine, effort: Effort) -> tuple[Block, bool]:
    """Measure until a block is steady, or take the best of a few; say whether it was steady."""
    repeats = warm_up(sides)
    blocks: list[Block] = []
    before = machine.probe()
    while True:
        seconds = alternate(sides, repeats, effort)
        after = machine.probe()
        block = Block(seconds, (before, after), tries=len(blocks) + 1)
        blocks.append(block)
        before = after
        if block.drift <= DRIFT and block.width <= effort.width:
            return block, True
        if len(blocks) == effort.tries:
            best = min(blocks, key=lambda one: (one.drift > DRIFT, one.width))
            return Block(best.seconds, best.speeds, effort.tries), False


def warm_up(sides: Mapping[str, Calls]) -> int:
    """Call every side on every set; return how often to repeat a call to get a time worth reading.

    The same for all sides: a repeated call finds its data in a cache.
    """
    shortest = min(timed(call, 1) for calls in sides.values() for call in [*calls, calls[0]])
    return min(MOST_REPEATS, max(1, math.ceil(SHORTEST / shortest)))


def alternate(sides: Mapping[str, Calls], repeats: int, effort: Effort) -> dict[str, list[float]]:
    """Take turns; return the mean seconds of a call of each side in each turn."""
    result: dict[str, list[float]] = {name: [] for name in sides}
    start = time.perf_counter()
    turn = 0
    while turn < effort.turns or (
        turn < MOST_TURNS and time.perf_counter() - start < effort.seconds
    ):
        order = list(sides)[:: 1 if turn % 2 == 0 else -1]
        taken = dict.fromkeys(order, 0.0)
        for name in (*order, *reversed(order)):
            calls = sides[name]
            taken[name] += timed(calls[turn // 2 % len(calls)], repeats) / 2
        for name, value in taken.items():
            result[name].append(value)
        turn += 1
    return result


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Return the mean seconds of some calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
