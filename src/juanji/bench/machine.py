"""The machine's limits, probed around every block: arithmetic and copying."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as tf

REPEATS = 4
COPIED = 2**25  # float32 numbers of the tensor copied: 128 MiB, more than caches hold


@dataclass(frozen=True)
class Speed:
    """What the machine did at a moment: FLOP/s, and bytes/s read plus written."""

    arithmetic: float
    copy: float

    def drift(self, later: Speed) -> float:
        """Return by what part the speed changed, the larger of both."""
        return max(abs(later.arithmetic / self.arithmetic - 1), abs(later.copy / self.copy - 1))


class Machine:
    """Probes the machine at one number of threads.

    For arithmetic serves the faster of two things torch has: its dense convolution in channels
    last, and its matrix product. Each probe takes the best of a few.
    """

    def __init__(self) -> None:
        batch = max(2, torch.get_num_threads())
        x = torch.randn(batch, 256, 30, 30).contiguous(memory_format=torch.channels_last)
        weight = torch.randn(256, 256, 3, 3).contiguous(memory_format=torch.channels_last)
        square = torch.randn(1024, 1024)
        candidates: dict[str, tuple[float, Callable[[], object]]] = {
            "dense convolution": (
                2.0 * 9 * 256 * 256 * 28 * 28 * batch,
                lambda: tf.conv2d(x, weight),
            ),
            "matrix product": (2.0 * 1024**3, lambda: square @ square),
        }
        self.source, self.target = torch.zeros(COPIED), torch.zeros(COPIED)
        rates = {name: flops / fastest(call) for name, (flops, call) in candidates.items()}
        self.proxy = max(rates, key=lambda name: rates[name])
        self.flops, self.product = candidates[self.proxy]

    def probe(self) -> Speed:
        """Measure both speeds."""
        moved = 2 * self.source.nbytes
        return Speed(
            arithmetic=self.flops / fastest(self.product),
            copy=moved / fastest(lambda: self.target.copy_(self.source)),
        )


def fastest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few calls."""
    seconds = []
    with torch.inference_mode():
        for _ in range(REPEATS):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return min(seconds)
