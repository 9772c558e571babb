"""What the benchmarks share: comparing before timing, paired timing, writing figures down."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from juanji.study.environment import environment
from juanji.study.latency import (
    DRIFT,
    TRIES,
    WIDTH,
    alternate,
    interval,
    machine_seconds,
    width,
)

T = TypeVar("T")
ERROR = 1e-4  # of float32 against float64, relative to the largest value: above it, no figures


def agree(found: Sequence[Tensor], exact: Sequence[Tensor], what: str) -> None:
    """Stop the benchmark if tensors differ from the exact ones."""
    for x, y in zip(found, exact, strict=True):
        if x.shape != y.shape:
            raise SystemExit(f"{what}: shape {tuple(x.shape)}, not {tuple(y.shape)}: no figures")
        if not y.numel():
            continue
        error = (x.double() - y.double()).abs().max() / y.double().abs().max().clamp(min=1e-30)
        if not error < ERROR:
            raise SystemExit(f"{what}: differs from the exact values by {error:.1e}: no figures")


def paired(
    run_a: Callable[[T], float],
    run_b: Callable[[T], float],
    inputs: Callable[[], T],
    seconds: float,
) -> dict[str, Any]:
    """Time A B B A for so many seconds; again while unsteady. The ratio is A's time by B's."""
    blocks: list[dict[str, Any]] = []
    while len(blocks) < TRIES and not (blocks and blocks[-1]["steady"]):
        before = machine_seconds()
        a, b = alternate(run_a, run_b, inputs, seconds)
        drift = machine_seconds() / before - 1
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        median, low, high = interval(ratios)
        blocks.append(
            {
                "ratio": median,
                "interval": [low, high],
                "milliseconds": [statistics.median(a) * 1e3, statistics.median(b) * 1e3],
                "pairs": len(ratios),
                "drift": drift,
                "width": width(ratios),
                "steady": abs(drift) <= DRIFT and width(ratios) <= WIDTH,
            }
        )
    return min(blocks, key=lambda block: (not block["steady"], block["width"]))


def ratio(figures: dict[str, Any]) -> str:
    """Write a ratio with its interval; ~ says that the block was unsteady."""
    low, high = figures["interval"]
    return f"{'' if figures['steady'] else '~'}{figures['ratio']:.2f} x [{low:.2f}, {high:.2f}]"


def arguments(description: str, name: str, only: str) -> argparse.Namespace:
    """Read the command line: where the figures go, and which of the rows to take."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(f"runs/bench/{name}.json"))
    parser.add_argument("--only", default="", help=only)
    return parser.parse_args()


def save(rows: list[dict[str, Any]], out: Path) -> None:
    """Keep the figures as JSON, with where they were taken."""
    threads = torch.get_num_threads()
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {"environment": environment(threads), "rows": rows}
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nfigures: {out}; threads: {threads}")
