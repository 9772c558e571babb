"""Scenes of squeeze and excitation: channels are weighed by what all of them hold on average."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .blocks import sigmoid
from .scene import CELLS, Arrow, Cell, Fact, Grid, Scene, Step, Tap, Write, at_most
from .stages import Numbers, numbers, read, unflat, written
from .texts import kept, number, product, sample, total


def squeeze_excite(
    size: Sequence[int], channels: int, middle: int, input: Numbers | None = None,
    weights: Sequence[Numbers] | None = None, biases: Sequence[Numbers] | None = None,
    *, means: Numbers | None = None,
) -> Scene:  # fmt: skip
    """Return the scene of global average, two fully connected layers, sigmoid and product.

    Shapes, flat: input (C, *size), weights (M, C) and (C, M), biases (M,) and (C,); means (C,),
    where the input is a part of what is averaged.

    >>> scene = squeeze_excite((2,), 1, 1, [1, 3], [[2], [0]])
    >>> [(step.stage, step.arithmetic) for step in scene.steps][:4]
    [('squeeze', '(1 + 3) / 2 = 2'), ('reduce', 'max(0, 2*2 = 4) = 4'),
     ('expand', '1 / (1 + exp(-x)) = 0.5;  x = 4*0 = 0'), ('scale', '1*0.5 = 0.5')]
    """
    cells = prod(size)
    at_most("cells", 2 * channels * (cells + middle + 1), CELLS)
    first, second = weights or (None, None)
    source = Grid(
        "input", "input", "input", tuple(size), channels,
        numbers("input", input, channels * cells, 0, 9, seed=1), 0, groups=tuple(range(channels)),
    )  # fmt: skip
    down = _matrix("reduce weight", first, middle, channels, column=2, seed=2)
    up = _matrix("expand weight", second, channels, middle, column=3, seed=3)
    shifts = [None if biases is None else _vector(f"bias {i + 1}", b, 2 + i)
              for i, b in enumerate(biases or (None, None))]  # fmt: skip
    steps = [
        _squeeze(source, channel, None if means is None else means[channel])
        for channel in range(channels)
    ]
    squeezed = _made("squeeze", steps, channels, 1)
    steps += _layer("reduce", squeezed, down, shifts[0], relu=True)
    hidden = _made("reduce", steps, middle, 2)
    steps += _layer("expand", hidden, up, shifts[1], relu=False)
    gate = _made("expand", steps, channels, 3)
    for channel in range(channels):
        factor = read(gate, 0, (float(channel), 0.0))
        for index in range(cells):
            at = unflat(index, size)
            value = read(source, channel, at)
            taps = (
                Tap("input", channel, at, value, factor, Cell("expand", 0, (float(channel), 0.0))),
            )
            write = Write("output", channel, at, value * factor)
            text = f"{product(value, factor)} = {number(value * factor)}"
            steps.append(Step("scale", taps, (write,), text))
    output = Grid(
        "output", "output", "output", tuple(size), channels,
        written("output", steps, channels, size), 4, groups=tuple(range(channels)),
    )  # fmt: skip
    count = 2 * channels * middle + (channels + middle if biases else 0)
    extra = f" + {middle} + {channels}" if biases else ""
    return Scene(
        operator="squeeze-excite",
        title="squeeze-excite",
        facts=(Fact("weights", f"2 x {channels} x {middle}{extra} = {count}"),),
        grids=(source, squeezed, hidden, gate, down, up, *filter(None, shifts), output),
        steps=tuple(steps),
        arrows=tuple(
            Arrow(*ends)
            for ends in (
                ("input", "squeeze"), ("squeeze", "reduce"), ("reduce", "expand"),
                ("expand", "output"),
            )
        ),
    )  # fmt: skip


def _matrix(
    name: str, values: Numbers | None, rows: int, columns: int, *, column: int, seed: int
) -> Grid:
    if values is None:  # small ones: the gates stay apart
        values = [value / 8 for value in sample(rows * columns, -2, 2, seed)]
    given = numbers(name, values, rows * columns, 0, 0, seed=0)
    return Grid(name, "weight", "weight", (rows, columns), 1, given, column, 1)


def _vector(name: str, values: Numbers | None, column: int) -> Grid | None:
    if values is None:
        return None
    return Grid(name, "bias", "weight", (len(values), 1), 1, tuple(values), column, 2)


def _made(name: str, steps: Sequence[Step], cells: int, column: int) -> Grid:
    values = written(name, steps, 1, (cells, 1))
    return Grid(name, name, "between", (cells, 1), 1, values, column, 0)


def _squeeze(source: Grid, channel: int, mean: float | None) -> Step:
    """Return the step that averages one channel."""
    cells = [unflat(index, source.size) for index in range(prod(source.size))]
    values = [read(source, channel, at) for at in cells]
    taps = tuple(
        Tap("input", channel, at, value, 1 / len(cells))
        for at, value in zip(cells, values, strict=True)
    )
    terms = [number(value) for value in values]
    if mean is None:
        mean = sum(values) / len(cells)
        text = f"({' + '.join(kept(terms))}) / {len(cells)} = {number(mean)}"
    else:
        text = f"mean({', '.join(kept([*terms, '...']))}) = {number(mean)}"
    return Step("squeeze", taps, (Write("squeeze", 0, (float(channel), 0.0), mean),), text)


def _layer(name: str, source: Grid, weight: Grid, shift: Grid | None, *, relu: bool) -> list[Step]:
    """Return the steps of a fully connected layer, with ReLU or sigmoid behind it."""
    rows, columns = weight.size
    steps = []
    for row in range(rows):
        taps, terms, result = [], [], 0.0
        for column in range(columns):
            at = (float(column), 0.0)
            value, cell = source.values[column], (float(row), float(column))
            factor = read(weight, 0, cell)
            taps.append(Tap(source.name, 0, at, value, factor, Cell(weight.name, 0, cell)))
            terms.append(product(value, factor))
            result += value * factor
        if shift:
            taps.append(Tap(shift.name, 0, (float(row), 0.0), shift.values[row]))
            terms.append(number(shift.values[row]))
            result += shift.values[row]
        text = total(terms, result)
        if relu:
            after = max(result, 0.0)
            text = f"max(0, {text}) = {number(after)}"
        else:
            after = sigmoid(result)
            text = f"1 / (1 + exp(-x)) = {number(after)};  x = {text}"
        write = Write(name, 0, (float(row), 0.0), after)
        steps.append(Step(name, tuple(taps), (write,), text))
    return steps
