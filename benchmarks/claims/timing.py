"""A study of time: two networks in turns, A B B A, on the same inputs, each in its better layout.

Forward in evaluation mode; a step is forward with all gradients, the input's too, as inside a
network. A direction is timed in blocks, which are its repeats.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import juanji
from juanji.study.latency import Call, fastest, timed
from juanji.study.layout import lay_out, layouts

from ..figures import paired
from ..promise import check
from .accuracy import mean_deviation
from .record import Cell, Result, Results
from .verdict import Statement

SECONDS = 0.25  # of a block
BLOCKS = 5  # a repeat each: cheaper than a training's
DIRECTIONS = ("forward", "step")


@dataclass(frozen=True)
class Pair:
    """What is set against what: the ordinary network, the other one, and their input's shape."""

    ordinary: Callable[[], nn.Module]
    other: Callable[[], nn.Module]
    shape: tuple[int, ...]  # with the batch: (N, C, H, W)


@dataclass(frozen=True)
class Timing:
    """Timings of pairs, by what the pair is called."""

    name: str
    pairs: Mapping[str, Pair]

    def cells(self) -> Iterator[Cell]:
        """Return one cell for each pair and direction; it holds all blocks."""
        for name, pair in self.pairs.items():
            nets = f"{pair.ordinary()!r} {pair.other()!r}"
            for direction in DIRECTIONS:
                settings = {
                    "nets": hashlib.sha256(nets.encode()).hexdigest()[:16],
                    "shape": list(pair.shape),
                    "repeats": BLOCKS,
                }
                yield Cell(f"{name}, {direction}", settings, worker(pair, direction))

    def table(self, results: Results) -> list[list[str]]:
        """Return a row for each pair and direction."""
        rows = [["work", "direction", "ms before -> after", "promised", "measured", "kept"]]
        for name in self.pairs:
            for direction in DIRECTIONS:
                found = results.get(f"{name}, {direction}")
                if found is None:
                    rows.append([name, direction, *["not measured"] * 4])
                    continue
                mean, deviation = mean_deviation([block["ratio"] for block in found["blocks"]])
                before, after = found["blocks"][0]["milliseconds"]
                unsteady = "" if all(block["steady"] for block in found["blocks"]) else "~"
                rows.append(
                    [
                        name,
                        direction,
                        f"{before:.2f} -> {after:.2f}",
                        f"{found['promised']:.2f} x",
                        f"{unsteady}{mean:.2f} ± {deviation or 0:.2f} x",
                        f"{mean / found['promised']:.0%}",
                    ]
                )
        return rows


def worker(pair: Pair, direction: str) -> Callable[[], Result]:
    """Return what times a pair."""

    def images() -> Tensor:
        return torch.randn(pair.shape)

    def work() -> Result:
        torch.manual_seed(0)
        nets = [pair.ordinary(), pair.other()]
        products = [juanji.analysis.count(net, images()[:1]).multiply_adds.dense for net in nets]
        for net in nets:
            check(net.eval(), images()[:1])
        time_of = timed if direction == "forward" else stepped
        with torch.inference_mode(direction == "forward"):
            calls = [
                fastest({name: time_of(net, layout) for name, layout in layouts(4).items()}, images)
                for net in nets
            ]
            (_, run_a), (_, run_b) = calls
            blocks = [paired(run_a, run_b, images, SECONDS) for _ in range(BLOCKS)]
        return {
            "threads": torch.get_num_threads(),
            "promised": products[0] / products[1],
            "layouts": [layout for layout, _ in calls],
            "blocks": blocks,
        }

    return work


def stepped(net: nn.Module, layout: torch.memory_format) -> Call:
    """Return a function that times forward and all gradients of a copy of a network."""
    net = copy.deepcopy(net).train()
    lay_out(net, layout)

    def call(images: Tensor) -> float:
        images = images.contiguous(memory_format=layout).requires_grad_()
        net.zero_grad(set_to_none=True)
        start = time.perf_counter()
        net(images).square().mean().backward()
        return time.perf_counter() - start

    return call


def faster(text: str, results: Results, name: str, direction: str, times: float = 1) -> Statement:
    """State that a pair's second is more than so many times as fast as the first."""
    blocks = results.get(f"{name}, {direction}", {"blocks": []})["blocks"]
    return Statement(text, [block["ratio"] for block in blocks], times, 1, " x")
