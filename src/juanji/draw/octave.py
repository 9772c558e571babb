"""Scenes of octave convolution: two resolutions and the four paths between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from .. import cost
from ..bind import Bound
from ..ops.octave.paths import Cut, Path, Paths, halve
from . import stages
from .resample import averaged, repeated
from .scene import CELLS, STEPS, Arrow, Fact, Grid, Scene, Step, Tap, at_most
from .stages import Numbers, groups_of, numbers
from .texts import shape


@dataclass
class _Drawing:
    """A scene while its paths are added."""

    paths: Paths
    grids: list[Grid] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    outputs: dict[str, Grid] = field(default_factory=dict)

    def flow(self, source: str, target: str, label: str = "") -> None:
        self.arrows.append(Arrow(source, target, label))


def scene(
    cut: Cut,
    bound: Bound,
    high: Numbers | None = None,
    low: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    *,
    rest: Mapping[str, Numbers] | None = None,
    alpha: str = "",
    title: str | None = None,
) -> Scene:
    """Return the scene of octave convolution; `bound` is the ordinary convolution at full size.

    Shapes, flat in C order: high (C_high, *spatial), low (C_low, *ceil(spatial / 2)); weight and
    bias as for the ordinary convolution; rest, by "high" and "low", what channels that are not
    shown add to each output.

    Raises:
        ValueError: sizes do not fit, or there is too much to draw.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> spec = Conv(windows((1,)), 2, 1)
    >>> paths = scene(Cut(spec, 1, 0), bind(spec, (3,)), [1, 2, 3], [10, 20], [1, 2])
    >>> [(step.stage, step.arithmetic) for step in paths.steps][-3:]
    [('L->H', '20*2 = 40'), ('L->H: repeat', '1 + 20 = 21;  2 + 20 = 22'),
     ('L->H: repeat', '3 + 40 = 43')]
    """
    spec = cut.spec
    paths = Paths(cut, bound)
    cells = (spec.in_channels + spec.out_channels) * prod(bound.input_size)
    at_most("cells", cells + cost.weights(spec), CELLS)
    at_most("steps", 2 * spec.out_channels * prod(bound.output_size), STEPS)
    drawing = _Drawing(paths)
    ordinary = not (cut.low_in or cut.low_out)
    sizes = {"high": paths.fine, "low": halve(paths.fine)}
    given = {"high": (high, cut.given[0], 1), "low": (low, cut.given[1], 6)}
    sources: dict[str, Grid] = {}
    for row, name in enumerate(("high", "low")):
        values, channels, seed = given[name]
        if channels:
            sources[name] = Grid(
                name, f"{name} input", "input", sizes[name], channels,
                numbers(name, values, channels * prod(sizes[name]), 0, 9, seed=seed), 0, 2 * row,
                groups=groups_of(channels, channels if cut.depthwise else spec.groups),
            )  # fmt: skip
    drawing.grids += sources.values()
    kernel = [axis.kernel for axis in bound.axes]
    columns = spec.in_channels // spec.groups
    count = spec.out_channels * columns * prod(kernel)
    parts = Weights(cut, kernel, numbers("weight", weight, count, -1, 2, seed=2), bias)
    if ordinary:
        _convolve(drawing, parts, "H->H", bound, sources["high"], "high", None)
    else:
        _high(drawing, parts, sources)
        _low(drawing, parts, sources)
    for name, numbers_of in (rest or {}).items():
        _others(drawing, name, numbers_of)
    return Scene(
        operator="octave",
        title=title or f"octave {shape(kernel)}",
        facts=facts_of(cut, bound, alpha),
        grids=(*drawing.grids, *drawing.outputs.values()),
        steps=tuple(drawing.steps),
        arrows=tuple(drawing.arrows),
    )  # fmt: skip


def facts_of(cut: Cut, bound: Bound, alpha: str = "") -> tuple[Fact, ...]:
    """Return the facts of octave convolution: alpha, sizes, weights, and the cost of its paths."""
    spec = cut.spec
    kernel, columns = [axis.kernel for axis in bound.axes], sum(cut.fine) // spec.groups
    sizes = [shape(bound.output_size), shape(halve(bound.output_size))]
    made = [size for size, count in zip(sizes, cut.made, strict=True) if count]
    parts = _costs(Paths(cut, bound))
    names = " + ".join(f"{name} {number}" for name, number in parts.items())
    whole = cost.multiply_adds(bound).dense
    counted = f"{cut.low_in}/{spec.in_channels} -> {cut.low_out}/{spec.out_channels}"
    return (
        Fact("alpha", alpha or counted),
        Fact("output size", " and ".join(made)),
        Fact("weights", f"{shape((sum(cut.coarse), columns, *kernel))} = {cost.weights(spec)}"),
        Fact("multiply-adds", f"{names} = {sum(parts.values())} (alpha 0: {whole})"),
    )  # fmt: skip


def _costs(paths: Paths) -> dict[str, int]:
    """Return the multiply-adds of every path that there is."""
    cut = paths.cut
    if not (cut.low_in or cut.low_out):
        return {"H->H": cost.multiply_adds(paths.bound).dense}
    bounds = {}
    if cut.fine[0] and cut.coarse[0]:
        bounds["H->H"] = paths.high_to_high.bound
    if cut.fine[1] and cut.coarse[0] and not cut.depthwise:
        bounds["L->H"] = paths.low_to_high.bound
    if cut.fine[0] and cut.coarse[1] and not cut.depthwise:
        bounds["H->L"] = part(paths.to_low, cut.fine[0])
    if cut.fine[1] and cut.coarse[1]:
        low = paths.to_low
        bounds["L->L"] = low.bound if cut.depthwise else part(low, cut.fine[1])
    if cut.spec.transposed:  # the same paths, walked backwards
        bounds = {name[::-1].replace(">-", "->"): bound for name, bound in bounds.items()}
    return {name: cost.multiply_adds(bound).dense for name, bound in bounds.items()}


@dataclass(frozen=True)
class Weights:
    """The ordinary weight, cut into the four paths."""

    cut: Cut
    kernel: Sequence[int]
    values: tuple[float, ...]
    bias: Numbers | None

    def part(self, name: str) -> tuple[float, ...]:
        """Return the block of a path, such as "H->L"."""
        spec = self.cut.spec
        taps, columns = prod(self.kernel), sum(self.cut.fine) // spec.groups
        high_out, high_in = self.cut.coarse[0], self.cut.fine[0] // spec.groups
        rows = range(high_out) if name.endswith("H") else range(high_out, sum(self.cut.coarse))
        picked = range(high_in) if name.startswith("H") else range(high_in, columns)
        if self.cut.depthwise or not (self.cut.low_in or self.cut.low_out):
            picked = range(columns)
        return tuple(
            self.values[(row * columns + column) * taps + tap]
            for row in rows
            for column in picked
            for tap in range(taps)
        )

    def added(self, name: str) -> Numbers | None:
        """Return the bias of the output that a path leads to."""
        if self.bias is None:
            return None
        high = self.cut.made[0]
        return self.bias[:high] if name.endswith("H") else self.bias[high:]


def _high(drawing: _Drawing, parts: Weights, sources: dict[str, Grid]) -> None:
    """Y_H = conv(X_H) + repeat(conv(X_L))."""
    paths, cut = drawing.paths, drawing.paths.cut
    if not cut.made[0]:
        return
    if "high" in sources:
        x = _pool(drawing, sources["high"], paths.pooled, "H->H: pool", row=0)
        path = paths.high_to_high
        _convolve(drawing, parts, "H->H", path.bound, x, "high", None)
    if "low" not in sources or cut.depthwise:
        return
    path = paths.low_to_high
    x = sources["low"]
    if any(times > 1 for times in path.repeat):
        steps = repeated(x, "low repeated", path.repeat, path.repeated, stage="L->H: repeat input")
        drawing.steps += steps
        values = stages.written("low repeated", steps, x.channels, path.repeated)
        grown = Grid(
            "low repeated", "repeated", "between", path.repeated, x.channels, values, 1, 1,
            groups=x.groups,
        )  # fmt: skip
        drawing.grids.append(grown)
        drawing.flow(x.name, grown.name)
        x = grown
    x = _pool(drawing, x, path.shrink, "L->H: pool", row=1)
    if all(times == 1 for times in path.after):
        _convolve(drawing, parts, "L->H", path.bound, x, "high", drawing.outputs.get("high"))
        return
    _convolve(drawing, parts, "L->H", path.bound, x, "", None)
    small = drawing.grids[-1]
    before = drawing.outputs.get("high")
    name = "high output"
    steps = repeated(small, name, path.after, path.made, stage="L->H: repeat", before=before)
    drawing.steps += steps
    _output(drawing, path, small.channels, "high", small.groups)
    drawing.flow(small.name, name)


def _low(drawing: _Drawing, parts: Weights, sources: dict[str, Grid]) -> None:
    """Y_L = conv(pool(X_H)) + conv(X_L)."""
    paths, cut = drawing.paths, drawing.paths.cut
    if not cut.made[1]:
        return
    path = paths.to_low
    halves = (2,) * len(paths.strides)
    if "high" in sources and not cut.depthwise:
        shared = [grid for grid in drawing.grids if grid.name == "H->H: pool"]
        x = (
            shared[0]
            if shared
            else _pool(drawing, sources["high"], paths.pooled, "H->H: pool", row=0)
        )
        x = _pool(drawing, x, halves, "H->L: pool", row=1 if x.name == "high" else 2)
        _convolve(drawing, parts, "H->L", part(path, cut.fine[0]), x, "low", None)
    if "low" in sources:
        x = _pool(drawing, sources["low"], paths.pooled, "L->L: pool", row=3)
        bound = path.bound if cut.depthwise else part(path, cut.fine[1])
        _convolve(drawing, parts, "L->L", bound, x, "low", drawing.outputs.get("low"))


def part(path: Path, channels: int) -> Bound:
    """Return the convolution of some of a path's fine channels."""
    bound = path.bound
    spec = stages.conv_of(bound)
    if spec.transposed:
        return replace(bound, spec=replace(spec, out_channels=channels))
    return replace(bound, spec=replace(spec, in_channels=channels))


