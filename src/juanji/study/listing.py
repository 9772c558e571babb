"""The networks of `juanji.nets` as a list: what each costs and sees, computed when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ..analysis import analyze
from ..nets import NETS, Net
from . import units
from .networks import find

LINE = "{:<20} {:>11} {:>8} {:>13} {:>11}  {}"
TITLE = LINE.format("network", "input", "weights", "multiply-adds", "view", "paper")


def known(names: Iterable[str] = ()) -> list[Net]:
    """Return the networks of these names; without names, all.

    Raises:
        ValueError: a name is unknown.
    """
    names = list(names) or list(NETS)
    for name in names:
        if name not in NETS:
            find(name)  # words the error
            raise ValueError(f"{name!r} must be the name of a network of juanji.nets")
    return [NETS[name] for name in names]


def rows(listed: Iterable[Net]) -> Iterator[dict[str, Any]]:
    """Yield one network after the other as plain data; nothing is allocated for the weights.

    >>> [row] = rows(known(["resnet20"]))
    >>> row["weights"], row["multiply_adds"], row["view"]
    (272474, 40813184, [81, 81])
    """
    for net in listed:
        with torch.device("meta"):
            report = analyze(net(), torch.empty(1, *net.input_size), time=False)
        total = report.total
        view = total.view.value
        yield {
            "name": net.name,
            "task": net.task,
            "input": list(net.input_size),
            "small": net.small,
            "weights": total.weights.value,
            "multiply_adds": total.multiply_adds.value.dense if total.multiply_adds.value else None,
            "view": None if view is None else list(view.size),
            "whole": None if view is None else view.whole,
            "paper": net.paper,
            "published_weights": net.weights,
            "published_multiply_adds": net.multiply_adds,
            "source": net.source,
            "note": net.note,
        }


def line(row: dict[str, Any]) -> str:
    """Return a row for a terminal.

    >>> line(next(rows(known(["resnet20"])))).split()[:6]
    ['resnet20', '3x32x32', '272', 'k', '40.8', 'M']
    """
    return LINE.format(
        row["name"],
        "x".join(map(str, row["input"])),
        units.count(row["weights"]),
        units.count(row["multiply_adds"]),
        units.view(row["view"], row["whole"]),
        row["paper"],
    )
