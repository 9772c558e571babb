"""Scenes of octave layers, with their real numbers: the first cells of a few channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..bind import Bound, bind
from ..draw import octave, octave_transpose
from ..draw.scene import Crop, Scene
from ..draw.texts import shape
from ..ops.octave import OctavePair, octave_conv_cut, octave_split
from ..ops.octave.paths import Cut, Paths, halve
from .crop import PART, WHOLE, View
from .windowed import default_size, example, flat, real

FEW = 2  # high, and low, input channels that are shown
ALL = 3


def convolution(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of an octave convolution layer; input is a pair, or a map to be split.

    Raises:
        ValueError: the input does not fit the layer.
    """
    spec, cut = layer.spec(), layer.cut
    pair = _pair(layer, input)
    weight = real(layer.weight, "weight")
    bias = None if layer.bias is None else real(layer.bias, "bias")
    bound = bind(spec, pair.spatial)
    part = _part(cut, bound)
    into, out = _inputs(cut), _outputs(cut)
    few = replace(
        spec,
        in_channels=sum(map(len, into)),
        out_channels=sum(map(len, out)),
        groups=sum(map(len, into)) if cut.depthwise else 1,
    )
    small = replace(cut, spec=few, low_in=len(into[1]), low_out=len(out[1]))
    rows = [*out[0], *(cut.made[0] + channel for channel in out[1])]
    per_group = cut.given[0] // spec.groups
    columns = [*into[0], *(per_group + channel for channel in into[1])]
    picked = weight[rows] if cut.depthwise else weight[rows][:, columns]
    high, low = (
        None if half is None or not chosen else _cut(half[0][chosen], size)
        for half, chosen, size in zip(
            pair, into, (part.input_size, halve(part.input_size)), strict=True
        )
    )
    rest = _rest(pair, weight, cut, columns, rows, out, Paths(small, replace(part, spec=few)))
    made = octave.scene(
        small,
        replace(part, spec=few),
        None if high is None else flat(high),
        None if low is None else flat(low),
        flat(picked),
        None if bias is None else flat(bias[rows]),
        rest=rest,
        title=f"{type(layer).__name__}: octave {shape(layer.kernel_size)}",
    )
    about = octave.facts_of(cut, bound, f"{layer.alpha_in} -> {layer.alpha_out}")
    return _told(replace(made, facts=about), pair, cut, bound)


def transposed(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of a transposed octave convolution layer, whole.

    Raises:
        ValueError: the input does not fit the layer, or is too large to be drawn.
    """
    pair = _pair(layer, input)
    bound = bind(layer.spec(), pair.spatial)
    bias = None if layer.bias is None else flat(real(layer.bias, "bias"))
    return octave_transpose.scene(
        layer.cut,
        bound,
        None if pair.high is None else flat(pair.high[0]),
        None if pair.low is None else flat(pair.low[0]),
        flat(real(layer.weight, "weight")),
        bias,
        alpha=f"{layer.alpha_in} -> {layer.alpha_out}",
        title=f"{type(layer).__name__}: octave-transpose {shape(layer.kernel_size)}",
    )


def _pair(layer: Any, input: Any) -> OctavePair:
    """Return the first example as a pair in float64."""
    spec, cut = layer.spec(), layer.cut
    if isinstance(input, (OctavePair, tuple, list)):
        halves = input if isinstance(input, OctavePair) else OctavePair(*input)
        high, low = (None if half is None else real(half[:1], "input") for half in halves)
        return OctavePair(high, low, size=halves.spatial)
    x = example(input, spec.in_channels, default_size(spec))
    count = cut.given[1]
    return OctavePair(*octave_split(x[None], count / spec.in_channels if count else 0))


def _inputs(cut: Cut) -> tuple[list[int], list[int]]:
    """Choose high and low input channels, of the first group."""
    groups = 1 if cut.depthwise else cut.spec.groups
    halves = [list(range(count // groups)) for count in cut.given]
    shown = [half if len(half) <= ALL and groups == 1 else half[:FEW] for half in halves]
    return shown[0], shown[1]


def _outputs(cut: Cut) -> tuple[list[int], list[int]]:
    """Choose high and low output channels: the first of each, or all of few."""
    if cut.depthwise:
        into = _inputs(cut)
        times = cut.spec.out_channels // cut.spec.in_channels
        return tuple(list(range(len(half) * times)) for half in into)  # type: ignore[return-value]
    few = max(cut.made) <= ALL and cut.spec.groups == 1
    shown = [list(range(count if few else min(count, 1))) for count in cut.made]
    return shown[0], shown[1]


def _part(cut: Cut, bound: Bound) -> Bound:
    """Return the first outputs, and input enough that no path of theirs sees its end."""
    axes = len(bound.axes)
    if max(*bound.input_size, *bound.output_size) <= WHOLE[axes - 1] // 2 + 2:
        return bound
    most = max(2, PART[axes - 1] // 2)
    count = [min(axis.coarse, most) for axis in bound.axes]
    parts = list(bound.axes)
    for index, axis in enumerate(bound.axes):
        if count[index] == axis.coarse:
            continue
        for fine in range(min(axis.fine, 2 * count[index]), axis.fine + 1):
            small = replace(axis, fine=fine, coarse=count[index], pad_high=0)
            trial = replace(bound, axes=(*parts[:index], small, *parts[index + 1 :]))
            if not _reaches_over(cut, trial, index):
                parts[index] = small
                break
    return replace(bound, axes=tuple(parts))


def _reaches_over(cut: Cut, bound: Bound, index: int) -> bool:
    """Whether a path sees padding at the end of an axis, or an average with too few cells."""
    axis = bound.axes[index]
    if not (cut.low_in or cut.low_out):
        last = (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) - axis.pad_low
        return last >= axis.fine
    if axis.fine % (2 * axis.stride):
        return True
    paths = Paths(cut, bound)
    return any(
        path.axes[index].pad_high for path in (paths.high_to_high, paths.low_to_high, paths.to_low)
    )


def _rest(
    pair: OctavePair, weight: Tensor, cut: Cut, columns: Sequence[int], rows: Sequence[int],
    out: tuple[list[int], list[int]], shown: Paths,
) -> dict[str, list[float]] | None:  # fmt: skip
    """Return what channels that are not shown add to each output; None if all are."""
    if cut.depthwise or len(columns) == weight.shape[1]:
        return None
    hidden = weight.clone()
    for row in rows:
        hidden[row, list(columns)] = 0
    with torch.no_grad():
        made = octave_conv_cut(pair, hidden, None, cut)
    sizes = {"high": shown.coarse, "low": halve(shown.coarse)}
    return {
        name: flat(_cut(half[0][chosen], sizes[name]))
        for name, half, chosen in zip(sizes, made, out, strict=True)
        if half is not None and chosen
    }


def _cut(x: Tensor, size: Sequence[int]) -> Tensor:
    return x[(slice(None), *(slice(n) for n in size))]


def _told(made: Scene, pair: OctavePair, cut: Cut, bound: Bound) -> Scene:
    """Add what of the whole is shown."""
    fine, coarse = pair.spatial, bound.output_size
    whole = {
        "high": (cut.given[0], *fine),
        "low": (cut.given[1], *halve(fine)),
        "high output": (cut.made[0], *coarse),
        "low output": (cut.made[1], *halve(coarse)),
    }
    origin = (0,) * (len(fine) + 1)
    crops = [
        Crop(grid.name, origin, (grid.channels, *grid.size), whole[grid.name])
        for grid in made.grids
        if grid.name in whole and (grid.channels, *grid.size) != whole[grid.name]
    ]
    return replace(made, crops=tuple(crops))
