"""Measured forward time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from .watch import following

WARM_UP = 2


def clock(tensors: Iterable[Tensor]) -> Callable[[], float]:
    """Return a function that reads the time in seconds, once GPUs have finished."""
    devices = {tensor.device for tensor in tensors if tensor.is_cuda}

    def read() -> float:
        for device in devices:
            torch.cuda.synchronize(device)
        return perf_counter()

    return read


class Stopwatch:
    """Sums the seconds that each module ran in one forward pass."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.running: list[tuple[nn.Module, float]] = []
        self.spent: defaultdict[nn.Module, float] = defaultdict(float)

    def enter(self, module: nn.Module) -> None:
        """Start a module."""
        self.running.append((module, self.now()))

    def leave(self, module: nn.Module, output: Any) -> None:
        """Stop it. A module that runs inside itself is timed by its outer call."""
        _, start = self.running.pop()
        if all(outer is not module for outer, _ in self.running):
            self.spent[module] += self.now() - start


def measure(
    model: nn.Module, forward: Callable[[], Any], now: Callable[[], float], repeats: int
) -> tuple[float, dict[nn.Module, float]]:
    """Return the median seconds of a forward pass, timed without hooks, and of each module."""
    for _ in range(WARM_UP):
        forward()
    totals = []
    for _ in range(repeats):
        start = now()
        forward()
        totals.append(now() - start)
    passes = []
    for _ in range(repeats):
        watch = Stopwatch(now)
        with following(model, watch.enter, watch.leave):
            forward()
        passes.append(watch.spent)
    modules = {module for spent in passes for module in spent}
    return median(totals), {m: median(spent.get(m, 0.0) for spent in passes) for m in modules}
