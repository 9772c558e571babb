"""What a claim is, and the results of its studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .verdict import Statement

Result = dict[str, Any]  # of one cell: plain data, kept as JSON
Results = Mapping[str, Result]  # of a study: by cell; those that are not measured are missing


@dataclass(frozen=True)
class Cell:
    """One piece of a study, worked out and kept by itself; `settings` is all it depends on."""

    name: str
    settings: dict[str, Any]
    work: Callable[[], Result]


class Study(Protocol):
    """Cells of one kind: trainings, or timings."""

    name: str

    def cells(self) -> Iterator[Cell]:
        """Return the pieces."""

    def table(self, results: Results) -> list[list[str]]:
        """Return the results as rows of text, the titles first."""


@dataclass(frozen=True)
class Claim:
    """What an article says, the studies that measure it, and what they should show."""

    name: str
    question: str
    article: str  # number, and where in it
    says: str  # in our words
    setting: str  # what was compared
    studies: Sequence[Study]
    statements: Callable[[Mapping[str, Results]], Sequence[Statement]]  # results by study
