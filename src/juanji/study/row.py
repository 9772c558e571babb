"""One row of a study: convert, analyze, train and time one variant once.

A row is plain data:

    variant, repeat       which
    status                "finished", or "failed" with `stage` and `reason`
    accuracy              on the test part, in [0, 1], after the last epoch
    figures               weights, multiply_adds, ...: see `figures`
    plan                  what became of each layer; empty for the unswapped network
    curve                 one `Epoch` for each epoch
    latency               one `Latency` for batch 1 and one for the training batch
    seconds, environment

A failed row holds what was known before it failed.
"""

from __future__ import annotations

import copy
import gc
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ..analysis import Report, analyze
from ..conversion import plan as make_plan
from ..ops.memory import is_out_of_memory
from .data import Data
from .environment import environment
from .latency import measure
from .networks import Build
from .settings import UNSWAPPED, Settings, deterministic, isolated, reseed
from .store import Row
from .train import Tell, train

Say = Callable[[str], None]  # the name of the stage that begins


def run_row(
    build: Build, data: Data, settings: Settings, variant: str, repeat: int, say: Say, tell: Tell
) -> Row:
    """Work a row out; whatever goes wrong with the variant is said in the row."""
    row: Row = {"variant": variant, "repeat": repeat, "status": "finished"}
    row["environment"] = environment(settings.threads)
    start = time.perf_counter()
    stage = "building"

    def enter(name: str) -> None:
        nonlocal stage
        stage = name
        say(name)

    try:
        with isolated(settings.seed + repeat, settings.threads):
            work(row, build, data, settings, enter, tell)
    except Exception as error:
        row |= {"status": "failed", "stage": stage, "reason": reason(error)}
        gc.collect()  # the tensors in the error's reference cycles
    row["seconds"] = time.perf_counter() - start
    return row


def work(row: Row, build: Build, data: Data, settings: Settings, enter: Say, tell: Tell) -> None:
    """Fill a row, stage by stage."""
    seed = settings.seed + row["repeat"]
    example = torch.randn(1, data.channels, *data.size)
    reseed(seed)
    unswapped = build()

    enter("converting")
    reseed(seed)
    if row["variant"] == UNSWAPPED:
        net, row["plan"] = copy.deepcopy(unswapped), []
    else:
        net, row["plan"] = converted(unswapped, row["variant"], example)

    enter("analyzing")
    row["figures"] = figures(analyze(net, example, time=False))

    enter("training")
    reseed(seed)
    with deterministic():
        curve = train(net, data, settings, seed, tell)
    row["curve"] = [asdict(epoch) for epoch in curve]
    row["accuracy"] = curve[-1].test_accuracy

    enter("timing")
    sizes = dict.fromkeys((1, settings.batch))
    shape = (data.channels, *data.size)
    row["latency"] = [asdict(measure(unswapped, net, shape, size)) for size in sizes]


def converted(net: nn.Module, swap: str, example: torch.Tensor) -> tuple[nn.Module, list[Any]]:
    """Return a converted copy and the plan's entries as plain data.

    Raises ValueError where the swap changes nothing.
    """
    plan = make_plan(net, swap, example)
    if all(entry.reason is not None for entry in plan.entries):
        reasons = sorted({str(entry.reason) for entry in plan.entries}) or ["no convolutions"]
        raise ValueError(f"{swap} changes no layer: {'; '.join(reasons)}")
    entries = [
        {
            "name": entry.name,
            "before": entry.before,
            "after": entry.after,
            "weights_before": entry.weights_before,
            "weights_after": entry.weights_after,
            "multiply_adds_before": entry.multiply_adds_before,
            "multiply_adds_after": entry.multiply_adds_after,
            "fit_error": finite_or_none(entry.fit_error),
            "reason": entry.reason,
        }
        for entry in plan.entries
    ]
    return plan.apply(net), entries


def figures(report: Report) -> dict[str, Any]:
    """Return what a row keeps of an analysis, for one image: counts, bytes, the view in cells."""
    total = report.total
    products, view = total.multiply_adds.value, total.view.value
    return {
        "weights": total.weights.value,
        "multiply_adds": products.dense if products else None,
        "multiply_adds_touched": products.touched if products else None,
        "memory_peak": total.memory_peak.value,
        "memory_sum": total.memory_sum.value,
        "view": list(view.size) if view else None,
        "whole": view.whole if view else None,  # every position sees the whole image
        "uncounted": list(report.uncounted),
    }


def finite_or_none(value: float | None) -> float | None:
    """JSON has no infinity and no NaN."""
    return value if value is not None and math.isfinite(value) else None


def reason(error: Exception) -> str:
    """Say in one line why a variant failed."""
    text = " ".join(str(error).split()) or type(error).__name__
    if is_out_of_memory(error):
        return f"out of memory: {text}"
    if isinstance(error, ValueError | FloatingPointError):
        return text
    return f"{type(error).__name__}: {text}"
