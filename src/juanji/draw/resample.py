"""Steps between two resolutions: averages of blocks, and repetition of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from .scene import Grid, Position, Role, Step, Tap, Write
from .stages import read, unflat, written
from .texts import kept, number, running, shape, total


def averaged(
    source: Grid, target: str, block: Sequence[int], *, stage: str = "", column: int = 0,
    row: int = 0, role: Role = "between", title: str | None = None,
) -> tuple[tuple[Step, ...], Grid]:  # fmt: skip
    """Return the steps that average blocks of `block` cells, those that exist, and their grid."""
    size = tuple(-(-cells // side) for cells, side in zip(source.size, block, strict=True))
    steps = []
    for channel, at in _each(source.channels, size):
        cells = list(_block(at, block, source.size))
        values = [read(source, channel, cell) for cell in cells]
        taps = tuple(
            Tap(source.name, channel, cell, value, 1 / len(cells))
            for cell, value in zip(cells, values, strict=True)
        )
        result = sum(values) / len(cells)
        sums = f"({' + '.join(kept([number(value) for value in values]))}) / {len(cells)}"
        text = f"{sums} = {number(result)}"
        steps.append(Step(stage, taps, (Write(target, channel, at, result),), text))
    grid = Grid(
        target, title or target, role, size, source.channels,
        written(target, steps, source.channels, size), column, row, groups=source.groups,
    )  # fmt: skip
    return tuple(steps), grid


def repeated(
    source: Grid, target: str, times: Sequence[int], size: Sequence[int], *, stage: str = "",
    before: Grid | None = None,
) -> tuple[Step, ...]:  # fmt: skip
    """Return the steps that repeat cells, cropped to `size`, each added to what is there before."""
    steps = []
    for channel, at in _each(source.channels, source.size):
        value = read(source, channel, at)
        taps, writes, texts = [], [], []
        for cell in _block(at, times, size):
            old = read(before, channel, cell) if before else 0.0
            taps.append(Tap(source.name, channel, at, value, 1.0))
            writes.append(Write(target, channel, cell, old + value))
            texts.append((old, number(value), old + value))
        text = running(texts) if before else f"{number(value)} -> {shape(times)}"
        steps.append(Step(stage, tuple(taps), tuple(writes), text, scatter=True))
    return tuple(steps)


def collected(
    source: Grid, target: str, block: Sequence[int], size: Sequence[int], *, stage: str = "",
    before: Grid | None = None,
) -> tuple[Step, ...]:  # fmt: skip
    """Return the steps that sum blocks, added to what is there: the adjoint of `repeated`."""
    steps = []
    for channel, at in _each(source.channels, size):
        taps = [
            Tap(source.name, channel, cell, read(source, channel, cell), 1.0)
            for cell in _block(at, block, source.size)
        ]
        if before:
            taps.append(Tap(target, channel, at, read(before, channel, at)))
        result = 0.0
        for tap in taps:
            result += tap.value
        text = total([number(tap.value) for tap in taps], result)
        steps.append(Step(stage, tuple(taps), (Write(target, channel, at, result),), text))
    return tuple(steps)


def spread(
    source: Grid, target: str, block: Sequence[int], size: Sequence[int], *, stage: str = "",
    before: Grid | None = None,
) -> tuple[Step, ...]:  # fmt: skip
    """Return the steps that share cells out over blocks: the adjoint of `averaged`."""
    steps = []
    for channel, at in _each(source.channels, source.size):
        value = read(source, channel, at)
        cells = list(_block(at, block, size))
        taps, writes, texts = [], [], []
        for cell in cells:
            old = read(before, channel, cell) if before else 0.0
            new = old + value / len(cells)
            taps.append(Tap(source.name, channel, at, value, 1 / len(cells)))
            writes.append(Write(target, channel, cell, new))
            texts.append((old, f"{number(value)}/{len(cells)}", new))
        steps.append(Step(stage, tuple(taps), tuple(writes), running(texts), scatter=True))
    return tuple(steps)


def _each(channels: int, size: Sequence[int]) -> Iterator[tuple[int, Position]]:
    for channel in range(channels):
        for index in range(prod(size)):
            yield channel, unflat(index, size)


def _block(at: Position, block: Sequence[int], size: Sequence[int]) -> Iterator[Position]:
    """Yield the cells of a block that exist."""
    ranges = [
        range(int(start) * side, min((int(start) + 1) * side, cells))
        for start, side, cells in zip(at, block, size, strict=True)
    ]
    return (tuple(map(float, cell)) for cell in product(*ranges))
