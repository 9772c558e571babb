"""Scenes of deformable convolution: every tap moves, and reads between the cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import floor, prod

from ..bind import Bound
from . import facts, stages
from .convolution import bounded
from .scene import Cell, Corner, Fact, Grid, Position, Scene, Step, Tap, Write
from .stages import Numbers, numbers, read, written
from .texts import number, sample, shape, total
from .texts import product as term
from .windows import Place, channels_per_group, gather

PATTERNS = ("free", "none", "scale", "aspect", "rotate")
_DIAGONAL = 0.7071067811865476  # cos(45 degrees)


def scene(
    bound: Bound,
    input: Numbers | None = None,
    weight: Numbers | None = None,
    offset: Numbers | None = None,
    bias: Numbers | None = None,
    *,
    mask: Numbers | None = None,
    rest: Numbers | None = None,
    pattern: str = "free",
    title: str | None = None,
) -> Scene:
    """Return the scene of deformable convolution, one output cell a step.

    Shapes, flat in C order: input, weight and bias as for a convolution; offset
    (G * K * d, *output_size), for each offset group and tap d numbers; mask (G * K, *output_size);
    rest (C_out, *output_size), what channels that are not shown add.

    Offsets that are not given follow `pattern`: "free" ones are made up; "scale", "aspect" and
    "rotate" move the taps as a larger, a wider and a turned kernel would have them.

    Raises:
        ValueError: the pattern is not known, sizes do not fit, or there is too much to draw.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> one = scene(bind(Conv(windows((1,)), 1, 1), (3,)), [1, 5, 9], [2], [0.5, 0, 0.25])
    >>> [step.arithmetic for step in one.steps]
    ['3*2 = 6;  0.5*1 + 0.5*5 = 3', '5*2 = 10', '6.75*2 = 13.5;  0.75*9 + 0.25*0 = 6.75']
    """
    bounded(bound)
    source = stages.input_grid(bound, input)
    kernels = stages.weight_grid(bound, weight, column=1)
    axes, taps, places = len(bound.axes), prod(kernels.size), prod(bound.output_size)
    if offset is None:
        offset = pattern_offsets(bound, pattern)
    per_group = axes * taps * places
    groups = max(len(offset) // per_group, 1)
    given = numbers("offset", offset, groups * per_group, 0, 0, seed=0)
    factors = None
    if mask is not None:
        factors = numbers("mask", mask, groups * taps * places, 0, 0, seed=0)
    others = [] if bias is None else [stages.bias_grid(bias, column=1, row=1)]
    if rest is not None:
        others.append(stages.rest_grid(bound, rest, column=3, row=1))
    moved = _Moved(bound, source, groups, given, factors)
    steps = tuple(
        _step(moved, kernels, others, channel, index, place)
        for index, place in enumerate(gather(bound))
        for channel in range(stages.conv_of(bound).out_channels)
    )
    count = source.channels
    between = [
        Grid(
            "offset", "offset", "between", kernels.size, groups * axes,
            written("offset", steps, groups * axes, kernels.size), 2, 0, across=axes,
        ),
        Grid(
            "sample", "sample", "between", kernels.size, count,
            written("sample", steps, count, kernels.size), 2, 1, across=min(count, 4),
        ),
    ]  # fmt: skip
    if factors is not None:
        grown = written("mask", steps, groups, kernels.size)
        between.append(Grid("mask", "mask", "between", kernels.size, groups, grown, 2, 2))
    target = stages.output_grid(bound, steps, column=3)
    return Scene(
        operator="deformable",
        title=title or f"deformable {shape(kernels.size)}",
        facts=(
            *(
                Fact("view", _view(steps)) if fact.key == "view" else fact
                for fact in facts.of_conv(bound, bias=bias is not None)
            ),
            Fact("parts", _parts(groups, moved)),
        ),
        grids=(source, kernels, *between, target, *others),
        steps=steps,
        matrix=stages.sparse("C", steps, source, target),
    )


def pattern_offsets(bound: Bound, pattern: str) -> tuple[float, ...]:
    """Return the offsets (K * d, *output_size) of a pattern.

    Raises:
        ValueError: there is no such pattern, or it needs two axes.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern must be one of {', '.join(PATTERNS)}, got {pattern!r}")
    axes, places = len(bound.axes), prod(bound.output_size)
    taps = list(product(*(range(axis.kernel) for axis in bound.axes)))
    if pattern == "free":
        made = sample(axes * len(taps) * places, -4, 4, seed=5)
        return tuple(value / 4 for value in made)
    if pattern == "rotate" and axes != 2:
        raise ValueError(f'pattern "rotate" needs two axes, the input has {axes}')
    offsets = []
    for tap in taps:
        centred = [
            (k - (axis.kernel - 1) / 2) * axis.dilation
            for k, axis in zip(tap, bound.axes, strict=True)
        ]
        for index, at in enumerate(centred):
            offsets += [_shift(pattern, centred, index, at)] * places
    return tuple(offsets)


def _shift(pattern: str, centred: Sequence[float], axis: int, at: float) -> float:
    if pattern == "scale":
        return at * 0.5
    if pattern == "aspect":
        return at * 0.75 if axis == len(centred) - 1 else -at * 0.25
    if pattern == "rotate":
        y, x = centred
        return (y + x if axis == 0 else x - y) * _DIAGONAL - at
    return 0.0


