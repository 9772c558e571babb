"""Scenes of pooling: the greatest cell of a window, the average, a cell drawn by its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan, prod

from ..bind import Bound
from . import facts
from .scene import CELLS, STEPS, TAPS, Cell, Fact, Grid, Position, Scene, Step, Tap, Write, at_most
from .stages import Numbers, numbers, read, sparse, written
from .texts import kept, number, sample, shape, total
from .windows import Place, around, gather


def max_pool(bound: Bound, channels: int, input: Numbers | None = None) -> Scene:
    """Return the scene of max pooling: (channels, *input_size), flat, to the windows' maxima.

    The matrix picks one cell for each output. A NaN is greater than all.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Pool, windows
    >>> bound = bind(Pool(windows((2,), stride=2)), (4,))
    >>> [step.arithmetic for step in max_pool(bound, 1, [1, 3, 2, 0]).steps]
    ['max(1, 3) = 3', 'max(2, 0) = 2']
    """
    source = input_grid(bound, channels, input)

    def steps() -> Iterator[Step]:
        for channel, place in each(bound, channels):
            best = greatest(source, channel, place)
            value = read(source, channel, best)
            taps = [
                Tap(
                    source.name, channel, reach.position,
                    read(source, channel, reach.position) if reach.inside else float("-inf"),
                    float(reach.position == best),
                )
                for reach in place.reaches
            ]  # fmt: skip
            terms = kept([number(tap.value) for tap in taps if tap.value > float("-inf")])
            text = f"max({', '.join(terms)}) = {number(value)}"
            yield _step(bound, "", taps, channel, place, value, text)

    return _scene("max-pool", bound, source, tuple(steps()))


def avg_pool(
    bound: Bound,
    channels: int,
    input: Numbers | None = None,
    *,
    count_include_pad: bool = True,
    divisor: int | None = None,
    operator: str = "avg-pool",
) -> Scene:
    """Return the scene of average pooling: the sum of the window over the number of its cells.

    `count_include_pad`: the zeros of the padding are cells too, as torch counts by default;
    `divisor`: divide by this instead.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Pool, windows
    >>> bound = bind(Pool(windows((2,), stride=2)), (4,))
    >>> [step.arithmetic for step in avg_pool(bound, 1, [1, 4, 2, 0]).steps]
    ['(1 + 4) / 2 = 2.5', '(2 + 0) / 2 = 1']
    """
    source = input_grid(bound, channels, input)

    def counted(position: Position) -> bool:
        return all(
            -axis.pad_low * count_include_pad <= at < axis.fine + axis.pad_high * count_include_pad
            for at, axis in zip(position, bound.axes, strict=True)
        )

    def steps() -> Iterator[Step]:
        for channel, place in each(bound, channels):
            cells = [reach.position for reach in place.reaches if counted(reach.position)]
            values = [read(source, channel, position) for position in cells]
            count = divisor or len(cells)
            taps = [
                Tap(source.name, channel, position, value, 1 / count)
                for position, value in zip(cells, values, strict=True)
            ]
            result = sum(values) / count
            text = f"({' + '.join(kept([number(v) for v in values]))}) / {count} = {number(result)}"
            yield _step(bound, "", taps, channel, place, result, text)

    return _scene(operator, bound, source, tuple(steps()))


def stochastic_pool(
    bound: Bound,
    channels: int,
    input: Numbers | None = None,
    *,
    random: Numbers | None = None,
    training: bool = True,
) -> Scene:
    """Return the scene of stochastic pooling: a cell is drawn in proportion to its value.

    The values of a window are laid end to end, and a random number points at one of them. In
    evaluation (`training` False) the average weighted by the probabilities is taken. `random` holds
    a number in [0, 1) for each output.

    Raises:
        ValueError: a value is negative.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Pool, windows
    >>> bound = bind(Pool(windows((2,), stride=2)), (2,))
    >>> [step.arithmetic for step in stochastic_pool(bound, 1, [1, 3], random=[0.6]).steps]
    ['1/4 = 0.25, 3/4 = 0.75', '0.25 <= 0.6 < 1: 3']
    """
    source = input_grid(bound, channels, input)
    if not all(value >= 0 for value in source.values):
        raise ValueError("stochastic pooling draws by value: input must have none below 0")
    outputs = channels * prod(bound.output_size)
    if random is None:
        random = [value / 100 for value in sample(outputs, 0, 99, seed=4)]
    chance = Grid(
        "random", "random number", "input", bound.output_size, channels,
        numbers("random", random, outputs, 0, 0, seed=0), column=1, row=1,
    )  # fmt: skip
    steps: list[Step] = []
    for channel, place in each(bound, channels):
        shares = _shares(source, channel, place)
        steps.append(shares)
        if training:
            steps.append(_draw(bound, source, chance, shares, channel, place))
        else:
            steps.append(_weighted(bound, shares, channel, place))
    size = tuple(axis.kernel for axis in bound.axes)
    probability = Grid(
        "probability", "probability", "between", size, 1, written("probability", steps, 1, size),
        column=1, gaps=tuple(axis.dilation for axis in bound.axes),
    )  # fmt: skip
    beside = (probability, chance) if training else (probability,)
    return _scene("stochastic-pool", bound, source, tuple(steps), beside)


def input_grid(bound: Bound, channels: int, values: Numbers | None) -> Grid:
    """Return the grid of what is pooled, checked to be little enough to draw."""
    cells = prod(bound.input_size)
    outputs, kernel = prod(bound.output_size), prod(axis.kernel for axis in bound.axes)
    at_most("cells", channels * (cells + outputs), CELLS)
    at_most("steps", channels * outputs, STEPS)
    at_most("taps", channels * outputs * kernel, TAPS)
    edges = [around(axis) for axis in bound.axes]
    return Grid(
        "input", "input", "input", bound.input_size, channels,
        numbers("input", values, channels * cells, 0, 9, seed=46), column=0,
        low=tuple(low for low, _ in edges), high=tuple(high for _, high in edges),
    )  # fmt: skip


def each(bound: Bound, channels: int) -> Iterator[tuple[int, Place]]:
    """Yield every window of every channel, channels outside."""
    places = list(gather(bound))
    for channel in range(channels):
        for place in places:
            yield channel, place


def greatest(grid: Grid, channel: int, place: Place) -> Position:
    """Return where the first of the greatest cells of a window is; of NaNs the last."""
    best, *others = (reach.position for reach in place.reaches if reach.inside)
    for position in others:
        value = read(grid, channel, position)
        if value > read(grid, channel, best) or isnan(value):
            best = position
    return best


def describe(operator: str, bound: Bound) -> str:
    """Name a pooling by its settings."""
    strides, kernel = [axis.stride for axis in bound.axes], [axis.kernel for axis in bound.axes]
    text = f"{operator} {shape(kernel)}"
    if strides != kernel:
        text += f", stride {shape(strides) if len(set(strides)) > 1 else strides[0]}"
    if any(axis.dilation > 1 for axis in bound.axes):
        text += f", dilation {shape(axis.dilation for axis in bound.axes)}"
    if any(axis.pad_low or axis.pad_high for axis in bound.axes):
        pads = [f"{axis.pad_low}+{axis.pad_high}" for axis in bound.axes]
        text += f", padding {' x '.join(pads) if len(set(pads)) > 1 else pads[0]}"
    return text


def _step(
    bound: Bound, stage: str, taps: Sequence[Tap], channel: int, place: Place, value: float,
    text: str, numbered: bool = True,
) -> Step:  # fmt: skip
    row = channel
    for at, cells in zip(place.position, bound.output_size, strict=True):
        row = row * cells + at
    write = Write("output", channel, tuple(map(float, place.position)), value)
    return Step(stage, tuple(taps), (write,), text, row=row if numbered else None)


def _shares(source: Grid, channel: int, place: Place) -> Step:
    """Return the step that divides the values of a window by their sum."""
    values = [read(source, channel, reach.position) for reach in place.reaches]
    whole = sum(values)
    factor = 1 / whole if whole else 0.0
    taps = [
        Tap(source.name, channel, reach.position, value, factor)
        for reach, value in zip(place.reaches, values, strict=True)
    ]
    shares = [value / whole if whole else 0.0 for value in values]
    writes = [
        Write("probability", 0, tuple(map(float, reach.tap)), share)
        for reach, share in zip(place.reaches, shares, strict=True)
    ]
    terms = [
        f"{number(value)}/{number(whole)} = {number(share)}"
        for value, share in zip(values, shares, strict=True)
    ]
    return Step("probabilities", tuple(taps), tuple(writes), ", ".join(kept(terms)), scatter=True)


def _draw(
    bound: Bound, source: Grid, chance: Grid, shares: Step, channel: int, place: Place
) -> Step:
    """Return the step in which the random number points at one cell."""
    at = tuple(map(float, place.position))
    drawn = read(chance, channel, at)
    rest = drawn * sum(tap.value for tap in shares.taps)
    chosen = next(index for index, reach in enumerate(place.reaches) if reach.inside)
    for index, tap in enumerate(shares.taps):
        if tap.value > 0 and rest >= 0:
            chosen = index
        rest -= tap.value
    before = sum(write.value for write in shares.writes[:chosen])
    share, tap = shares.writes[chosen], shares.taps[chosen]
    text = f"{number(before)} <= {number(drawn)} < {number(before + share.value)}"
    taps = [
        Tap(chance.name, channel, at, drawn),
        Tap("probability", 0, share.position, share.value),
        Tap(source.name, channel, tap.position, tap.value),
    ]
    text += f": {number(tap.value)}"
    return _step(bound, "draw", taps, channel, place, tap.value, text, numbered=False)


def _weighted(bound: Bound, shares: Step, channel: int, place: Place) -> Step:
    """Return the step that averages by the probabilities."""
    taps = [
        Tap(
            tap.grid, channel, tap.position, tap.value, share.value,
            Cell("probability", 0, share.position),
        )
        for tap, share in zip(shares.taps, shares.writes, strict=True)
    ]  # fmt: skip
    result = sum(tap.value * share.value for tap, share in zip(taps, shares.writes, strict=True))
    text = total([f"{number(tap.value)}*{number(tap.factor or 0)}" for tap in taps], result)
    return _step(bound, "average", taps, channel, place, result, text, numbered=False)


def _scene(
    operator: str, bound: Bound, source: Grid, steps: tuple[Step, ...],
    beside: tuple[Grid, ...] = (),
) -> Scene:  # fmt: skip
    size = bound.output_size
    output = Grid(
        "output", "output", "output", size, source.channels,
        written("output", steps, source.channels, size), column=2 if beside else 1,
    )  # fmt: skip
    return Scene(
        operator=operator,
        title=describe(operator, bound),
        facts=(
            facts.output_size(bound),
            Fact("weights", "0"),
            Fact("view", facts.view(bound)),
        ),
        grids=(source, *beside, output),
        steps=steps,
        matrix=None if beside else sparse("C", steps, source, output),
    )
