"""A case -> its rows: every cell checked, then timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from . import memory
from .answers import Exact, WrongAnswerError, check, exact
from .bars import Row
from .cases import Case, Cell, cells
from .machine import Machine, Speed
from .sides import Set, sides
from .timing import Block, Effort, measure

SETS = 2  # of random inputs, taken in turns
PAGES = 8  # times the bytes a call moves: what all sides together may allocate at once


def rows(
    case: Case, machine: Machine, effort: Effort, say: Callable[[str], None]
) -> Iterator[tuple[Cell, Row]]:
    """Yield a row for each cell of a case, as plain data. Sides: see `bench/sides.py`.

    - `case`, `direction`, `layout`, `name`, and `flops` and `traffic`, in bytes, of a call;
    - `status`: "measured", or "wrong" with a `reason` and no figures;
    - `error`: relative to the largest value of the float64 reference;
    - `workspace`: bytes beyond the output during our call, or None;
    - `seconds` of a call by side; `ratios`, the sides' times by ours: "as given", "better layout",
      and "max pooling" beside stochastic pooling, each {ratio, low, high}; `better`, which way was
      the better layout; `turns`;
    - `limit`: `part` of the machine's limit that ours reached, and what it is `bound` by;
    - `arithmetic` and `copy`, the speed of the machine then, its `drift`, `tries`, and `steady`.
    """
    sets = [Set.draw(case) for _ in range(SETS)]
    say(f"{case.operator} {case.label}, {case.size}: float64 reference")
    known = exact(case, sets[0])
    found = [(cell, inspect(cell, sets[0], known)) for cell in cells(case)]
    memory.touch_pages(PAGES * case.traffic)  # measuring memory gave them back
    for cell, row in found:
        say(cell.name)
        if row["status"] == "measured":
            block, steady = measure(sides(cell, sets), machine, effort)
            row |= figures(case, block, steady)
        yield cell, row


def inspect(cell: Cell, given: Set, known: Exact) -> Row:
    """Check the answers of all sides and measure the memory of ours."""
    case = cell.case
    row: Row = {
        "case": asdict(case) | {"shape": list(case.shape), "label": case.label},
        "direction": cell.direction,
        "layout": cell.layout,
        "name": cell.name,
        "flops": case.flops,
        "traffic": case.traffic,
        "status": "measured",
    }
    for name, calls in sides(cell, [given]).items():
        try:
            error = check(cell, name, calls[0](), given, known)
        except WrongAnswerError as wrong:
            return row | {"status": "wrong", "reason": f"{name}: {wrong}"}
        if name == "ours":
            row |= {"error": error, "workspace": memory.workspace(calls[0])}
    return row


def figures(case: Case, block: Block, steady: bool) -> dict[str, Any]:
    """Return what a block says."""
    better = block.better()
    ratios = {"as given": block.ratio("as given"), "better layout": block.ratio(better)}
    if "max pooling" in block.seconds:
        ratios["max pooling"] = block.ratio("max pooling")
    speed = Speed(
        max(one.arithmetic for one in block.speeds), max(one.copy for one in block.speeds)
    )
    return {
        "seconds": {side: block.median(side) for side in block.seconds},
        "ratios": ratios,
        "better": better,
        "turns": len(block.seconds["ours"]),
        "limit": limit(case, speed, block.median("ours")),
        "arithmetic": speed.arithmetic,
        "copy": speed.copy,
        "drift": block.drift,
        "tries": block.tries,
        "steady": steady,
    }


def limit(case: Case, speed: Speed, seconds: float) -> dict[str, Any]:
    """Return the part of the machine's limit that a time reaches, and what binds.

    The limit counts copying from memory: work inside caches can pass it.
    """
    arithmetic, copy = case.flops / speed.arithmetic, case.traffic / speed.copy
    bound = "arithmetic" if arithmetic > copy else "copy"
    return {"part": max(arithmetic, copy) / seconds, "bound": bound}
