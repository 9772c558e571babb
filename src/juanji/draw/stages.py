"""Grids and steps that scenes are put together from: one stage is one convolution of the relation.

A composition is a chain of stages: the output grid of one is the source of the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TypeAlias

from ..bind import Bound
from ..spec import Conv
from .scene import MATRIX, Cell, Corner, Grid, Matrix, Position, Role, Step, Tap, Write
from .texts import product, running, sample, total
from .windows import Place, around, around_stuffed, channels_per_group, gather, scatter

Numbers: TypeAlias = Sequence[float]  # flat, in C order


def conv_of(bound: Bound) -> Conv:
    """Return the specification, which must be a convolution's."""
    assert isinstance(bound.spec, Conv)
    return bound.spec


def groups_of(channels: int, groups: int) -> tuple[int, ...]:
    """Return the group of every channel, consecutive blocks; () where there is one group.

    >>> groups_of(4, 2)
    (0, 0, 1, 1)
    """
    per_group = channels // groups
    return tuple(channel // per_group for channel in range(channels)) if groups > 1 else ()


def input_grid(
    bound: Bound, values: Numbers | None, *, column: int = 0, row: int = 0, stuffed: bool = False,
    name: str = "input",
) -> Grid:  # fmt: skip
    """Return the grid of (C_in, *input_size) with its padding; `stuffed`: zeros between cells."""
    spec = conv_of(bound)
    if stuffed:
        edges = [around_stuffed(axis) for axis in bound.axes]
        gaps = tuple(axis.stride for axis in bound.axes)
    elif spec.transposed:  # scattering reads no padding
        edges, gaps = [(0, 0)] * len(bound.axes), ()
    else:
        edges, gaps = [around(axis) for axis in bound.axes], ()
    count = spec.in_channels * prod(bound.input_size)
    return Grid(
        name, name, "input", bound.input_size, spec.in_channels,
        numbers(name, values, count, 0, 9, seed=1), column, row,
        low=tuple(low for low, _ in edges), high=tuple(high for _, high in edges), gaps=gaps,
        groups=groups_of(spec.in_channels, spec.groups),
    )  # fmt: skip


def weight_grid(
    bound: Bound, values: Numbers | None, *, column: int, row: int = 0, name: str = "weight",
    seed: int = 2,
) -> Grid:  # fmt: skip
    """Return the grid of a weight as torch lays it out; one channel per kernel, rows of the first.

    A dilated kernel has holes.
    """
    spec = conv_of(bound)
    size = tuple(axis.kernel for axis in bound.axes)
    into, out = channels_per_group(spec)
    first, second = (spec.in_channels, out) if spec.transposed else (spec.out_channels, into)
    return Grid(
        name, name, "weight", size, first * second,
        numbers(name, values, first * second * prod(size), -1, 2, seed=seed), column, row,
        gaps=tuple(axis.dilation for axis in bound.axes), across=max(second, 1),
        groups=groups_of(first * second, spec.groups),
    )  # fmt: skip


def bias_grid(values: Numbers, *, column: int, row: int, name: str = "bias") -> Grid:
    """Return the grid of a bias, one cell per output channel."""
    return Grid(name, name, "weight", (1,), len(values), tuple(values), column, row,
                across=max(len(values), 1))  # fmt: skip


def rest_grid(bound: Bound, values: Numbers, *, column: int, row: int, name: str = "rest") -> Grid:
    """Return the grid of what channels that are not shown add, (C_out, *output_size)."""
    spec = conv_of(bound)
    return Grid(
        name, "other channels", "between", bound.output_size, spec.out_channels,
        numbers(name, values, spec.out_channels * prod(bound.output_size), 0, 0, seed=0),
        column, row, groups=groups_of(spec.out_channels, spec.groups),
    )  # fmt: skip


def output_grid(
    bound: Bound, steps: Sequence[Step], *, column: int, row: int = 0, name: str = "output",
    role: Role = "output", cut: bool = False,
) -> Grid:  # fmt: skip
    """Return the grid that steps wrote; `cut`: with the places a transposed one cuts off around."""
    spec = conv_of(bound)
    size = bound.output_size
    values = written(name, steps, spec.out_channels, size)
    edges = [around(axis) for axis in bound.axes] if cut else []
    return Grid(
        name, name, role, size, spec.out_channels, values, column, row,
        low=tuple(low for low, _ in edges), high=tuple(high for _, high in edges),
        groups=groups_of(spec.out_channels, spec.groups),
    )  # fmt: skip


def gathered(
    bound: Bound,
    source: Grid,
    weight: Grid,
    target: str,
    *,
    bias: Grid | None = None,
    rest: Grid | None = None,
    stage: str = "",
    first_row: int | None = 0,
) -> tuple[Step, ...]:
    """Return one step per output cell: the sum of products of its window.

    Channels come outside of positions. Sums run over input channels, then taps, then the bias and
    what is not shown. `first_row` is the matrix row of the first step; None: no matrix.
    """
    spec = conv_of(bound)
    places = list(gather(bound))
    steps: list[Step] = []
    for out_channel in range(spec.out_channels):
        for place in places:
            taps = list(_taps(bound, source, weight, out_channel, place))
            taps += [Tap(bias.name, out_channel, (0.0,), bias.values[out_channel])] if bias else []
            if rest:
                at = tuple(map(float, place.position))
                added = rest.values[flat(out_channel, at, rest.size)]
                taps.append(Tap(rest.name, out_channel, at, added))
            steps.append(
                summed(
                    taps, target, out_channel, place.position, stage=stage,
                    row=None if first_row is None else first_row + len(steps),
                )
            )  # fmt: skip
    return tuple(steps)


def summed(
    taps: Sequence[Tap], target: str, channel: int, position: Position, *, stage: str = "",
    row: int | None = None,
) -> Step:  # fmt: skip
    """Return the step that writes the sum of its taps' products, in their order."""
    result = 0.0
    for tap in taps:
        result += tap.value if tap.factor is None else tap.value * tap.factor
    text = total([product(tap.value, tap.factor) for tap in taps], result)
    write = Write(target, channel, tuple(map(float, position)), result)
    return Step(stage, tuple(taps), (write,), text, row=row)


def scattered(
    bound: Bound,
    source: Grid,
    weight: Grid,
    target: str,
    *,
    bias: Grid | None = None,
    rest: Grid | None = None,
    stage: str = "",
) -> tuple[Step, ...]:
    """Return the steps of a transposed convolution that spreads its input, one cell a step.

    A first step fills the output with zero, or with the bias and what is not shown.
    """
    spec = conv_of(bound)
    per_group = channels_per_group(spec)
    size, taps_count = bound.output_size, prod(weight.size)
    sums: dict[tuple[int, Position], float] = {}
    for channel in range(spec.out_channels):
        for index in range(prod(size)):
            start = bias.values[channel] if bias else 0.0
            start += rest.values[channel * prod(size) + index] if rest else 0.0
            sums[channel, unflat(index, size)] = start
    steps = [Step("start", (), tuple(_write(target, at, value) for at, value in sums.items()), "")]
    places = list(scatter(bound))
    for in_channel in range(spec.in_channels):
        group = in_channel // per_group[0]
        for place in places:
            at = tuple(map(float, place.position))
            value = source.values[flat(in_channel, at, source.size)]
            taps, writes, texts = [], [], []
            for local in range(per_group[1]):
                out_channel = group * per_group[1] + local
                block = in_channel * per_group[1] + local
                for reach in place.reaches:
                    index = block * taps_count + _tap_index(bound, reach.tap)
                    cell = Cell(weight.name, block, unflat(index % taps_count, weight.size))
                    factor = weight.values[index]
                    taps.append(Tap(source.name, in_channel, at, value, factor, cell))
                    key = (out_channel, reach.position)
                    before = sums.get(key, 0.0)
                    after = before + value * factor
                    if reach.inside:
                        sums[key] = after
                        texts.append((before, product(value, factor), after))
                    # what is cut off is nobody's sum: it shows what would be added
                    writes.append(_write(target, key, after if reach.inside else value * factor))
            steps.append(
                Step(
                    stage, tuple(taps), tuple(writes), running(texts), scatter=True,
                    column=flat(in_channel, at, source.size),
                )
            )  # fmt: skip
    return tuple(steps)


def sparse(name: str, steps: Sequence[Step], source: Grid, target: Grid) -> Matrix | None:
    """Collect the matrix from source to target out of the steps; None: it is too large to draw."""
    rows, columns = len(target.values), len(source.values)
    if rows > MATRIX[0] or columns > MATRIX[1]:
        return None
    entries: dict[tuple[int, int], float] = {}
    for step in steps:
        for index, tap in enumerate(step.taps):
            write = step.writes[index if step.scatter else 0]
            if tap.grid != source.name or write.grid != target.name or tap.factor is None:
                continue
            if not inside(write.position, target.size):
                continue
            row = flat(write.channel, write.position, target.size)
            for corner in tap.corners or (Corner(tap.position, 1.0),):
                if inside(corner.position, source.size):
                    key = (row, flat(tap.channel, corner.position, source.size))
                    entries[key] = entries.get(key, 0.0) + corner.share * tap.factor
    listed = sorted((row, column, factor) for (row, column), factor in entries.items())
    return Matrix(name, rows, columns, tuple(listed))


def written(
    name: str, steps: Sequence[Step], channels: int, size: Sequence[int]
) -> tuple[float, ...]:
    """Return the values of the grid `name` when all steps are done."""
    values = [0.0] * (channels * prod(size))
    for step in steps:
        for write in step.writes:
            if write.grid == name and inside(write.position, size):
                values[flat(write.channel, write.position, size)] = write.value
    return tuple(values)


def read(grid: Grid, channel: int, position: Position) -> float:
    """Return the value of a cell; in padding and in holes there is zero."""
    if not inside(position, grid.size):
        return 0.0
    return grid.values[flat(channel, position, grid.size)]


def inside(position: Position, size: Sequence[int]) -> bool:
    """Whether there is a cell at a position."""
    return all(
        0 <= at < length and at == int(at) for at, length in zip(position, size, strict=True)
    )


def flat(channel: int, position: Position, size: Sequence[int]) -> int:
    """Return the index of a cell among a grid's values.

    >>> flat(1, (0.0, 2.0), (2, 3)), unflat(2, (2, 3))
    (8, (0.0, 2.0))
    """
    index = channel
    for at, length in zip(position, size, strict=True):
        index = index * length + int(at)
    return index


def unflat(index: int, size: Sequence[int]) -> Position:
    """Return the position of the cell with an index among those of one channel."""
    position = []
    for length in reversed(size):
        index, at = divmod(index, length)
        position.append(float(at))
    return tuple(reversed(position))


def _taps(
    bound: Bound, source: Grid, weight: Grid, out_channel: int, place: Place
) -> Iterator[Tap]:
    """Yield the taps of one output cell, zeros of the padding and of holes included."""
    spec = conv_of(bound)
    into, out = channels_per_group(spec)
    taps_count = prod(weight.size)
    for local in range(into):
        in_channel = out_channel // out * into + local
        if spec.transposed:
            block = in_channel * out + out_channel % out
        else:
            block = out_channel * into + local
        for reach in place.reaches:
            tap = _tap_index(bound, reach.tap)
            value = read(source, in_channel, reach.position)
            factor = weight.values[block * taps_count + tap]
            cell = Cell(weight.name, block, unflat(tap, weight.size))
            yield Tap(source.name, in_channel, reach.position, value, factor, cell)


def _tap_index(bound: Bound, tap: Sequence[int]) -> int:
    """Return the place of a tap in the kernel: from the other end when the kernel is flipped."""
    index = 0
    for k, axis in zip(tap, bound.axes, strict=True):
        index = index * axis.kernel + (axis.kernel - 1 - k if conv_of(bound).flip else k)
    return index


def _write(target: str, at: tuple[int, Position], value: float) -> Write:
    return Write(target, at[0], at[1], value)


def numbers(
    name: str, values: Numbers | None, count: int, low: int, high: int, *, seed: int
) -> tuple[float, ...]:
    """Return the numbers given, or whole ones in [low, high] that are always the same."""
    if values is None:
        return sample(count, low, high, seed)
    if len(values) != count:
        raise ValueError(f"{name} must have {count} numbers, got {len(values)}")
    return tuple(map(float, values))
