"""The benchmark's figures as people read them, in the terminal and on the page."""

from __future__ import annotations

from typing import Any

from ..study import units
from .bars import Row

COLUMNS = (
    "operator", "case", "direction", "layout", "size",
    "time", "rate", "of limit", "as given", "better layout", "workspace",
)  # fmt: skip
BAR_COLUMNS = ("work", "", "worst", "at least", "against", "cells", "worst cell")


def names(row: Row) -> tuple[str, ...]:
    """Return what tells a row from others: the first five columns."""
    case = row["case"]
    return case["operator"], case["label"], row["direction"], row["layout"], case["size"]


def values(row: Row) -> tuple[str, ...]:
    """Return the other columns of a row with figures."""
    seconds, ratios, limit = row["seconds"]["ours"], row["ratios"], row["limit"]
    return (
        duration(seconds),
        rate(row),
        f"{percent(limit['part'])} {limit['bound']}",
        ratio(ratios["as given"], row["steady"]),
        ratio(ratios["better layout"], row["steady"]),
        units.memory(row["workspace"]),
    )


def percent(part: float | None) -> str:
    """A part of the machine's limit.

    >>> percent(0.704), percent(None)
    ('70 %', '–')
    """
    return units.MISSING if part is None else f"{100 * part:.0f} %"


def duration(seconds: float) -> str:
    """A time.

    >>> duration(0.0123)
    '12.3 ms'
    """
    return units.milliseconds(1000 * seconds)


def rate(row: Row) -> str:
    """Arithmetic per second, or bytes where there is less arithmetic than traffic."""
    seconds = row["seconds"]["ours"]
    if row["flops"] < row["traffic"]:
        return f"{row['traffic'] / seconds / 1e9:.1f} GB/s"
    return f"{row['flops'] / seconds / 1e9:.1f} GF/s"


def ratio(figure: dict[str, float], steady: bool = True) -> str:
    """A ratio with its interval; ~ says that the machine was not steady.

    >>> ratio({"ratio": 2.0, "low": 1.9, "high": 2.25}, steady=False)
    '~2.00× [1.90, 2.25]'
    """
    text = f"{units.ratio(figure['ratio'])} [{figure['low']:.2f}, {figure['high']:.2f}]"
    return text if steady else f"~{text}"


def bar(verdict: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns of a bar."""
    is_part = verdict["against"] == "limit"

    def scaled(value: float | None) -> str:
        return percent(value) if is_part else units.ratio(value)

    beyond = f", {verdict['cells beyond']} beyond the limit" if verdict["cells beyond"] else ""
    outcome = {True: "met", False: "missed", None: "not measured"}[verdict["met"]]
    return (
        verdict["work"],
        outcome,
        scaled(verdict["worst"]),
        scaled(verdict["least"]),
        "the machine's limit" if is_part else verdict["against"],
        f"{verdict['cells met']} of {verdict['cells']}" + beyond,
        verdict["worst cell"] or "",
    )


def machine(results: dict[str, Any]) -> str:
    """Return where the figures were taken and the limits, in one line."""
    where, limits = results["environment"], results["machine"]
    threads = "1 thread" if where["threads"] == 1 else f"{where['threads']} threads"
    return (
        f"{where['processor']}, {threads}, torch {where['torch']}, {where['instructions']}: "
        f"{limits['arithmetic'] / 1e9:.0f} GF/s in a {limits['proxy']}, "
        f"{limits['copy'] / 1e9:.1f} GB/s copied; {where['kernels']}"
    )
