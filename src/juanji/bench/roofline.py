"""The roofline picture as plain data in pixels, which the page's template draws.

Across, arithmetic intensity in FLOP per byte moved; up, GF/s; both logarithmic. Under the roof
min(arithmetic, intensity * copy) each cell with arithmetic is a dot at our speed, joined to a ring
at that of the better peer. Above the sloping part is what caches allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .bars import Row
from .cases import OPERATORS

WIDTH, HEIGHT = 560, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 20, 14, 46  # margins


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis over whole decades, drawn from pixel `start` to `end`."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Scale:
        """Cover positive values."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), start, end)

    def __call__(self, value: float) -> float:
        """Return the pixel of a value.

        >>> Scale(0, 2, 100.0, 0.0)(10)
        50.0
        """
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return pixel and label of every decade."""
        decades = [10.0**power for power in range(self.low, self.high + 1)]
        return [(self(value), f"{value:g}") for value in decades]


def roofline(rows: Sequence[Row], direction: str, machine: dict[str, Any]) -> dict[str, Any] | None:
    """Return the picture of one direction; None where nothing with arithmetic was measured."""
    shown = [
        row
        for row in rows
        if row["status"] == "measured" and row["direction"] == direction and row["flops"]
    ]
    if not shown:
        return None
    ridge = machine["arithmetic"] / machine["copy"]
    intensities = [row["flops"] / row["traffic"] for row in shown]
    ours = [row["flops"] / row["seconds"]["ours"] / 1e9 for row in shown]
    peers = [row["flops"] / row["seconds"][row["better"]] / 1e9 for row in shown]
    top = machine["arithmetic"] / 1e9
    x = Scale.over([*intensities, ridge], LEFT, WIDTH - RIGHT)
    y = Scale.over([*ours, *peers, top], HEIGHT - BOTTOM, TOP)
    lowest = 10.0**y.low * 1e9 / machine["copy"]  # where the sloping roof leaves the picture
    foot = max(10.0**x.low, lowest)
    corners = [(foot, foot * machine["copy"] / 1e9), (ridge, top), (10.0**x.high, top)]
    return {
        "title": direction,
        "width": WIDTH,
        "height": HEIGHT,
        "frame": (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        "across": x.ticks(),
        "up": y.ticks(),
        "roof": " ".join(f"{x(a)},{y(b)}" for a, b in corners),
        "points": [
            {
                "x": x(intensity),
                "ours": y(mine),
                "peer": y(theirs),
                "series": series(row["case"]["operator"]),
                "name": f"{row['name']}: {mine:.3g} GF/s, torch {theirs:.3g} GF/s",
            }
            for row, intensity, mine, theirs in zip(shown, intensities, ours, peers, strict=True)
        ],
    }


def series(operator: str) -> int:
    """The number of an operator's colour on the page."""
    return OPERATORS.index(operator)
