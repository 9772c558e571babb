"""What an analysis found: figures with their status, as rows, table, JSON and HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from ..cost import MultiplyAdds
from .views import ReceptiveField

T = TypeVar("T")


class Status(StrEnum):
    """How far a figure can be trusted."""

    EXACT = "exact"
    LOWER_BOUND = "lower bound"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """A value and its status; `reason` says why it is not exact. Unavailable: value is None."""

    value: T | None
    status: Status = Status.EXACT
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Weights and multiply-adds of a module, and the operators that have no rule."""

    weights: int
    multiply_adds: MultiplyAdds
    uncounted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModuleFigures:
    """One module, everything inside it included.

    Attributes:
        name: as in `named_modules`; the model itself is "".
        kind: name of its class.
        calls: how often it ran in one forward pass; figures add up over the calls.
        weights: number of parameters, each shared one once; buffers not included.
        multiply_adds: of convolutions and matrix products, dense and touched.
        flops: twice the dense multiply-adds, plus the operations that are not multiply-adds.
        memory_sum: sum of all storages made.
        memory_peak: most bytes of activations of the whole model alive at one time while the module
            ran; parameters, buffers and inputs not included.
        view: receptive field of its output on the model's input.
        seconds: measured forward time, median.
    """

    name: str
    kind: str
    calls: int
    weights: Figure[int]
    multiply_adds: Figure[MultiplyAdds]
    flops: Figure[int]
    memory_sum: Figure[int]
    memory_peak: Figure[int]
    view: Figure[ReceptiveField]
    seconds: Figure[float]


@dataclass(frozen=True, slots=True)
class OperatorFigures:
    """All calls of one operator, by torch's name for it."""

    name: str
    calls: int
    multiply_adds: Figure[MultiplyAdds]
    flops: Figure[int]
    memory_sum: Figure[int]


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of a model for one input.

    Attributes:
        model: name of its class.
        inputs: shapes of the input tensors.
        modules: figures of the model, then of every module inside it.
        operators: figures by operator, the most arithmetic first.
        uncounted: operators without a rule, with the number of their calls.
    """

    model: str
    inputs: tuple[tuple[int, ...], ...]
    modules: tuple[ModuleFigures, ...]
    operators: tuple[OperatorFigures, ...]
    uncounted: Mapping[str, int]

    @property
    def total(self) -> ModuleFigures:
        """Figures of the whole model."""
        return self.modules[0]

    def by_module(self) -> tuple[ModuleFigures, ...]:
        """Figures of every module, the model itself first; each includes what is inside it."""
        return self.modules

    def by_operator(self) -> tuple[OperatorFigures, ...]:
        """Figures of every operator, the most multiply-adds first."""
        return self.operators

    def to_json(self) -> str:
        """Return the report as JSON; every figure with its status."""
        return json.dumps(asdict(self), indent=2)

    def to_html(self) -> str:
        """Return the report as one self-contained HTML page. Needs Jinja2."""
        from jinja2 import Environment

        template = Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        return environment.from_string(template).render(
            report=self, columns=COLUMNS, rows=list(map(cells, self.modules)), notes=self.notes()
        )

    def notes(self) -> list[str]:
        """Explain what the table's signs mean, as far as they occur."""
        notes = [
            "A module's figures include the modules inside it. Peak: of the whole model, while "
            "the module ran; without parameters and inputs.",
        ]
        if self.uncounted:
            listed = ", ".join(f"{name} ({calls}x)" for name, calls in self.uncounted.items())
            notes.append(f"≥: a lower bound. Not counted: {listed}.")
        if any(row.view.value and row.view.value.whole for row in self.modules):
            notes.append("View with +: sees the whole input.")
        if self.total.view.reason:
            notes.append(f"View unavailable: {self.total.view.reason}.")
        return notes

    def __str__(self) -> str:
        """Return a table in plain text."""
        rows = [list(COLUMNS), *map(cells, self.modules)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, "", *self.notes()])


COLUMNS = (
    "module", "kind", "calls", "weights", "multiply-adds", "touched", "FLOPs", "activations",
    "peak", "view", "ms",
)  # fmt: skip


def cells(row: ModuleFigures) -> list[str]:
    """Write a module's figures as the table's cells."""
    depth = row.name.count(".") + 1 if row.name else 0
    view, products = row.view.value, row.multiply_adds.value or MultiplyAdds()
    bound = "≥ " if row.multiply_adds.status is Status.LOWER_BOUND else ""
    seen = "×".join(map(str, view.size)) + ("+" if view.whole else "") if view else "–"
    return [
        "  " * depth + row.name.rpartition(".")[2] if row.name else "(model)",
        row.kind,
        str(row.calls),
        f"{row.weights.value:,}",
        bound + amount(products.dense),
        bound + amount(products.touched),
        bound + amount(row.flops.value or 0),
        amount(row.memory_sum.value or 0, "B"),
        amount(row.memory_peak.value or 0, "B"),
        seen,
        "–" if row.seconds.value is None else f"{1e3 * row.seconds.value:.3f}",
    ]


def amount(value: int, unit: str = "") -> str:
    """Write a number with four digits and a decimal prefix.

    >>> amount(1_814_073_344), amount(512, "B")
    ('1.814 G', '512 B')
    """
    for prefix, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.4g} {prefix}{unit}"
    return f"{value} {unit}".rstrip()
