"""Results under a folder, one file a cell: what is there, under the same settings, stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from juanji.study.environment import environment
from juanji.study.store import read, write

from .record import Cell, Claim, Result, Results, Study


class Store:
    """The results of all claims."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, study: Study, cell: Cell) -> Path:
        """Return the file of a cell."""
        name = re.sub(r"[^a-z0-9.]+", "-", cell.name.lower()).strip("-.")
        return self.folder / study.name / f"{name}.json"

    def get(self, study: Study, cell: Cell) -> Result | None:
        """Return what was found for a cell with these settings, or None."""
        kept = read(self.path(study, cell))
        return kept["result"] if kept and kept["settings"] == cell.settings else None

    def work(self, study: Study, cell: Cell) -> Result:
        """Work a cell out and keep the result."""
        result = cell.work()
        path = self.path(study, cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "settings": cell.settings,
            "environment": environment(result.get("threads", torch.get_num_threads())),
            "result": result,
        }
        write(path, json.dumps(content, indent=1, allow_nan=False))
        return result

    def results(self, study: Study) -> Results:
        """Return what there is of a study."""
        found = {cell.name: self.get(study, cell) for cell in study.cells()}
        return {name: result for name, result in found.items() if result is not None}

    def missing(self, claims: Sequence[Claim]) -> list[tuple[Study, Cell]]:
        """Return the cells that have no result yet."""
        return [
            (study, cell)
            for claim in claims
            for study in claim.studies
            for cell in study.cells()
            if self.get(study, cell) is None
        ]

    def kept(self) -> Iterator[dict[str, Any]]:
        """Return all that is kept: settings, environment and result of each."""
        for path in sorted(self.folder.glob("*/*.json")):
            content = read(path)
            if content is not None:
                yield content


def described(environment: dict[str, Any]) -> str:
    """Name the machine and the versions.

    >>> described({"processor": "P", "cores": 2, "threads": 1, "instructions": "AVX2",
    ...            "torch": "2.13.0"})
    'P, 2 cores, AVX2, torch 2.13.0, threads: 1'
    """
    return (
        f"{environment['processor']}, {environment['cores']} cores, {environment['instructions']}, "
        f"torch {environment['torch']}, threads: {environment['threads']}"
    )