def _pool(drawing: _Drawing, source: Grid, block: Sequence[int], stage: str, *, row: int) -> Grid:
    """Average, if there is something to average, and return what is to be convolved."""
    if all(side == 1 for side in block):
        return source
    steps, grid = averaged(source, stage, block, stage=stage, column=1, row=row, title="average")
    drawing.steps += steps
    drawing.grids.append(grid)
    drawing.flow(source.name, grid.name)
    return grid


def _convolve(
    drawing: _Drawing, parts: Weights, path: str, bound: Bound, source: Grid, target: str,
    before: Grid | None,
) -> None:  # fmt: skip
    """Add one path's convolution; without a target its result stays between."""
    rows = {"H->H": 0, "H->L": 2, "L->H": 1, "L->L": 3}
    kernel = stages.weight_grid(bound, parts.part(path), column=2, row=rows[path], name=path)
    drawing.grids.append(kernel)
    added = None if before is not None else parts.added(path)
    shift = None
    if added is not None:
        names = {grid.name for grid in drawing.grids}
        name = f"bias {path[-1]}"
        if name not in names:
            shift = stages.bias_grid(added, column=3, row=4 if path[-1] == "L" else 5, name=name)
            drawing.grids.append(shift)
    name = f"{target} output" if target else "low result"
    rest = replace(before, name=name) if before is not None else None
    drawing.steps += stages.gathered(
        bound, source, kernel, name, bias=shift, rest=rest, stage=path, first_row=None
    )
    drawing.flow(source.name, kernel.name)
    drawing.flow(kernel.name, name)
    if target:
        row = 0 if target == "high" else 2
        grid = stages.output_grid(bound, drawing.steps, column=4, row=row, name=name)
        drawing.outputs[target] = replace(grid, title=name)
    else:
        grid = stages.output_grid(bound, drawing.steps, column=3, row=1, name=name, role="between")
        drawing.grids.append(replace(grid, title="L->H"))


