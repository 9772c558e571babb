"""Scenes of the two resolutions: channels split into high and low, merged again, an image split."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .resample import averaged, repeated
from .scene import CELLS, Arrow, Fact, Grid, Scene, Step, Tap, Write, at_most
from .stages import Numbers, numbers, read, unflat, written
from .texts import number, shape


def split(
    size: Sequence[int], channels: int, low: int, input: Numbers | None = None, *, alpha: str = ""
) -> Scene:
    """Return the scene of `octave_split`: the last `low` channels are averaged to half the size.

    >>> [step.arithmetic for step in split((3,), 2, 1, [1, 2, 3, 4, 6, 8]).steps]
    ['1', '2', '3', '(4 + 6) / 2 = 5', '(8) / 1 = 8']
    """
    cells = prod(size)
    at_most("cells", 2 * channels * cells, CELLS)
    values = numbers("input", input, channels * cells, 0, 9, seed=1)
    high = channels - low
    halves = (0,) * high + (1,) * low
    source = Grid("input", "input", "input", tuple(size), channels, values, 0, groups=halves)
    steps = list(_copied(source, range(high), "high"))
    grids = [source]
    if high:
        kept = written("high", steps, high, size)
        grids.append(
            Grid("high", "high", "output", tuple(size), high, kept, 1, 0, groups=(0,) * high)
        )
    if low:
        averages, small = averaged(
            _last(source, low), "low", (2,) * len(size), stage="low", column=1, row=1,
            role="output",
        )  # fmt: skip
        steps += [_moved(step, high) for step in averages]
        grids.append(small)
    saved = low * (cells - prod(_halve(size)))
    return Scene(
        operator="octave-split",
        title="octave-split",
        facts=(
            Fact("alpha", alpha or f"{low}/{channels}"),
            Fact("output size", " and ".join(shape((g.channels, *g.size)) for g in grids[1:])),
            Fact("parts", f"{channels * cells} -> {channels * cells - saved}"),
        ),
        grids=tuple(grids),
        steps=tuple(steps),
        arrows=tuple(Arrow("input", grid.name) for grid in grids[1:]),
    )


def merge(
    size: Sequence[int], high: int, low: int, high_values: Numbers | None = None,
    low_values: Numbers | None = None,
) -> Scene:  # fmt: skip
    """Return the scene of `octave_merge`: low cells are repeated to full size, behind the high.

    >>> [step.arithmetic for step in merge((3,), 1, 1, [1, 2, 3], [4, 5]).steps]
    ['1', '2', '3', '4 -> 2', '5 -> 2']
    """
    cells, half = prod(size), _halve(size)
    at_most("cells", 2 * (high + low) * cells, CELLS)
    grids: list[Grid] = []
    steps: list[Step] = []
    if high:
        given = numbers("high", high_values, high * cells, 0, 9, seed=1)
        grids.append(Grid("high", "high", "input", tuple(size), high, given, 0, 0))
        steps += _copied(grids[-1], range(high), "output")
    if low:
        given = numbers("low", low_values, low * prod(half), 0, 9, seed=6)
        grids.append(Grid("low", "low", "input", half, low, given, 0, 1, groups=(1,) * low))
        steps += [
            _moved(step, 0, high)
            for step in repeated(grids[-1], "output", (2,) * len(size), size, stage="low")
        ]
    values = written("output", steps, high + low, size)
    output = Grid(
        "output", "output", "output", tuple(size), high + low, values, 1,
        groups=(0,) * high + (1,) * low,
    )  # fmt: skip
    return Scene(
        operator="octave-merge",
        title="octave-merge",
        facts=(Fact("output size", shape((high + low, *size))),),
        grids=(*grids, output),
        steps=tuple(steps),
        arrows=tuple(Arrow(grid.name, "output") for grid in grids),
    )


def frequencies(size: Sequence[int], channels: int, input: Numbers | None = None) -> Scene:
    """Return the scene of `frequency_split`: block averages are the low part, the rest is high.

    >>> scene = frequencies((3,), 1, [1, 3, 8])
    >>> [step.arithmetic for step in scene.steps][2:]
    ['2 -> 2', '8 -> 2', '1 - 2 = -1', '3 - 2 = 1', '8 - 8 = 0']
    """
    cells = prod(size)
    at_most("cells", 4 * channels * cells, CELLS)
    values = numbers("image", input, channels * cells, 0, 9, seed=1)
    whole = Grid("image", "image", "input", tuple(size), channels, values, 0)
    block = (2,) * len(size)
    averages, small = averaged(whole, "average", block, stage="average", column=1)
    repeats = repeated(small, "low", block, size, stage="repeat")
    low = Grid(
        "low", "low", "output", tuple(size), channels, written("low", repeats, channels, size), 2, 1
    )
    rests = []
    for channel in range(channels):
        for index in range(cells):
            at = unflat(index, size)
            x, smooth = read(whole, channel, at), read(low, channel, at)
            taps = (Tap("image", channel, at, x, 1.0), Tap("low", channel, at, smooth, -1.0))
            text = f"{number(x)} - {_bracketed(smooth)} = {number(x - smooth)}"
            rests.append(Step("rest", taps, (Write("high", channel, at, x - smooth),), text))
    high = Grid("high", "high", "output", tuple(size), channels,
                written("high", rests, channels, size), 2, 0)  # fmt: skip
    return Scene(
        operator="frequency-split",
        title="frequency-split",
        facts=(
            Fact("output size", f"{shape(size)} and {shape(small.size)}"),
            Fact("parts", "image = high + low"),
        ),
        grids=(whole, small, high, low),
        steps=(*averages, *repeats, *rests),
        arrows=(Arrow("image", "average"), Arrow("average", "low"), Arrow("image", "high")),
    )


def _halve(size: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-cells // 2) for cells in size)


def _bracketed(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _copied(source: Grid, channels: range, target: str) -> tuple[Step, ...]:
    """Return the steps that copy channels, cell by cell."""
    steps = []
    for channel in channels:
        for index in range(prod(source.size)):
            at = unflat(index, source.size)
            value = read(source, channel, at)
            taps = (Tap(source.name, channel, at, value, 1.0),)
            steps.append(Step("high", taps, (Write(target, channel, at, value),), number(value)))
    return tuple(steps)


def _last(grid: Grid, count: int) -> Grid:
    """Return the last channels of a grid, under its name."""
    values = grid.values[len(grid.values) - count * prod(grid.size) :]
    groups = grid.groups[len(grid.groups) - count :] if grid.groups else ()
    return Grid(grid.name, grid.title, grid.role, grid.size, count, values, 0, groups=groups)


def _moved(step: Step, reads: int, writes: int = 0) -> Step:
    """Return the step with its channels counted from others on."""
    taps = tuple(
        Tap(tap.grid, tap.channel + reads, tap.position, tap.value, tap.factor) for tap in step.taps
    )
    written_to = tuple(
        Write(write.grid, write.channel + writes, write.position, write.value)
        for write in step.writes
    )
    return Step(step.stage, taps, written_to, step.arithmetic, scatter=step.scatter)
