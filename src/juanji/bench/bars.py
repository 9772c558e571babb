"""The bars: what each part of the grid has to reach, and how far it was from that in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .cases import Cell

Row = dict[str, Any]  # of a cell; `bench/measure.py` says what it holds


@dataclass(frozen=True)
class Bar:
    """A part of the grid and the least it has to reach.

    against: "as given", "better layout" or "max pooling", whose time by ours is at least `least`;
        or "limit", the part of the machine's limit.
    """

    work: str
    against: str
    least: float
    covers: Callable[[Cell], bool]


def part(
    operator: str,
    direction: str | None = None,
    layout: str | None = None,
    dimensions: int | None = None,
) -> Callable[[Cell], bool]:
    """Select an operator's cells, all or those of one direction, layout, number of axes."""

    def covers(cell: Cell) -> bool:
        return (
            cell.case.operator == operator
            and direction in (None, cell.direction)
            and layout in (None, cell.layout)
            and dimensions in (None, cell.case.dimensions)
        )

    return covers


def dilated_gradient(cell: Cell) -> bool:
    """Depthwise maps with holes, both gradients."""
    return part("depthwise", dimensions=2)(cell) and cell.case.dilation > 1 and backward(cell)


def wide_weight_gradient(cell: Cell) -> bool:
    """Depthwise maps with 5x5 and 7x7 taps, the weight's gradient."""
    return part("depthwise", "weight gradient", dimensions=2)(cell) and cell.case.kernel in (5, 7)


def long_line(cell: Cell) -> bool:
    """Depthwise lines of 4096 cells, every direction."""
    return part("depthwise", dimensions=1)(cell) and cell.case.shape[2] == 4096


def slow_volume(cell: Cell) -> bool:
    """Depthwise volumes: all but the forward pass with channels last."""
    is_slow = cell.layout == "contiguous" or backward(cell)
    return part("depthwise", dimensions=3)(cell) and is_slow


def per_group(channels: int) -> Callable[[Cell], bool]:
    """Select grouped convolutions by the channels in a group."""
    return lambda cell: (
        cell.case.operator == "grouped" and cell.case.channels == channels * cell.case.groups
    )


def slow_pooling(cell: Cell) -> bool:
    """Pool contiguous tensors: the maximum forward, the average both ways."""
    return part("max-pool", "forward", "contiguous")(cell) or part("avg-pool", layout="contiguous")(
        cell
    )


def single_image(cell: Cell) -> bool:
    """Dense convolution of one contiguous image, forward."""
    return part("dense", "forward", "contiguous")(cell) and cell.case.shape[0] == 1


def backward(cell: Cell) -> bool:
    """Either gradient."""
    return cell.direction != "forward"


BARS = (
    Bar("every cell", "better layout", 0.97, lambda cell: True),
    Bar("depthwise, forward", "limit", 0.70, part("depthwise", "forward")),
    Bar(
        "depthwise 2-D, weight gradient of 5×5 and 7×7", "better layout", 8.0, wide_weight_gradient
    ),
    Bar("depthwise 2-D, dilated, both gradients", "better layout", 8.0, dilated_gradient),
    Bar("depthwise 1-D, length 4096, 3 and 31 taps", "as given", 15.0, long_line),
    Bar("depthwise 3-D: contiguous; channels last, both gradients", "as given", 8.0, slow_volume),
    Bar("grouped, 2 channels per group", "better layout", 4.0, per_group(2)),
    Bar("grouped, 4 channels per group", "better layout", 1.7, per_group(4)),
    Bar("grouped, 8 channels per group", "better layout", 1.1, per_group(8)),
    Bar(
        "max pooling forward, average pooling both ways, contiguous", "as given", 8.0, slow_pooling
    ),
    Bar("stochastic pooling, forward", "as given", 40.0, part("stochastic-pool", "forward")),
    Bar("stochastic pooling, forward", "max pooling", 0.5, part("stochastic-pool", "forward")),
    Bar(
        "grouped 1×1 with shuffle, forward, channels last",
        "as given",
        2.5,
        part("shuffled-grouped", "forward", "channels last"),
    ),
    Bar("dense 3×3, one image, forward, contiguous", "as given", 5.0, single_image),
)


def reached(bar: Bar, row: Row) -> float | None:
    """Return what a row reached on the scale of a bar; None where it has no figures."""
    if row["status"] != "measured":
        return None
    value: float = (
        row["limit"]["part"] if bar.against == "limit" else row["ratios"][bar.against]["ratio"]
    )
    return value


def is_beyond(bar: Bar, row: Row) -> bool:
    """Whether a bar asks a row for more than the machine's limit allows, and it did not do it.

    That is where the peer itself is so near to the limit that no kernel can be so much faster.
    """
    value = reached(bar, row)
    if value is None or bar.against == "limit" or value >= bar.least:
        return False
    most: float = value / row["limit"]["part"]  # the peer's time by the least possible one
    return most < bar.least


def verdicts(measured: Iterable[tuple[Cell, Row]]) -> list[dict[str, Any]]:
    """Return for each bar whether it is met, and its worst cell, as plain data.

    `met` is None where none of its cells was measured. A wrong answer misses every bar. "cells
    beyond" are those of which the bar asks more than the machine's limit allows.
    """
    rows = list(measured)
    result = []
    for bar in BARS:
        values = [(reached(bar, row), cell) for cell, row in rows if bar.covers(cell)]
        worst = min(values, key=lambda one: one[0] or 0.0, default=None)
        result.append(
            {
                "work": bar.work,
                "against": bar.against,
                "least": bar.least,
                "cells": len(values),
                "cells met": sum(value is not None and value >= bar.least for value, _ in values),
                "cells beyond": sum(is_beyond(bar, row) for cell, row in rows if bar.covers(cell)),
                "worst": worst and worst[0],
                "worst cell": worst and worst[1].name,
                "met": worst and worst[0] is not None and worst[0] >= bar.least,
            }
        )
    return result
