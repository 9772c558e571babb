"""Scenes of an Inception block: kernels of several sizes side by side, concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..bind import Bound, bind
from ..spec import Conv, Pool, windows
from . import pool
from .scene import Arrow, Fact, Grid, Scene
from .sketch import Sketch
from .stages import Numbers, written


def inception(
    size: Sequence[int], channels: int, reduction: int | None, input: Numbers | None = None
) -> Scene:
    """Return the scene of 1x1, 3x3, 5x5 and max pooling side by side, their results concatenated.

    `reduction`: channels that a 1x1 convolution leaves before the larger kernels, and behind the
    pooling; None: the first form of the block, without it.
    """
    sketch = Sketch()
    sketch.input(size, channels, input, row=1)
    parts: list[Grid] = []
    shift = 0 if reduction is None else 2  # columns that the reductions take
    for row, kernel in enumerate((1, 3, 5)):
        x = sketch.grids["input"]
        into, name = channels, f"{kernel} x {kernel}"
        if reduction is not None and kernel > 1:
            x = sketch.conv(
                x, f"reduce {name}", _same(size, 1, into, reduction), column=2, row=row,
                weight_at=(1, row), seed=10 + kernel, title="1 x 1",
            )  # fmt: skip
            into = reduction
        parts.append(
            sketch.conv(
                x, name, _same(size, kernel, into, 1), column=2 + shift, row=row,
                weight_at=(1 + shift, row), seed=2 + kernel,
            )
        )  # fmt: skip
    parts.append(_pooled(sketch, channels, reduction))
    sketch.concatenate(parts, "output", column=3 + shift, row=1, role="output")
    count = sum(part.channels for part in parts)
    text = " + ".join(str(part.channels) for part in parts)
    return sketch.scene("inception", "inception", (Fact("parts", f"{text} = {count}"),))


def _pooled(sketch: Sketch, channels: int, reduction: int | None) -> Grid:
    """Add the branch that pools, and reduces after it."""
    x = sketch.grids["input"]
    bound = bind(Pool(windows((3,) * len(x.size), 1, 1)), x.size)
    name = "3 x 3 max"
    steps = pool.max_pool(bound, channels, x.values).steps
    for step in steps:
        writes = tuple(replace(write, grid=name) for write in step.writes)
        sketch.steps.append(replace(step, stage=name, writes=writes, row=None))
    values = written(name, sketch.steps, channels, x.size)
    pooled = sketch.add(Grid(name, name, "between", x.size, channels, values, 2, 3))
    sketch.arrows.append(Arrow(x.name, name))
    if reduction is None:
        return pooled
    bound = _same(x.size, 1, channels, 1)
    return sketch.conv(
        pooled, "reduce pool", bound, column=4, row=3, weight_at=(3, 3), seed=20, title="1 x 1"
    )


def _same(size: Sequence[int], kernel: int, into: int, out: int) -> Bound:
    """Return the convolution that keeps the size."""
    return bind(Conv(windows((kernel,) * len(size), padding="same"), into, out), size)
