"""What the tests of scenes share: a scene's grids as tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from juanji.draw.scene import Scene


def tensor(scene: Scene, name: str) -> Tensor:
    """Return a grid as (1, channels, *size)."""
    grid = next(grid for grid in scene.grids if grid.name == name)
    return torch.tensor(grid.values, dtype=torch.float64).view(1, grid.channels, *grid.size)


def has(scene: Scene, name: str) -> bool:
    """Whether a scene has a grid of that name."""
    return any(grid.name == name for grid in scene.grids)


def weight(scene: Scene, name: str, rows: int) -> Tensor:
    """Return a weight grid as (rows, columns, *kernel)."""
    values = tensor(scene, name)
    return values.view(rows, -1, *values.shape[2:])


def close(found: Tensor, wanted: Tensor) -> None:
    """Compare to the rounding of sums in another order."""
    torch.testing.assert_close(found, wanted.double(), rtol=1e-12, atol=1e-12)
