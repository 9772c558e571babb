"""What a call costs beyond its arithmetic: a tiny convolution and poolings beside empty operators.

python -m benchmarks.call_overhead

Times are the least of many, all calls in turn. `empty operator` is torch's own `aten::empty`,
called in the same way as ours. On an empty batch our operator has its arguments read and its output
made, and nothing to compute; a gradient is asked for in the last rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as tf

from juanji import functional as F
from juanji import native_status

ROUNDS, CALLS = 400, 50


def main() -> None:
    """Print microseconds per call, and what is above the empty operator."""
    torch.set_num_threads(1)
    x, weight = torch.ones(1, 4, 4, 4), torch.ones(4, 1, 3, 3)
    maps = torch.ones(1, 4, 2, 16)  # rows that the kernels of pooling take
    arguments = (None, (4, 4, 1, 1, 1, 1, 1, 1), 4)
    traced = weight.clone().requires_grad_()
    empty, ours = torch.ops.aten.empty.memory_format, torch.ops.juanji.conv.default
    below = torch._C._AutoDispatchBelowAutograd

    nothing = x[:0]

    def guarded() -> None:
        with below():
            ours(x, weight, *arguments)

    def without_arithmetic() -> None:
        with below():
            ours(nothing, weight, *arguments)

    calls: dict[str, Callable[[], object]] = {
        "empty operator": lambda: empty([1, 4, 4, 4]),
        "torch.ops.juanji.conv, on an empty batch": without_arithmetic,
        "torch.ops.juanji.conv, as F.conv calls it": guarded,
        "torch.ops.juanji.conv": lambda: ours(x, weight, *arguments),
        "juanji.functional.conv": lambda: F.conv(x, weight, padding=1, groups=4),
        "torch.nn.functional.conv2d": lambda: torch.conv2d(x, weight, padding=1, groups=4),
        "juanji.functional.conv, with gradient": lambda: F.conv(x, traced, padding=1, groups=4),
        "torch conv2d, with gradient": lambda: torch.conv2d(x, traced, padding=1, groups=4),
        "juanji.functional.max_pool": lambda: F.max_pool(maps, 2),
        "torch.nn.functional.max_pool2d": lambda: tf.max_pool2d(maps, 2),
        "juanji.functional.avg_pool": lambda: F.avg_pool(maps, 2),
        "torch.nn.functional.avg_pool2d": lambda: tf.avg_pool2d(maps, 2),
        "juanji.functional.avg_unpool": lambda: F.avg_unpool(maps, 2),
        "torch.nn.functional.interpolate": lambda: tf.interpolate(maps, scale_factor=2.0),
    }
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            least[name] = min(least[name], (time.perf_counter() - start) / CALLS)
    print(native_status())
    for name, seconds in least.items():
        above = seconds - least["empty operator"]
        print(f"{name:45} {seconds * 1e6:6.2f} us {above * 1e6:+6.2f}")


if __name__ == "__main__":
    main()
