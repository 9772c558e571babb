"""Scenes of transposed octave convolution: the four paths walked backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from .. import cost
from ..bind import Bound
from ..ops.octave.paths import Cut, Path, Paths, halve
from . import stages
from .octave import Weights, facts_of, part
from .resample import collected, spread
from .scene import CELLS, STEPS, Arrow, Grid, Scene, Step, Write, at_most
from .stages import Numbers, groups_of, numbers
from .texts import shape

Resample = Callable[..., tuple[Step, ...]]
Move = tuple[Resample, Sequence[int], Sequence[int]]  # what is done, in blocks, to a size

# forward name of a path: its name here, and its row in the picture
ROWS = {"H->H": ("H->H", 0), "L->H": ("H->L", 1), "H->L": ("L->H", 2), "L->L": ("L->L", 3)}


@dataclass
class _Drawing:
    """A scene while its paths are added."""

    parts: Weights
    grids: list[Grid] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    outputs: dict[str, Grid] = field(default_factory=dict)


def scene(
    cut: Cut,
    bound: Bound,
    high: Numbers | None = None,
    low: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    *,
    alpha: str = "",
    title: str | None = None,
) -> Scene:
    """Return the scene of transposed octave convolution; `bound` is the ordinary one at full size.

    Shapes, flat in C order: high (C_high, *spatial), low (C_low, *ceil(spatial / 2)); weight as for
    the ordinary transposed convolution, bias (C_out,).

    Raises:
        ValueError: sizes do not fit, or there is too much to draw.
    """
    spec, paths = cut.spec, Paths(cut, bound)
    cells = spec.in_channels * prod(bound.input_size) + spec.out_channels * prod(bound.output_size)
    at_most("cells", cells + cost.weights(spec), CELLS)
    at_most("steps", 2 * spec.out_channels * prod(bound.output_size), STEPS)
    kernel = [axis.kernel for axis in bound.axes]
    values = numbers("weight", weight, cost.weights(spec), -1, 2, seed=2)
    drawing = _Drawing(Weights(cut, kernel, values, None))
    sources: dict[str, Grid] = {}
    for row, (name, given, size, channels, seed) in enumerate(
        (
            ("high", high, paths.coarse, cut.given[0], 1),
            ("low", low, halve(paths.coarse), cut.given[1], 6),
        )
    ):
        if channels:
            sources[name] = Grid(
                name, f"{name} input", "input", size, channels,
                numbers(name, given, channels * prod(size), 0, 9, seed=seed), 0, 2 * row,
                groups=groups_of(channels, channels if cut.depthwise else spec.groups),
            )  # fmt: skip
    drawing.grids += sources.values()
    _start(drawing, paths, bias)
    _walk(drawing, paths, sources)
    return Scene(
        operator="octave-transpose",
        title=title or f"octave-transpose {shape(kernel)}",
        facts=facts_of(cut, bound, alpha),
        grids=(*drawing.grids, *drawing.outputs.values()),
        steps=tuple(drawing.steps),
        arrows=tuple(drawing.arrows),
    )


def _start(drawing: _Drawing, paths: Paths, bias: Numbers | None) -> None:
    """Fill the outputs with zero, or with the bias."""
    made = paths.cut.made
    shifts = [0.0] * sum(made) if bias is None else list(bias)
    writes = []
    for row, (name, size, channels, own) in enumerate(
        (
            ("high output", paths.fine, made[0], shifts[: made[0]]),
            ("low output", halve(paths.fine), made[1], shifts[made[0] :]),
        )
    ):
        if not channels:
            continue
        values = tuple(shift for shift in own for _ in range(prod(size)))
        drawing.outputs[name] = Grid(
            name, name, "output", size, channels, values, 4, 2 * row,
            groups=groups_of(channels, _groups(paths.cut, channels)),
        )  # fmt: skip
        writes += [
            Write(name, index // prod(size), stages.unflat(index % prod(size), size), value)
            for index, value in enumerate(values)
        ]
    drawing.steps.append(Step("start", (), tuple(writes), ""))


def _groups(cut: Cut, channels: int) -> int:
    return channels if cut.depthwise else cut.spec.groups


def _walk(drawing: _Drawing, paths: Paths, sources: Mapping[str, Grid]) -> None:
    """Add all paths that there are."""
    cut, pooled = paths.cut, paths.pooled
    if not (cut.low_in or cut.low_out):
        _follow(drawing, "H->H", sources["high"], paths.bound, "high output", ())
        return
    half = halve(paths.fine)
    shares: Sequence[Move] = ((spread, pooled, paths.fine),)
    if "high" in sources and cut.fine[0]:
        way = paths.high_to_high
        _follow(drawing, "H->H", sources["high"], way.bound, "high output", shares)
    if "high" in sources and cut.fine[1] and not cut.depthwise:
        way = paths.low_to_high
        back = ((spread, way.shrink, way.repeated), (collected, way.repeat, way.given))
        y = _summed(drawing, sources["high"], way)
        _follow(drawing, "L->H", y, way.bound, "low output", back)
    if "low" not in sources:
        return
    way = paths.to_low
    if cut.fine[0] and not cut.depthwise:
        average = tuple(-(-n // by) for n, by in zip(paths.fine, pooled, strict=True))
        twos = (2,) * len(pooled)
        moves = ((spread, twos, average), *shares)
        own = part(way, cut.fine[0])
        _follow(drawing, "H->L", sources["low"], own, "high output", moves)
    if cut.fine[1]:
        own = way.bound if cut.depthwise else part(way, cut.fine[1])
        _follow(drawing, "L->L", sources["low"], own, "low output", ((spread, pooled, half),))


def _summed(drawing: _Drawing, source: Grid, way: Path) -> Grid:
    """Sum the cells that the path forwards would have repeated."""
    if all(times == 1 for times in way.after):
        return source
    size = tuple(axis.coarse for axis in way.axes)
    return _between(drawing, collected, source, "H->L: sum", way.after, size, 1, 1)


def _between(
    drawing: _Drawing, move: Resample, source: Grid, name: str, block: Sequence[int],
    size: Sequence[int], column: int, row: int,
) -> Grid:  # fmt: skip
    steps = move(source, name, block, size, stage=name)
    drawing.steps += steps
    values = stages.written(name, steps, source.channels, size)
    grid = Grid(
        name, name, "between", tuple(size), source.channels, values, column, row,
        groups=source.groups,
    )  # fmt: skip
    drawing.grids.append(grid)
    drawing.arrows.append(Arrow(source.name, name))
    return grid


def _follow(
    drawing: _Drawing, forward: str, source: Grid, bound: Bound, target: str,
    moves: Sequence[Move],
) -> None:  # fmt: skip
    """Add one path: the convolution backwards, then what brings its result to the output's grid."""
    name, row = ROWS[forward]
    kernel = stages.weight_grid(bound, drawing.parts.part(forward), column=2, row=row, name=name)
    drawing.grids.append(kernel)
    drawing.arrows += [Arrow(source.name, name)]
    moves = [move for move in moves if any(by > 1 for by in move[1])]
    if not moves:
        rest = replace(drawing.outputs[target], name=target)
        drawing.steps += stages.gathered(
            bound, source, kernel, target, rest=rest, stage=name, first_row=None
        )
        drawing.arrows.append(Arrow(name, target))
        _grown(drawing, target)
        return
    made = f"{name} result"
    steps = stages.gathered(bound, source, kernel, made, stage=name, first_row=None)
    drawing.steps += steps
    x = stages.output_grid(bound, steps, column=3, row=row, name=made, role="between")
    drawing.grids.append(x)
    drawing.arrows.append(Arrow(name, made))
    *inner, (move, block, size) = moves
    for number, (between, by, cells) in enumerate(inner):
        x = _between(drawing, between, x, f"{name}: step {number + 1}", by, cells, 3, row + 4)
    drawing.steps += move(
        x, target, block, size, stage=f"{name}: output", before=drawing.outputs[target]
    )
    drawing.arrows.append(Arrow(x.name, target))
    _grown(drawing, target)


def _grown(drawing: _Drawing, target: str) -> None:
    """Bring an output to what the steps so far wrote."""
    grid = drawing.outputs[target]
    values = stages.written(target, drawing.steps, grid.channels, grid.size)
    drawing.outputs[target] = replace(grid, values=values)
