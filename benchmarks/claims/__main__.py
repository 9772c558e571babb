"""Measure the articles' claims and write docs/claims.md.

Every result is kept as soon as there is one; the same command continues where it stopped. Trainings
use one thread, timings all of them. An idle machine is needed for the timings; `--kind` takes one
kind of study alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from . import bottleneck, depthwise, grouping, octave, pooling, shuffle, spatial, stacked
from .accuracy import Accuracy
from .page import page
from .store import Store
from .timing import Timing

CLAIMS = [
    module.CLAIM
    for module in (
        grouping, stacked, bottleneck, depthwise, spatial, shuffle, pooling, octave
    )
]  # fmt: skip
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
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    given = parser.parse_args()
    store = Store(given.out)
    claims = [claim for claim in CLAIMS if given.only in claim.name]
    missing = [
        (study, cell)
        for study, cell in store.missing(claims)
        if isinstance(study, KINDS[given.kind])
    ]
    start = time.monotonic()
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task("measuring", total=len(missing))
        for study, cell in missing:
            if time.monotonic() - start > given.seconds:
                break
            bar.update(task, description=f"{study.name}: {cell.name}")
            store.work(study, cell)
            bar.advance(task)
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text(page(CLAIMS, store), encoding="utf-8")
    left = len(store.missing(CLAIMS))
    print(f"{given.page}: written; {left} of the measurements are missing")


if __name__ == "__main__":
    main()
