"""Measure the articles' claims and write docs/claims.md.

Every result is kept as soon as there is one; the same command continues where it stopped. Trainings
run on one thread each, as many at a time as there are cores; timings come after them, alone, and
need an idle machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from . import (
    bottleneck,
    combined,
    depthwise,
    grouping,
    octave,
    pooling,
    shuffle,
    skip,
    spatial,
    stacked,
)
from .accuracy import Accuracy
from .page import page
from .record import Cell, Study
from .store import REPEATS, Store
from .timing import Timing

CLAIMS = [
    module.CLAIM
    for module in (
        grouping, stacked, bottleneck, depthwise, spatial, shuffle, pooling, skip, combined, octave
    )
]  # fmt: skip
KINDS = {"all": (Accuracy, Timing), "accuracy": (Accuracy,), "time": (Timing,)}

Missing = Sequence[tuple[Study, Cell]]


def main() -> None:
    """Work out what is missing, then write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("runs/claims"), help="keeps the results")
    parser.add_argument("--page", type=Path, default=Path("docs/claims.md"), help="is written")
    parser.add_argument("--only", default="", help="claims whose name contains this")
    parser.add_argument("--kind", choices=KINDS, default="all", help="of study")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start nothing after")
    given = parser.parse_args()
    store = Store(given.out)
    missing = [
        (study, cell)
        for study, cell in store.missing([claim for claim in CLAIMS if given.only in claim.name])
        if isinstance(study, KINDS[given.kind])
    ]
    end = time.monotonic() + given.seconds
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task("measuring", total=len(missing))
        for name in work(store, missing, given.jobs, end):
            bar.update(task, description=name, advance=1)
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text(page(CLAIMS, store), encoding="utf-8")
    print(f"{given.page}: written; {len(store.missing(CLAIMS))} of the measurements are missing")


def work(store: Store, missing: Missing, jobs: int, end: float) -> Iterator[str]:
    """Work the cells out until the time is over; yield the name of each when it is done."""
    trainings = [pair for pair in missing if isinstance(pair[0], Accuracy)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        names = [(study.name, cell.name) for study, cell in trainings]
        done = [pool.submit(work_named, store.folder, *pair, end) for pair in names]
        for one in as_completed(done):
            yield one.result()
    for study, cell in missing:
        if not isinstance(study, Accuracy) and time.monotonic() < end:
            store.work(study, cell)
            yield f"{study.name}: {cell.name}"


def work_named(folder: Path, study_name: str, cell_name: str, end: float) -> str:
    """Work one cell out, in a process of its own, which is told names only."""
    if time.monotonic() < end:
        studies = {study.name: study for claim in CLAIMS for study in claim.studies}
        study = studies[study_name]
        cell = next(cell for cell in study.cells(REPEATS) if cell.name == cell_name)
        Store(folder).work(study, cell)
    return f"{study_name}: {cell_name}"


if __name__ == "__main__":
    main()