class _Moved:
    """Where the taps go: positions, factors and values of the samples of one input."""

    def __init__(
        self,
        bound: Bound,
        source: Grid,
        groups: int,
        offset: Sequence[float],
        mask: Sequence[float] | None,
    ) -> None:
        self.bound, self.source, self.groups = bound, source, groups
        self.offset, self.mask = offset, mask
        self.taps = prod(axis.kernel for axis in bound.axes)
        self.places = prod(bound.output_size)

    def shift(self, group: int, tap: int, axis: int, place: int) -> float:
        """Return the offset of a tap along an axis."""
        channel = (group * self.taps + tap) * len(self.bound.axes) + axis
        return self.offset[channel * self.places + place]

    def modulation(self, group: int, tap: int, place: int) -> float:
        """Return the factor of a sample: 1 without a mask."""
        if self.mask is None:
            return 1.0
        return self.mask[(group * self.taps + tap) * self.places + place]

    def group(self, channel: int) -> int:
        """Return the offset group of an input channel."""
        return channel * self.groups // max(self.source.channels, 1)

    def corners(self, position: Position) -> tuple[Corner, ...]:
        """Return the cells around a position, with their shares; none far outside."""
        size = self.source.size
        if not all(-1 <= at < cells for at, cells in zip(position, size, strict=True)):
            return ()
        near = [floor(at) for at in position]
        found = []
        for sides in product((0, 1), repeat=len(size)):
            share = 1.0
            for at, low, side in zip(position, near, sides, strict=True):
                share *= at - low if side else 1 - (at - low)
            if share:
                cell = tuple(float(low + side) for low, side in zip(near, sides, strict=True))
                found.append(Corner(cell, share))
        return tuple(found)

    def value(self, channel: int, corners: Sequence[Corner]) -> float:
        """Return the value between the cells; those outside are zero."""
        result = 0.0
        for corner in corners:
            result += corner.share * read(self.source, channel, corner.position)
        return result


def _step(
    moved: _Moved, kernels: Grid, others: Sequence[Grid], channel: int, index: int, place: Place
) -> Step:
    """Return the step of one output cell, which fills the samples too."""
    into, out = channels_per_group(stages.conv_of(moved.bound))
    taps, terms, writes, detail, result = [], [], [], "", 0.0
    for local in range(into):
        source = channel // out * into + local
        group = moved.group(source)
        for number_of_tap, reach in enumerate(place.reaches):
            at = stages.unflat(number_of_tap, kernels.size)
            shifts = [moved.shift(group, number_of_tap, a, index) for a in range(len(at))]
            position = tuple(p + s for p, s in zip(reach.position, shifts, strict=True))
            corners = moved.corners(position)
            between = moved.value(source, corners)
            modulation = moved.modulation(group, number_of_tap, index)
            block = channel * into + local
            weight = kernels.values[block * moved.taps + number_of_tap]
            factor = weight * modulation
            cell = Cell(kernels.name, block, at)
            taps.append(Tap("input", source, position, between, factor, cell, corners))
            text = term(between, weight)
            terms.append(text if moved.mask is None else f"{text}*{number(modulation)}")
            if not detail and len(corners) > 1:
                detail = ";  " + _interpolation(moved, source, corners, between)
            result += between * factor
            writes.append(Write("sample", source, at, between))
            writes += [
                Write("offset", group * len(at) + axis, at, shift)
                for axis, shift in enumerate(shifts)
            ]
            if moved.mask is not None:
                writes.append(Write("mask", group, at, modulation))
    output = tuple(map(float, place.position))
    for grid in others:
        at = (0.0,) if grid.name == "bias" else output
        added = read(grid, channel, at)
        taps.append(Tap(grid.name, channel, at, added))
        terms.append(number(added))
        result += added
    return Step(
        "", tuple(taps), (Write("output", channel, output, result), *writes),
        total(terms, result) + detail, row=channel * moved.places + index,
    )  # fmt: skip


def _interpolation(moved: _Moved, channel: int, corners: Sequence[Corner], value: float) -> str:
    """Write how a sample is made of the cells around it."""
    terms = [
        f"{number(corner.share)}*{number(read(moved.source, channel, corner.position))}"
        for corner in corners
    ]
    return total(terms, value)


def _parts(groups: int, moved: _Moved) -> str:
    """Write how many offsets there are: numbers of the extra filter's output."""
    axes = len(moved.bound.axes)
    text = f"{groups} x {moved.taps} x {axes}" if groups > 1 else f"{moved.taps} x {axes}"
    return f"offset: {text} x {moved.places} = {groups * moved.taps * axes * moved.places}"


def _view(steps: Sequence[Step]) -> str:
    """Write how many cells the output cells see at most, from the first to the last, per axis."""
    spans = [
        [max(line) - min(line) + 1 for line in zip(*seen, strict=True)]
        for step in steps
        if (seen := [corner.position for tap in step.taps for corner in tap.corners])
    ]
    return shape(int(max(column)) for column in zip(*spans, strict=True)) if spans else "0"
