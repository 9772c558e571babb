"""Maps of more than 2**31 cells give the right numbers: run by hand, it takes about 10 GB.

python -m benchmarks.beyond_32_bits
"""

from __future__ import annotations

import torch

from juanji import functional as F


def main() -> None:
    """Plant two values, one of them beyond 2**31, and look for them in the outputs."""
    x = torch.zeros(1, 1, 2**19 + 2**10, 2**12, dtype=torch.bfloat16)
    assert x.numel() > 2**31
    x[0, 0, 0, 1], x[0, 0, -1, -1] = 3, 5
    window = torch.ones(1, 1, 64, 64, dtype=torch.bfloat16)
    outputs = {
        "max_pool": F.max_pool(x, (64, 64)),
        "avg_pool": F.avg_pool(x, (64, 64)) * 64**2,
        "conv": F.conv(x, window, stride=64),
    }
    for name, y in outputs.items():
        found = (y[0, 0, 0, 0].item(), y[0, 0, -1, -1].item())
        if found != (3, 5):
            raise SystemExit(f"{name}: {found} in place of (3, 5)")
        print(f"{name}: right for {x.numel():,} cells")


if __name__ == "__main__":
    main()
