"""Measure the articles' claims and write docs/claims.md.

Every result is kept as soon as there is one; the same command continues where it stopped. Trainings
run on one thread each, as many at a time as there are cores; timings come after them, alone, and
need an idle machine.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from .accuracy import Accuracy
from .page import page
from .run import CLAIMS, work
from .store import Store
from .timing import Timing

KINDS = {"all": (Accuracy, Timing), "accuracy": (Accuracy,), "time": (Timing,)}


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


if __name__ == "__main__":
    main()
