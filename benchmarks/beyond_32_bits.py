"""Maps of more than 2**31 cells give the right numbers: run by hand, it takes about 15 GB.

python -m benchmarks.beyond_32_bits
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from juanji import functional as F
from juanji import native_status, why

SIZE = 2**19 + 2**10, 2**12  # 2**31 cells and some more


def corners(y: Tensor) -> tuple[float, float]:
    """Return the first cell and the last."""
    return y.flatten()[0].item(), y.flatten()[-1].item()


def main() -> None:
    """Plant two values, one of them beyond 2**31, and look for them in outputs and gradients."""
    print(native_status())
    x = torch.zeros(1, 1, *SIZE, dtype=torch.bfloat16)
    assert x.numel() > 2**31
    x[0, 0, 0, 0], x[0, 0, -1, -1] = 3, 5
    window = torch.ones(1, 1, 64, 64, dtype=torch.bfloat16)
    pair = x.view(1, 2, SIZE[0] // 2, SIZE[1])
    small = torch.zeros(1, 1, SIZE[0] // 64, SIZE[1] // 64, dtype=torch.bfloat16)
    small[0, 0, 0, 0], small[0, 0, -1, -1] = 3, 5
    # the window's first cell for the one, its last for the other
    ends = torch.zeros(1, 1, 64, 64, dtype=torch.bfloat16)
    ends[0, 0, 0, 0] = ends[0, 0, -1, -1] = 1
    far = torch.tensor([0, x.numel() - 1]).reshape(1, 1, 1, 2)
    calls: dict[str, Callable[[], Tensor]] = {
        "max_pool": lambda: F.max_pool(x, (16, 16)),
        "avg_pool": lambda: F.avg_pool(x, (64, 64), divisor_override=1),
        "stochastic_pool": lambda: F.stochastic_pool(x, (16, 16)),
        "conv": lambda: F.conv(x, window, stride=64),
        "conv_transpose": lambda: F.conv_transpose(small, ends, stride=64),
        "avg_unpool": lambda: F.avg_unpool(small, (64, 64)),
        "max_unpool": lambda: F.max_unpool(
            torch.tensor([3.0, 5.0], dtype=x.dtype).reshape(far.shape),
            far,
            (1, 1),
            output_size=SIZE,
        ),
        "channel_shuffle": lambda: F.channel_shuffle(pair, 2),
        "shuffled 1x1": lambda: F.shuffled_group_conv(
            pair, torch.ones(2, 1, 1, 1, dtype=torch.bfloat16), groups=2
        ),
    }
    for name, call in calls.items():
        y: list[Tensor] = []
        reasons = why(lambda call=call, y=y: y.append(call()))
        found = corners(y[0])
        if found != (3, 5):
            raise SystemExit(f"{name}: {found} in place of (3, 5)")
        print(f"{name}: right, {y[0].numel():,} cells out; {reasons.splitlines()[1].strip()}")


if __name__ == "__main__":
    main()
