"""Between the two grids: averages down, repetition up, for sizes of any parity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from .. import layout

AVERAGE = {
    1: torch_functional.avg_pool1d,
    2: torch_functional.avg_pool2d,
    3: torch_functional.avg_pool3d,
}


def pool(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Average blocks of `factors` cells; a block at the border averages the cells it has.

    Shapes: (N, C, *spatial) to (N, C, *ceil(spatial / factors)).
    """
    if all(factor == 1 for factor in factors):
        return x
    # in 3-D torch refuses a window larger than the input, where one incomplete block is meant
    block = [min(factor, n) for factor, n in zip(factors, x.shape[2:], strict=True)]
    # torch's 3-D kernel for CPUs has no half precision
    wide = torch.promote_types(x.dtype, torch.float32) if len(block) == 3 and x.is_cpu else x.dtype
    y = AVERAGE[len(block)](
        x.to(wide), block, block, 0, ceil_mode=True, count_include_pad=False
    ).to(x.dtype)
    return layout.follow(y, x, len(block))


def upsample(x: Tensor, factors: Sequence[int], size: Sequence[int]) -> Tensor:
    """Repeat every cell `factors` times along each axis and crop to `size`."""
    if any(factor != 1 for factor in factors):
        x = torch_functional.interpolate(x, scale_factor=[float(f) for f in factors])
    for dimension, cells in enumerate(size, start=2):
        if x.shape[dimension] != cells:
            x = x.narrow(dimension, 0, cells)
    return x