def _others(drawing: _Drawing, target: str, values: Numbers) -> None:
    """Add to an output what channels that are not shown contribute."""
    before = drawing.outputs[target]
    rest = Grid(
        f"{target} rest", "other channels", "between", before.size, before.channels,
        numbers("rest", values, len(before.values), 0, 0, seed=0), 4, 1 if target == "high" else 3,
    )  # fmt: skip
    drawing.grids.append(rest)
    for index, (value, added) in enumerate(zip(before.values, rest.values, strict=True)):
        channel, cell = divmod(index, prod(before.size))
        at = stages.unflat(cell, before.size)
        taps = (Tap(before.name, channel, at, value), Tap(rest.name, channel, at, added))
        drawing.steps.append(stages.summed(taps, before.name, channel, at, stage="other channels"))
    drawing.flow(rest.name, before.name)
    grown = stages.written(before.name, drawing.steps, before.channels, before.size)
    drawing.outputs[target] = replace(before, values=grown)


def _output(
    drawing: _Drawing, path: Path, channels: int, name: str, groups: tuple[int, ...]
) -> None:
    full = f"{name} output"
    values = stages.written(full, drawing.steps, channels, path.made)
    drawing.outputs[name] = Grid(
        full, full, "output", path.made, channels, values, 4, 0, groups=groups
    )
