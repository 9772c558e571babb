"""A study of accuracy: variants of a network, trained on the same data with the same seeds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

import juanji
from juanji.study.data import Data
from juanji.study.settings import Settings, deterministic, isolated, reseed
from juanji.study.train import evaluate, train
from juanji.study.units import count, percent

from .record import Cell, Result, Results
from .verdict import Statement

REPEATS = 3
BATCH = 50
MARGIN = 0.005  # of accuracy: half a point, what "as good as" leaves room for
THREADS = 1  # small layers gain little from more, and the result no longer depends on them


@dataclass(frozen=True)
class Accuracy:
    """Trainings of every variant: `build(channels, classes)` for each, `data(repeat)` for all.

    The images are grey. `data` is read only when something is trained.
    """

    name: str
    data: Callable[[int], Data]
    variants: Mapping[str, Callable[[int, int], nn.Module]]
    classes: int = 10
    epochs: int = 8
    learning_rate: float = 0.01

    def cells(self) -> Iterator[Cell]:
        """Return one cell for each variant and repeat."""
        for repeat in range(REPEATS):
            for variant, build in self.variants.items():
                net = self.build(build, repeat)
                settings = {
                    "data": self.data.__name__,
                    "net": hashlib.sha256(repr(net).encode()).hexdigest()[:16],
                    "epochs": self.epochs,
                    "learning_rate": self.learning_rate,
                    "batch": BATCH,
                    "repeat": repeat,
                }
                yield Cell(f"{variant} {repeat}", settings, self.worker(build, repeat))

    def build(self, build: Callable[[int, int], nn.Module], repeat: int) -> nn.Module:
        """Build a variant."""
        reseed(repeat)
        return build(1, self.classes)

    def worker(self, build: Callable[[int, int], nn.Module], repeat: int) -> Callable[[], Result]:
        """Return what trains a variant once."""

        def work() -> Result:
            with isolated(repeat, THREADS), deterministic():
                return trained(self.build(build, repeat), self.data(repeat), self, repeat)

        return work

    def table(self, results: Results) -> list[list[str]]:
        """Return a row for each variant."""
        rows = [
            [self.data.__name__, "accuracy", "on what it learnt from", "weights", "multiply-adds"]
        ]
        for variant in self.variants:
            found = runs(results, variant)
            if not found:
                rows.append([variant, *["not measured"] * 4])
                continue
            rows.append(
                [
                    variant,
                    percent(*mean_deviation([run["accuracy"] for run in found])),
                    percent(*mean_deviation([run["train_accuracy"] for run in found])),
                    count(found[0]["weights"]),
                    count(found[0]["multiply_adds"]),
                ]
            )
        return rows


def trained(net: nn.Module, data: Data, study: Accuracy, seed: int) -> Result:
    """Train a network; test it once, at the end."""
    total = juanji.analysis.count(net, torch.randn(1, data.channels, *data.size))
    assert isinstance(data.test, TensorDataset)
    few = TensorDataset(*(tensor[:1] for tensor in data.test.tensors))
    start = time.perf_counter()
    train(
        net, replace(data, test=few), settings(study.epochs, study.learning_rate, seed), seed, quiet
    )
    seconds = time.perf_counter() - start
    return {
        "accuracy": evaluate(net, data.test, 500)[1],
        "train_accuracy": evaluate(net, data.train, 500)[1],
        "weights": sum(parameter.numel() for parameter in net.parameters()),
        "multiply_adds": total.multiply_adds.dense,
        "seconds": seconds,
        "threads": THREADS,
    }


def settings(epochs: int, learning_rate: float, seed: int, batch: int = BATCH) -> Settings:
    """Return what one training reads of a study's settings; the rest stays empty."""
    return Settings(
        net="",
        net_fingerprint="",
        data="",
        data_fingerprint="",
        swaps=("none",),
        epochs=epochs,
        repeats=1,
        batch=batch,
        optimizer="adamw",
        learning_rate=learning_rate,
        seed=seed,
        threads=THREADS,
    )


def quiet(epoch: int, part: float, loss: float) -> None:
    """Tell nothing of how far a training is."""


def runs(results: Results, variant: str) -> list[Result]:
    """Return the results of a variant, in the order of the repeats."""
    found = []
    while (run := results.get(f"{variant} {len(found)}")) is not None:
        found.append(run)
    return found


def mean_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and, of two or more, the standard deviation."""
    deviation = float(torch.tensor(values).std()) if len(values) > 1 else None
    return sum(values) / len(values), deviation


def figures(results: Results, variant: str, key: str) -> list[Any]:
    """Return one figure of a variant, a value for each repeat."""
    return [run[key] for run in runs(results, variant)]


def more_accurate(
    text: str, results: Results, better: str, than: str, least: float = 0
) -> Statement:
    """State that a variant's accuracy is above another's by more than `least`, repeat by repeat."""
    pairs = zip(*(figures(results, name, "accuracy") for name in (better, than)), strict=False)
    return Statement(text, [a - b for a, b in pairs], least, 100, " points")


def no_less_accurate(text: str, results: Results, one: str, than: str) -> Statement:
    """State that a variant's accuracy is above another's, or below by less than `MARGIN`."""
    return more_accurate(text, results, one, than, -MARGIN)


def fewer(text: str, results: Results, key: str, small: str, large: str, times: float) -> Statement:
    """State that a count, `weights` or `multiply_adds`, is more than so many times smaller."""
    a, b = (figures(results, name, key)[:1] for name in (small, large))
    return Statement(text, [y / x for x, y in zip(a, b, strict=False)], times, 1, " x", exact=True)
