"""Scenes of operators that are chains of others: separable, flattened, shuffled, interleaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..bind import Axis, Bound, bind
from ..spec import Conv, Window, windows
from . import stages
from .facts import output_size, view
from .scene import Fact, Grid, Scene
from .sketch import Sketch
from .stages import Numbers
from .texts import shape

Weights = Sequence[Numbers | None] | None


def depthwise_separable(
    bound: Bound, input: Numbers | None = None, weights: Weights = None,
    bias: Numbers | None = None, *, multiplier: int = 1,
) -> Scene:  # fmt: skip
    """Return the scene of one filter (or `multiplier` of them) per channel, then a 1x1 convolution.

    `bound` is the ordinary convolution it stands for; weights (C_in * multiplier, 1, *kernel) and
    (C_out, C_in * multiplier, 1, ...), flat.
    """
    spec, (first, last) = stages.conv_of(bound), _given(weights, 2)
    middle = spec.in_channels * multiplier
    sketch, x = _start(bound, input, groups=spec.in_channels)
    own = replace(spec, out_channels=middle, groups=spec.in_channels)
    x = sketch.conv(x, "depthwise", replace(bound, spec=own), first, column=1)
    mixing = point(bound.output_size, middle, spec.out_channels)
    sketch.conv(x, "pointwise", mixing, last, column=2, bias=bias, role="output", title="output")
    return _finish(sketch, "depthwise-separable", bound)


def spatially_separable(
    bound: Bound, input: Numbers | None = None, weights: Weights = None,
    bias: Numbers | None = None, *, ranks: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
) -> Scene:  # fmt: skip
    """Return the scene of one pass along each axis: k x k as k x 1, then 1 x k.

    `ranks` counts the channels between the passes; weights are one per pass, flat.
    """
    spec = stages.conv_of(bound)
    axes = tuple(range(len(bound.axes))) if order is None else tuple(order)
    channels = [spec.in_channels, *(ranks or (spec.out_channels,) * (len(axes) - 1))]
    channels.append(spec.out_channels)
    sketch, x = _start(bound, input, groups=spec.groups)
    for index, (axis, weight) in enumerate(zip(axes, _given(weights, len(axes)), strict=True)):
        done = index == len(axes) - 1
        part = along(bound, axes[: index + 1], axis, channels[index], channels[index + 1])
        x = sketch.conv(
            x, pass_name(bound, axis), part, weight, column=index + 1, seed=2 + index,
            bias=bias if done else None, role="output" if done else "between",
            title="output" if done else None,
        )  # fmt: skip
    return _finish(sketch, "spatially-separable", bound)


def flattened(
    bound: Bound, input: Numbers | None = None, weights: Weights = None, bias: Numbers | None = None
) -> Scene:
    """Return the scene of 1-D filters: across channels, then along each axis.

    Weights (C_out, C_in / groups, 1, ...) and one (C_out, 1, *) per axis, flat.
    """
    spec, axes = stages.conv_of(bound), range(len(bound.axes))
    given = _given(weights, len(axes) + 1)
    sketch, x = _start(bound, input, groups=spec.groups)
    lateral = point(bound.input_size, spec.in_channels, spec.out_channels, spec.groups)
    x = sketch.conv(x, "across channels", lateral, given[0], column=1)
    for axis in axes:
        done = axis == len(axes) - 1
        out = spec.out_channels
        part = along(bound, range(axis + 1), axis, out, out, groups=out)
        x = sketch.conv(
            x, pass_name(bound, axis), part, given[axis + 1], column=axis + 2, seed=3 + axis,
            bias=bias if done else None, role="output" if done else "between",
            title="output" if done else None,
        )  # fmt: skip
    return _finish(sketch, "flattened", bound)


def shuffled(
    bound: Bound, input: Numbers | None = None, weight: Numbers | None = None,
    bias: Numbers | None = None, *, twice: bool = True,
) -> Scene:  # fmt: skip
    """Return the scene of a grouped convolution with a channel shuffle behind it.

    `twice`: a second grouped convolution (1x1) shows that its groups see all others.
    """
    spec = stages.conv_of(bound)
    sketch, x = _start(bound, input, groups=spec.groups)
    x = sketch.conv(x, "grouped", bound, weight, column=1, bias=bias)
    last: Grid = sketch.shuffle(
        x, "shuffle", spec.groups, column=2, role="between" if twice else "output"
    )
    if twice:
        out = spec.out_channels
        mixing = point(bound.output_size, out, out, spec.groups)
        sketch.conv(last, "grouped again", mixing, column=3, role="output", title="output", seed=3)
        return sketch.scene("shuffled", _title("shuffled", bound), _facts(bound))
    return _finish(sketch, "shuffled", bound)


def interleaved(
    bound: Bound, input: Numbers | None = None, weights: Weights = None,
    bias: Numbers | None = None, *, primary_groups: int, secondary_groups: int,
) -> Scene:  # fmt: skip
    """Return the scene of primary groups, a permutation, secondary groups, the permutation back.

    Weights (C_out, C_in / L, *kernel) and (C_out, C_out / M, 1, ...), flat.
    """
    spec, (first, second) = stages.conv_of(bound), _given(weights, 2)
    out = spec.out_channels
    for name, groups in (("primary", primary_groups), ("secondary", secondary_groups)):
        if groups < 1 or out % groups:
            raise ValueError(
                f"{name}_groups must be at least 1 and divide out_channels, got {groups} for {out}"
            )
    primary = replace(bound, spec=replace(spec, groups=primary_groups))
    sketch, x = _start(bound, input, groups=primary_groups)
    x = sketch.conv(x, "primary", primary, first, column=1)
    x = sketch.shuffle(x, "permutation", primary_groups, column=2)
    mixing = point(bound.output_size, out, out, secondary_groups)
    x = sketch.conv(x, "secondary", mixing, second, column=3, bias=bias, seed=3)
    sketch.shuffle(x, "permutation back", out // primary_groups, column=4, role="output")
    return _finish(sketch, "interleaved", bound)


def channel_shuffle(
    size: Sequence[int], channels: int, groups: int, input: Numbers | None = None
) -> Scene:
    """Return the scene of a channel shuffle: the channels of each group are dealt to all groups.

    Raises:
        ValueError: groups do not divide the channels.

    >>> channel_shuffle((1,), 4, 2, [5, 6, 7, 8]).grids[-1].values
    (5.0, 7.0, 6.0, 8.0)
    """
    if groups < 1 or channels % groups:
        raise ValueError(
            f"groups must be at least 1 and divide the channels, got {groups} for {channels}"
        )
    sketch = Sketch()
    x = sketch.input(size, channels, input, groups=groups)
    sketch.shuffle(x, "output", groups, column=1, role="output")
    return sketch.scene("channel-shuffle", "channel-shuffle", (Fact("groups", str(groups)),))


def _start(bound: Bound, input: Numbers | None, *, groups: int) -> tuple[Sketch, Grid]:
    sketch = Sketch()
    channels = stages.conv_of(bound).in_channels
    return sketch, sketch.input(bound.input_size, channels, input, groups=groups)


def _finish(sketch: Sketch, operator: str, bound: Bound) -> Scene:
    plain = replace(bound, spec=replace(stages.conv_of(bound), groups=1))
    return sketch.scene(operator, _title(operator, bound), _facts(bound), ordinary=plain)


def _title(operator: str, bound: Bound) -> str:
    return f"{operator} {shape(axis.kernel for axis in bound.axes)}"


def _facts(bound: Bound) -> tuple[Fact, ...]:
    return output_size(bound), Fact("view", view(bound))


def _given(weights: Weights, count: int) -> list[Numbers | None]:
    """Return one entry per stage."""
    if weights is None:
        return [None] * count
    if len(weights) != count:
        raise ValueError(f"weights must be one per stage ({count}), got {len(weights)}")
    return list(weights)


def point(size: Sequence[int], into: int, out: int, groups: int = 1) -> Bound:
    """Return a 1x1 convolution of maps of that size."""
    return bind(Conv(windows((1,) * len(size)), into, out, groups), size)


def with_channels(bound: Bound, into: int, out: int, groups: int) -> Bound:
    """Return the bound with other channels."""
    spec = stages.conv_of(bound)
    return replace(bound, spec=replace(spec, in_channels=into, out_channels=out, groups=groups))


def along(
    bound: Bound, done: Sequence[int], axis: int, into: int, out: int, groups: int | None = None
) -> Bound:
    """Return the pass along one axis; axes in `done` have their output's size already."""
    spec = stages.conv_of(bound)
    axes, moved = [], []
    for index, (own, window) in enumerate(zip(bound.axes, spec.windows, strict=True)):
        if index == axis:
            axes.append(own)
            moved.append(window)
        else:
            cells = own.coarse if index in done else own.fine
            axes.append(Axis(cells, cells, 1, 1, 1, 0, 0))
            moved.append(Window(1))
    groups = spec.groups if groups is None else groups
    return Bound(Conv(tuple(moved), into, out, groups), tuple(axes))


def pass_name(bound: Bound, axis: int) -> str:
    """Name the kernel of a pass: "3 x 1"."""
    cells = [own.kernel if index == axis else 1 for index, own in enumerate(bound.axes)]
    return shape(cells)
