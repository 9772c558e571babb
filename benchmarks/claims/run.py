"""The claims, and how their missing results are worked out."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

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
from .record import Cell, Study
from .store import Store

CLAIMS = [
    module.CLAIM
    for module in (
        grouping, stacked, bottleneck, depthwise, spatial, shuffle, pooling, skip, combined, octave
    )
]  # fmt: skip
Missing = Sequence[tuple[Study, Cell]]


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
        cell = next(cell for cell in study.cells() if cell.name == cell_name)
        Store(folder).work(study, cell)
    return f"{study_name}: {cell_name}"
