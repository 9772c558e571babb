"""Between the two grids: averages down, repetition up, for sizes of any parity."""

from __future__ import annotations

import math
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
    return crop(x, size)


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Keep the first cells along each axis."""
    for dimension, cells in enumerate(size, start=2):
        if x.shape[dimension] != cells:
            x = x.narrow(dimension, 0, cells)
    return x


# The adjoints, from what the functions give back to what they take, of size `size`.


def pool_adjoint(y: Tensor, factors: Sequence[int], size: Sequence[int]) -> Tensor:
    """Spread every cell evenly over its block, of which `size` has cells."""
    for dimension, (factor, cells) in enumerate(zip(factors, size, strict=True), start=2):
        if factor > 1:
            blocks = y.shape[dimension]
            ones = torch_functional.pad(y.new_ones(cells), (0, factor * blocks - cells))
            existing = ones.reshape(blocks, factor).sum(1)
            y = y / existing.reshape(-1, *(1 for _ in y.shape[dimension + 1 :]))
    return upsample(y, factors, size)


def upsample_adjoint(y: Tensor, factors: Sequence[int], size: Sequence[int]) -> Tensor:
    """Sum every block; a cell that was cropped counts as zero."""
    y = crop_adjoint(y, [factor * cells for factor, cells in zip(factors, size, strict=True)])
    block = math.prod(factors)
    return pool(y, factors) * block if block > 1 else y


def crop_adjoint(y: Tensor, size: Sequence[int]) -> Tensor:
    """Put zeros where cells were cropped."""
    missing = [cells - n for cells, n in zip(size, y.shape[2:], strict=True)]
    if not any(missing):
        return y
    return torch_functional.pad(y, [side for cells in reversed(missing) for side in (0, cells)])
