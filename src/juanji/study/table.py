"""Rows -> the table: one entry for each variant, and which of them no other one beats."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from .latency import interval
from .settings import Settings
from .store import Row

Entry = dict[str, Any]


def table(rows: Iterable[Row], settings: Settings) -> list[Entry]:
    """Return one entry for each variant, the unswapped network first, as plain data.

    - `accuracy`, `accuracy_deviation`: mean and standard deviation (n - 1) over the repeats;
    - `promised`: the unswapped network's dense multiply-adds over the variant's;
    - `latency`, for batch 1 and the training batch: `speed_up`, the median measured ratio over all
      pairs of all repeats, with its 95 % interval `low` to `high`; `milliseconds`, the unswapped
      network's median over the whole run divided by `speed_up`, so that the machine's drift between
      rows cancels; `steady`, whether the machine kept its speed;
    - `pareto`: of "multiply_adds", "latency_1", ..., those in which no variant that costs no more
      is as accurate.
    """
    rows = list(rows)
    entries = [entry(variant, rows, settings) for variant in settings.variants]
    base = entries[0]["multiply_adds"]
    for one in entries:
        own = one["multiply_adds"]
        one["promised"] = base / own if base and own else None
    for axis in axes(settings):
        points = [(cost(one, axis), one["accuracy"]) for one in entries]
        for index in front(points):
            entries[index]["pareto"].append(axis)
    return entries


def axes(settings: Settings) -> list[str]:
    """Return the costs that accuracy is set against."""
    sizes = dict.fromkeys((1, settings.batch))
    return ["multiply_adds", *(f"latency_{size}" for size in sizes)]


def cost(one: Entry, axis: str) -> float | None:
    """Return what a variant costs: multiply-adds, or milliseconds at a batch size."""
    if axis == "multiply_adds":
        value: float | None = one["multiply_adds"]
    else:
        value = one["latency"].get(axis.removeprefix("latency_"), {}).get("milliseconds")
    return value


def entry(variant: str, rows: list[Row], settings: Settings) -> Entry:
    """Sum up the rows of one variant."""
    own = sorted((row for row in rows if row["variant"] == variant), key=lambda row: row["repeat"])
    finished = [row for row in own if row["status"] == "finished"]
    failed = [row for row in own if row["status"] == "failed"]
    accuracies = [row["accuracy"] for row in finished]
    known: dict[str, Any] = next((row["figures"] for row in own if "figures" in row), {})
    sizes = dict.fromkeys((1, settings.batch))
    return {
        "variant": variant,
        "status": "finished" if not failed else "partly failed" if finished else "failed",
        "reason": f"while {failed[0]['stage']}: {failed[0]['reason']}" if failed else None,
        "repeats": len(finished),
        "accuracy": statistics.fmean(accuracies) if accuracies else None,
        "accuracy_deviation": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "weights": known.get("weights"),
        "multiply_adds": known.get("multiply_adds"),
        "multiply_adds_touched": known.get("multiply_adds_touched"),
        "memory_peak": known.get("memory_peak"),
        "memory_sum": known.get("memory_sum"),
        "view": known.get("view"),
        "whole": known.get("whole"),
        "uncounted": known.get("uncounted", []),
        "promised": None,
        "latency": {
            str(size): figure for size in sizes if (figure := latency(size, finished, rows))
        },
        "pareto": [],
    }


def latency(size: int, own: list[Row], rows: list[Row]) -> dict[str, Any] | None:
    """Pool a variant's measurements at one batch size."""
    mine = [one for row in own for one in row["latency"] if one["batch"] == size]
    if not mine:
        return None
    every = [one for row in rows for one in row.get("latency", []) if one["batch"] == size]
    speed_up, low, high = interval([ratio for one in mine for ratio in one["ratios"]])
    unswapped = statistics.median(one["unswapped_seconds"] for one in every)
    return {
        "milliseconds": 1000 * unswapped / speed_up,
        "speed_up": speed_up,
        "low": low,
        "high": high,
        "steady": all(one["steady"] for one in mine),
        "layout": mine[0]["variant_layout"],
        "pairs": sum(len(one["ratios"]) for one in mine),
    }


def front(points: Sequence[tuple[float | None, float | None]]) -> list[int]:
    """Return the indices of the points (cost, accuracy) that no other one beats.

    >>> front([(4, 0.9), (2, 0.9), (1, 0.5), (3, 0.8), (None, 1.0)])
    [1, 2]
    """
    known = [
        (index, cost, accuracy)
        for index, (cost, accuracy) in enumerate(points)
        if cost is not None and accuracy is not None
    ]
    return [
        index
        for index, cost, accuracy in known
        if not any(
            (c <= cost and a >= accuracy) and (c < cost or a > accuracy) for _, c, a in known
        )
    ]
