"""The benchmark: every native operator beside torch, checked, in one run, losses included."""

from __future__ import annotations

import json
import os
import shlex
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..ops.native import native_status
from ..spec import integer
from ..study.environment import environment
from ..study.settings import isolated
from ..study.store import read, write
from . import memory
from .bars import Row, verdicts
from .cases import OPERATORS, SIZES, Case, Cell, cells
from .grid import select
from .machine import Machine
from .measure import rows
from .timing import Effort

__all__ = ["OPERATORS", "SIZES", "Benchmark", "run"]

RESULTS, REPORT = "results.json", "report.html"
QUICK = Effort(turns=3, seconds=0.1, tries=2)

Results = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A finished run: its results, as plain data, and the folder that holds them and the report."""

    results: Results
    folder: Path

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / REPORT

    @property
    def wrong(self) -> list[str]:
        """The names of the cells with a wrong answer."""
        return [row["name"] for row in self.results["rows"] if row["status"] == "wrong"]

    def show(self) -> None:
        """Print the tables, styled where they are read on a terminal."""
        from .terminal import show

        show(self.results)


def run(
    operators: Sequence[str] = (),
    sizes: Sequence[str] = (),
    *,
    quick: bool = False,
    threads: int | None = None,
    out: str | os.PathLike[str] = "runs/bench",
    progress: bool = True,
) -> Benchmark:
    """Check and time the grid; write `results.json` and `report.html` at the end.

    Both files are written whole or not at all, so that a run that is stopped leaves those of the
    run before. For the rest of the process the memory allocator keeps freed pages.

    Args:
        operators: names in `OPERATORS`; all if empty.
        sizes: names in `SIZES`; all if empty, or "medium" alone with `quick`.
        quick: fewer turns.
        threads: as torch has them if not given.
        out: the folder.
        progress: show progress on the error stream.

    Raises:
        ValueError, TypeError: an argument is wrong, or `out` holds something else.
        OSError: `out` cannot be written.
    """
    from .report import html
    from .terminal import Progress

    chosen = select(operators, sizes or (("medium",) if quick else ()))
    threads = torch.get_num_threads() if threads is None else integer("threads", threads)
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    folder = claim(Path(out))
    start = time.monotonic()
    kept = memory.keep_freed_pages()
    with isolated(0, threads):
        machine = Machine()
        measured = work(chosen, machine, QUICK if quick else Effort(), Progress(shown=progress))
    results = {
        "environment": environment(threads) | {"kernels": str(native_status())},
        "command": command(operators, sizes, quick, threads, out),
        "quick": quick,
        "machine": summary(machine, [row for _, row in measured]) | {"keeps freed pages": kept},
        "seconds": time.monotonic() - start,
        "bars": verdicts(measured),
        "rows": [row for _, row in measured],
    }
    write(folder / RESULTS, to_json(results))
    write(folder / REPORT, html(results))
    return Benchmark(results, folder)


def work(
    chosen: Sequence[Case], machine: Machine, effort: Effort, progress: Any
) -> list[tuple[Cell, Row]]:
    """Measure every cell."""
    measured = []
    with progress:
        progress.begin(sum(len(cells(case)) for case in chosen))
        for case in chosen:
            for cell, row in rows(case, machine, effort, progress.say):
                measured.append((cell, row))
                progress.end(row)
    return measured


def claim(folder: Path) -> Path:
    """Make the folder, or find that its report may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out {str(folder)!r} is a file; give a folder")
    if (folder / REPORT).exists() and "bars" not in (read(folder / RESULTS) or {}):
        raise ValueError(f"out {str(folder)!r} holds another report; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}"
        write(trial, "")
        trial.unlink()
    except OSError as error:
        raise type(error)(
            f"out {str(folder)!r} cannot be written: {error.strerror or error}"
        ) from error
    return folder


def summary(machine: Machine, measured: Sequence[Row]) -> dict[str, Any]:
    """Return the machine's usual speed in the run: the roofs of the picture."""
    known = [row for row in measured if row["status"] == "measured"]
    speeds = [(row["arithmetic"], row["copy"]) for row in known]
    if not speeds:
        now = machine.probe()
        speeds = [(now.arithmetic, now.copy)]
    arithmetic, copy = zip(*speeds, strict=True)
    return {
        "arithmetic": statistics.median(arithmetic),
        "copy": statistics.median(copy),
        "proxy": machine.proxy,
    }


def command(
    operators: Sequence[str],
    sizes: Sequence[str],
    quick: bool,
    threads: int,
    out: str | os.PathLike[str],
) -> str:
    """Return what repeats the run."""
    words = ["juanji", "bench"]
    words += [word for name in operators for word in ("--operator", name)]
    words += [word for name in sizes for word in ("--size", name)]
    words += ["--quick"] if quick else []
    return shlex.join([*words, "--threads", str(threads), "--out", os.fspath(out)])


def to_json(results: Results) -> str:
    """Return the text of `results.json`."""
    return json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
