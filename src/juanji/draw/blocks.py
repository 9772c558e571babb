"""Scenes of blocks: bottleneck, residual, gated and dense connections, stacks, Inception."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

from ..bind import Bound, bind
from ..spec import Conv, Pool, Window, windows
from .facts import view as view_of
from .scene import CELLS, Arrow, Fact, Grid, Role, Scene, Step, Tap, Write, at_most
from .sketch import Sketch
from .stages import Numbers, written
from .texts import sample, shape


def bottleneck(
    size: Sequence[int], in_channels: int, middle: int, out_channels: int, kernel: int,
    input: Numbers | None = None, weights: Sequence[Numbers] | None = None,
    bias: Numbers | None = None, *, bound: Bound | None = None,
) -> Scene:  # fmt: skip
    """Return the scene of 1x1 to few channels, the kernel on these, and 1x1 back.

    `bound`: the ordinary convolution it stands for; without it the size is kept.
    """
    whole = bound or _same(size, kernel, in_channels, out_channels)
    first, second, third = weights or (None, None, None)
    sketch = Sketch()
    x = sketch.input(size, in_channels, input)
    x = sketch.conv(x, "reduce", _point(size, in_channels, middle), first, column=1)
    spec = whole.spec
    assert isinstance(spec, Conv)
    inner = replace(whole, spec=replace(spec, in_channels=middle, out_channels=middle))
    x = sketch.conv(x, "convolve", inner, second, column=2, seed=3)
    sketch.conv(
        x, "expand", _point(whole.output_size, middle, out_channels), third, column=3, seed=4,
        bias=bias, role="output", title="output",
    )  # fmt: skip
    return sketch.scene(
        "bottleneck",
        f"bottleneck {in_channels} -> {middle} -> {middle} -> {out_channels}",
        (Fact("view", view_of(whole)),),
        ordinary=whole,
    )


def residual(
    size: Sequence[int], channels: int, kernel: int, input: Numbers | None = None,
    *, skip: float = 1.0,
) -> Scene:  # fmt: skip
    """Return the scene of two convolutions whose result is added to what they started from.

    `skip` weighs the connection; 1 is the ordinary one.
    """
    sketch = Sketch()
    x = sketch.input(size, channels, input)
    bound = _same(size, kernel, channels, channels)
    hidden = sketch.conv(x, "first", bound, column=1, row=1, relu=True, seed=2)
    change = sketch.conv(hidden, "second", bound, column=2, row=1, seed=3)
    x = sketch.grids["input"]
    weighed = "" if skip == 1 else f"{skip:g}*"
    sketch.each(
        [change, x], "output", lambda v: max(v[0] + skip * v[1], 0.0),
        lambda t, y: f"max(0, {t[0]} + {weighed}{t[1]}) = {y}",
        column=3, role="output",
    )  # fmt: skip
    return sketch.scene("residual", "residual", (Fact("parts", f"relu(F(x) + {weighed}x)"),))


def gated(size: Sequence[int], channels: int, kernel: int, input: Numbers | None = None) -> Scene:
    """Return the scene of a gated connection (Highway): T * H + (1 - T) * x."""
    sketch = Sketch()
    x = sketch.input(size, channels, input)
    bound = _same(size, kernel, channels, channels)
    hidden = sketch.conv(x, "H", bound, column=1, row=1, relu=True, seed=2)
    count = channels * channels * kernel ** len(size)
    small = [value / 8 for value in sample(count, -2, 1, seed=5)]  # gates between shut and open
    score = sketch.conv(sketch.grids["input"], "score", bound, small, column=1, row=3)
    gate = sketch.each(
        [score], "T", lambda v: sigmoid(v[0]), lambda t, y: f"1 / (1 + exp(-{t[0]})) = {y}",
        column=2, row=3,
    )  # fmt: skip
    sketch.each(
        [gate, hidden, sketch.grids["input"]], "output",
        lambda v: v[0] * v[1] + (1 - v[0]) * v[2],
        lambda t, y: f"{t[0]}*{t[1]} + (1 - {t[0]})*{t[2]} = {y}",
        column=3, role="output",
    )  # fmt: skip
    return sketch.scene("gated", "gated", (Fact("parts", "T*H(x) + (1 - T)*x"),))


def dense(
    size: Sequence[int], channels: int, growth: int, layers: int, kernel: int,
    input: Numbers | None = None,
) -> Scene:  # fmt: skip
    """Return the scene of dense connections: every layer reads the results of all before it.

    Raises:
        ValueError: there is no layer.
    """
    if layers < 1:
        raise ValueError(f"layers must be at least 1, got {layers}")
    sketch = Sketch()
    sketch.input(size, channels, input)
    names = ["input"]
    for index in range(layers):
        bound = _same(size, kernel, channels + index * growth, growth)
        before = [sketch.grids[name] for name in names]
        sketch.conv(
            before, f"layer {index + 1}", bound, column=index + 1, relu=True, seed=2 + index,
            role="output" if index == layers - 1 else "between",
        )  # fmt: skip
        names.append(f"layer {index + 1}")
    count = channels + layers * growth
    text = f"{channels} + {layers}*{growth} = {count}"
    return sketch.scene("dense", "dense", (Fact("parts", text),))


def stacked(size: Sequence[int], kernel: int, layers: int, input: Numbers | None = None) -> Scene:
    """Return the scene of small kernels one after the other, which see what a large one sees.

    Raises:
        ValueError: there is no layer.
    """
    if layers < 1:
        raise ValueError(f"layers must be at least 1, got {layers}")
    sketch = Sketch()
    x = sketch.input(size, 1, input)
    for index in range(layers):
        last = index == layers - 1
        bound = bind(Conv(windows((kernel,) * len(size)), 1, 1), x.size)
        x = sketch.conv(
            x, f"layer {index + 1}", bound, column=index + 1, seed=2 + index,
            role="output" if last else "between", title="output" if last else None,
        )  # fmt: skip
    large = layers * (kernel - 1) + 1
    whole = bind(Conv(windows((large,) * len(size)), 1, 1), size)
    view = Fact("view", f"1 + {layers}*({kernel} - 1) = {large}")
    title = f"{layers} x {shape((kernel,) * len(size))} = {shape((large,) * len(size))}"
    return sketch.scene("stacked", title, (view,), ordinary=whole)


def view(
    size: int, kernels: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Scene:
    """Return the scene of what the cells of a stack of layers see of its input, along one axis.

    A cell's number is how many input cells it sees, from the first to the last.

    Raises:
        ValueError: there is not one kernel, stride and dilation for each layer, or no layer.

    >>> view(7, (3, 3), (1, 1), (1, 1)).steps[-1].arithmetic
    '3 + (3 - 1)*1*1 = 5'
    """
    if not kernels or not len(kernels) == len(strides) == len(dilations):
        raise ValueError(
            f"kernels, strides and dilations must have one value for each layer, got "
            f"{tuple(kernels)}, {tuple(strides)} and {tuple(dilations)}"
        )
    at_most("cells", size * (len(kernels) + 1), CELLS)
    layers = [Window(*layer) for layer in zip(kernels, strides, dilations, strict=True)]
    sizes, count = [size], len(layers)
    for layer in layers:
        (axis,) = bind(Pool((layer,)), (sizes[-1],)).axes
        sizes.append(axis.coarse)
    grids = [Grid("input", "input", "input", (size,), 1, (1.0,) * size, 0, count)]
    steps, seen, jump, facts = [], 1, 1, []
    for index, layer in enumerate(layers):
        name = "output" if index == count - 1 else f"layer {index + 1}"
        before, seen = seen, seen + (layer.kernel - 1) * layer.dilation * jump
        text = f"{before} + ({layer.kernel} - 1)*{layer.dilation}*{jump} = {seen}"
        jump *= layer.stride
        facts.append(text)
        for position in range(sizes[index + 1]):
            taps = _seen(grids, layers[: index + 1], position)
            write = Write(name, 0, (float(position),), float(seen))
            steps.append(Step(name, tuple(taps), (write,), text))
        values = written(name, steps, 1, sizes[index + 1 : index + 2])
        role: Role = "output" if index == count - 1 else "between"
        grids.append(Grid(name, name, role, (sizes[index + 1],), 1, values, 0, count - 1 - index))
    arrows = [Arrow(a.name, b.name) for a, b in pairwise(grids)]
    return Scene(
        operator="view",
        title=f"view {seen}",
        facts=(Fact("view", ";  ".join(facts)),),
        grids=tuple(grids),
        steps=tuple(steps),
        arrows=tuple(arrows),
    )


def _seen(grids: Sequence[Grid], layers: Sequence[Window], position: int) -> list[Tap]:
    """Return the cells of all earlier maps that lie on a way to one cell."""
    taps: list[Tap] = []
    reached = {position}
    for grid, layer in zip(reversed(grids), reversed(layers), strict=True):
        reached = {
            at * layer.stride + k * layer.dilation
            for at, k in product(reached, range(layer.kernel))
        }
        taps = [Tap(grid.name, 0, (float(at),), grid.values[at]) for at in sorted(reached)] + taps
    return taps


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), for any x."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


def _same(size: Sequence[int], kernel: int, into: int, out: int) -> Bound:
    """Return the convolution that keeps the size."""
    return bind(Conv(windows((kernel,) * len(size), padding="same"), into, out), size)


def _point(size: Sequence[int], into: int, out: int) -> Bound:
    return bind(Conv(windows((1,) * len(size)), into, out), size)
