"""Scenes of unpooling: values go back to recorded places, or to their whole windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from ..bind import Axis, Bound
from . import pool
from .scene import CELLS, STEPS, Fact, Grid, Position, Scene, Step, Tap, Write, at_most
from .stages import Numbers, flat, numbers, read, sparse, unflat, written
from .texts import number, running, shape


def max_unpool(bound: Bound, channels: int, pooled: Numbers, indices: Sequence[int]) -> Scene:
    """Return the scene of max unpooling: each value is written to its recorded cell.

    Shapes, flat: pooled and indices (channels, *coarse); an index counts the cells of a channel of
    the fine grid in C order.

    Raises:
        IndexError: an index is not that of a cell.
    """
    values = _coarse("pooled", bound, channels, pooled, column=0)
    recorded = _coarse("indices", bound, channels, indices, column=0, row=1)
    steps = _written_back(bound, values, recorded)
    return _scene("max-unpool", bound, (values, recorded), steps, values)


def max_pool_and_unpool(bound: Bound, channels: int, input: Numbers | None = None) -> Scene:
    """Return the scene of max pooling that records positions, and unpooling that uses them.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Pool, windows
    >>> bound = bind(Pool(windows((2,), stride=2)), (4,))
    >>> scene = max_pool_and_unpool(bound, 1, [1, 3, 2, 0])
    >>> [step.arithmetic for step in scene.steps]
    ['max(1, 3) = 3;  argmax = 1', 'max(2, 0) = 2;  argmax = 2', '',
     'output[1] = 3', 'output[2] = 2']
    >>> scene.grids[-1].values
    (0.0, 3.0, 2.0, 0.0)
    """
    source = pool.input_grid(bound, channels, input)
    recording = []
    for step, (channel, place) in zip(
        pool.max_pool(bound, channels, input).steps, pool.each(bound, channels), strict=True
    ):
        best = flat(0, pool.greatest(source, channel, place), source.size)
        (write,) = step.writes
        writes = (
            Write("pooled", channel, write.position, write.value),
            Write("indices", channel, write.position, float(best)),
        )
        recording.append(Step("pool", step.taps, writes, f"{step.arithmetic};  argmax = {best}"))
    size = tuple(axis.coarse for axis in bound.axes)
    values, indices = (
        Grid(
            name, name, "between", size, channels, written(name, recording, channels, size),
            column=1, row=row,
        )
        for row, name in enumerate(("pooled", "indices"))
    )  # fmt: skip
    steps = (*recording, *_written_back(bound, values, indices))
    return _scene("max-unpool", bound, (source, values, indices), steps, None)


def avg_unpool(bound: Bound, channels: int, input: Numbers | None = None) -> Scene:
    """Return the scene of average unpooling: every value fills its window.

    Where windows overlap, a cell gets the average of their values.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Pool, windows
    >>> bound = bind(Pool(windows((2,), stride=2)), (4,))
    >>> [step.arithmetic for step in avg_unpool(bound, 1, [3, 2]).steps]
    ['3 -> 2', '2 -> 2']
    """
    values = _coarse("pooled", bound, channels, input, column=0)
    held = dict.fromkeys(_fine(bound), 0)
    for _, place in pool.each(bound, 1):
        for reach in place.reaches:
            if reach.inside:
                held[reach.position] += 1
    steps = [] if all(held.values()) else [_zeros(bound, channels)]
    sums: dict[tuple[int, Position], float] = {}
    for channel, place in pool.each(bound, channels):
        at = tuple(map(float, place.position))
        value = read(values, channel, at)
        cells = [reach.position for reach in place.reaches if reach.inside]
        taps, writes, texts = [], [], []
        for cell in cells:
            before = sums.get((channel, cell), 0.0)
            after = before + value * (1 / held[cell])
            sums[channel, cell] = after
            taps.append(Tap(values.name, channel, at, value, 1 / held[cell]))
            writes.append(Write("output", channel, cell, after))
            texts.append((before, f"{number(value)}/{held[cell]}", after))
        whole = f"{number(value)} -> {shape(axis.kernel for axis in bound.axes)}"
        text = running(texts) if any(held[cell] > 1 for cell in cells) else whole
        column = flat(channel, at, values.size)
        steps.append(Step("", tuple(taps), tuple(writes), text, scatter=True, column=column))
    return _scene("avg-unpool", bound, (values,), tuple(steps), values)


def _coarse(
    name: str, bound: Bound, channels: int, values: Numbers | None, *, column: int, row: int = 0
) -> Grid:
    size = tuple(axis.coarse for axis in bound.axes)
    at_most("cells", channels * (2 * prod(size) + prod(bound.input_size)), CELLS)
    at_most("steps", channels * prod(size) + 1, STEPS)
    given = numbers(name, values, channels * prod(size), 1, 9, seed=46)
    return Grid(name, name, "input", size, channels, given, column, row)


def _written_back(bound: Bound, values: Grid, indices: Grid) -> tuple[Step, ...]:
    """Return the steps that write zeros everywhere, and then every value to its cell."""
    fine = bound.input_size
    steps = [_zeros(bound, values.channels)]
    for channel in range(values.channels):
        for index in range(prod(values.size)):
            at = unflat(index, values.size)
            value, cell = read(values, channel, at), int(read(indices, channel, at))
            if not 0 <= cell < prod(fine):
                raise IndexError(
                    f"indices must be at least 0 and below {prod(fine)}, the cells of output size "
                    f"{list(fine)}, got {cell}"
                )
            taps = (
                Tap(values.name, channel, at, value, 1.0),
                Tap(indices.name, channel, at, float(cell)),
            )
            write = Write("output", channel, unflat(cell, fine), value)
            column = flat(channel, at, values.size)
            text = f"output[{_spelled(cell, fine)}] = {number(value)}"
            steps.append(Step("unpool", taps, (write,), text, column=column))
    return tuple(steps)


def _spelled(cell: int, size: Sequence[int]) -> str:
    """Write how an index is made of a position: 6 in (2, 4) is "6 = 1*4 + 2"."""
    parts, rest = [], prod(size)
    position = unflat(cell, size)
    for at, cells in zip(position, size, strict=True):
        rest //= cells
        parts.append(f"{int(at)}*{rest}" if rest > 1 else f"{int(at)}")
    return " + ".join(parts) if len(size) == 1 else f"{cell} = {' + '.join(parts)}"


def _zeros(bound: Bound, channels: int) -> Step:
    writes = [Write("output", c, cell, 0.0) for c in range(channels) for cell in _fine(bound)]
    return Step("start", (), tuple(writes), "")


def _fine(bound: Bound) -> Iterator[Position]:
    """Yield the positions of the fine grid."""
    for index in range(prod(bound.input_size)):
        yield unflat(index, bound.input_size)


def _exact(axis: Axis) -> bool:
    """Whether whole windows fill the fine grid."""
    span = axis.dilation * (axis.kernel - 1) + 1
    return (axis.coarse - 1) * axis.stride + span == axis.fine + axis.pad_low + axis.pad_high


def _scene(
    operator: str, bound: Bound, before: tuple[Grid, ...], steps: tuple[Step, ...],
    through: Grid | None,
) -> Scene:  # fmt: skip
    size, channels = bound.input_size, before[0].channels
    output = Grid(
        "output", "output", "output", size, channels, written("output", steps, channels, size),
        column=max(grid.column for grid in before) + 1,
    )  # fmt: skip
    sizes = [
        f"({axis.coarse} - 1)*{axis.stride} + {axis.dilation * (axis.kernel - 1) + 1} - "
        f"{axis.pad_low} - {axis.pad_high} = {axis.fine}"
        if _exact(axis)
        else f"{axis.coarse} -> {axis.fine}"
        for axis in bound.axes
    ]
    return Scene(
        operator=operator,
        title=pool.describe(operator, bound),
        facts=(Fact("output size", ";  ".join(dict.fromkeys(sizes))), Fact("weights", "0")),
        grids=(*before, output),
        steps=steps,
        matrix=sparse("C^T", steps, through, output) if through else None,
    )
