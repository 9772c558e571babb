"""Scenes of layers that are chains of convolutions and reorderings, with their real numbers.

What is shown is chosen from the end: an output channel, some of the channels it reads, some of
those that these read. What the others add stands in a grid of its own, so every sum is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .. import cost
from ..bind import Bound
from ..draw import facts, windows
from ..draw.scene import Fact, Grid, Scene
from ..draw.sketch import Sketch
from ..draw.stages import groups_of
from ..functional import conv as convolve
from ..spec import Conv
from .crop import PART, WHOLE, View, check_channel, told
from .windowed import flat

ALL = 6  # channels that are all shown, if every stage has at most that many
FEW = 3  # read by a channel, where there are more


@dataclass(frozen=True, slots=True)
class Convolution:
    """A stage: weight (C_out, C_in / groups, *kernel), bias (C_out,) or None, in float64."""

    name: str
    bound: Bound
    weight: Tensor
    bias: Tensor | None = None

    @property
    def spec(self) -> Conv:
        """Return the specification."""
        assert isinstance(self.bound.spec, Conv)
        return self.bound.spec

    def run(self, x: Tensor) -> Tensor:
        """Convolve x (C_in, *size)."""
        axes = self.bound.axes
        return convolve(
            x[None], self.weight, self.bias, [axis.stride for axis in axes],
            [(axis.pad_low, axis.pad_high) for axis in axes], [axis.dilation for axis in axes],
            self.spec.groups,
        )[0]  # fmt: skip

    def read(self, channel: int) -> list[int]:
        """Return the input channels that an output channel reads."""
        into, out = windows.channels_per_group(self.spec)
        return list(range(channel // out * into, channel // out * into + into))


@dataclass(frozen=True, slots=True)
class Reordering:
    """A stage: output channel j is input channel sources[j]."""

    name: str
    sources: tuple[int, ...]

    def run(self, x: Tensor) -> Tensor:
        """Reorder the channels of x."""
        return x[list(self.sources)]

    def read(self, channel: int) -> list[int]:
        """Return the one channel that an output channel is."""
        return [self.sources[channel]]


Stage = Convolution | Reordering


def shuffle(name: str, channels: int, groups: int) -> Reordering:
    """Return the stage of a channel shuffle."""
    order = torch.arange(channels).view(groups, -1).T.flatten()
    return Reordering(name, tuple(order.tolist()))


def scene(
    stages: Sequence[Stage], x: Tensor, view: View, whole: Bound, *, operator: str, title: str
) -> Scene:
    """Return the scene of a chain on x (C, *size); `whole` is the convolution it stands for."""
    values = [x]
    for stage in stages:
        values.append(stage.run(values[-1]))
    check_channel(view, len(values[-1]))
    shown = _channels(stages, [len(value) for value in values], view)
    parts = _positions(stages, whole, view)
    sketch = Sketch()
    first = parts[0][1]
    start = _cropped(values[0], parts[0])[shown[0]]
    grid = sketch.input(start.shape[1:], len(shown[0]), flat(start))
    opening = stages[0]
    if isinstance(opening, Convolution) and opening.spec.groups > 1:
        grid = sketch.add(replace(grid, groups=_colors(opening, shown[0], shown[1])))
    for index, stage in enumerate(stages):
        last = index == len(stages) - 1
        arguments: Any = {"column": index + 1, "role": "output" if last else "between"}
        into, out = shown[index], shown[index + 1]
        if isinstance(stage, Reordering):
            targets = [out.index(stage.sources.index(channel)) for channel in into]
            texts = [f"{c} -> {stage.sources.index(c)}" for c in into]
            grid = sketch.permute(grid, stage.name, targets, texts, **arguments)
            continue
        grid = _convolved(sketch, grid, stage, values[index], into, out, parts[index], arguments)
    convolutions = [stage for stage in stages if isinstance(stage, Convolution)]
    made = sketch.scene(operator, title)
    output = grid.name
    return told(
        replace(made, facts=_facts(whole, convolutions)),
        {"input": tuple(x.shape), output: tuple(values[-1].shape)},
        {"input": (shown[0][0], *first), output: (shown[-1][0], *parts[-1][1])},
    )


def _channels(stages: Sequence[Stage], counts: Sequence[int], view: View) -> list[list[int]]:
    """Choose the channels to show, of the input and behind every stage."""
    if max(counts) <= ALL:
        return [list(range(count)) for count in counts]
    shown = [[view.channel]]
    for index in reversed(range(len(stages))):
        stage, out = stages[index], shown[0]
        if isinstance(stage, Reordering):
            shown.insert(0, [stage.sources[channel] for channel in out])
            continue
        same = len({tuple(stage.read(channel)) for channel in out}) == 1
        readers = out[:1] if same else out
        most = FEW if len(readers) == 1 else 1
        before = stages[:index]
        picked = [
            channel for reader in readers for channel in _spread(before, stage.read(reader))[:most]
        ]
        shown.insert(0, picked)
    return shown


def _spread(before: Sequence[Stage], channels: list[int]) -> list[int]:
    """Leave channels that share nothing of what they read, or else all share it."""
    apart: dict[tuple[int, ...], int] = {}
    for channel in channels:
        apart.setdefault(_sources(before, channel), channel)
    return list(apart.values()) if len(apart) > 1 else channels


def _sources(stages: Sequence[Stage], channel: int) -> tuple[int, ...]:
    """Return what a channel behind these stages was convolved from."""
    for stage in reversed(stages):
        if isinstance(stage, Convolution):
            return tuple(stage.read(channel))
        channel = stage.sources[channel]
    return ()


def _positions(
    stages: Sequence[Stage], whole: Bound, view: View
) -> list[tuple[Bound | None, tuple[int, ...], tuple[int, ...]]]:
    """Choose the positions to show: for every stage its cropped bound, start and size of input.

    The last entry is that of the output, without a bound.
    """
    axes, size = len(whole.axes), whole.output_size
    at = view.at
    if at is not None and not (
        len(at) == axes and all(0 <= i < n for i, n in zip(at, size, strict=True))
    ):
        raise ValueError(f"at must be a position of the output {size}, got {at}")
    small = max(*whole.input_size, *size) <= WHOLE[axes - 1] and at is None
    most = max(2, PART[axes - 1] // 2)
    shown = size if small else tuple(min(n, most) for n in size)
    middle = tuple((n - k) // 2 for n, k in zip(size, shown, strict=True))
    first = tuple(min(i, n - k) for i, n, k in zip(at or middle, size, shown, strict=True))
    found: list[tuple[Bound | None, tuple[int, ...], tuple[int, ...]]] = [(None, first, shown)]
    for stage in reversed(stages):
        if isinstance(stage, Reordering):
            found.insert(0, (None, first, shown))
        elif small:
            found.insert(0, (stage.bound, (0,) * axes, stage.bound.input_size))
        else:
            part, first = windows.crop(stage.bound, first, shown)
            shown = part.input_size
            found.insert(0, (part, first, shown))
    return found


def _cropped(x: Tensor, part: tuple[Any, tuple[int, ...], tuple[int, ...]]) -> Tensor:
    spans = zip(part[1], part[2], strict=True)
    return x[(slice(None), *(slice(start, start + size) for start, size in spans))]


def _convolved(
    sketch: Sketch, source: Grid, stage: Convolution, x: Tensor, into: list[int], out: list[int],
    part: tuple[Bound | None, tuple[int, ...], tuple[int, ...]], arguments: Any,
) -> Grid:  # fmt: skip
    """Add a stage with some of its channels; the others' sum is the rest."""
    bound = part[0]
    assert bound is not None
    groups = len({tuple(stage.read(channel)) for channel in out})
    per_group = len(into) // groups
    spec = replace(stage.spec, in_channels=len(into), out_channels=len(out), groups=groups)
    few = replace(bound, spec=spec)
    rows, hidden = [], stage.weight.clone()
    for index, channel in enumerate(out):
        group = index // (len(out) // groups)
        own = into[group * per_group : (group + 1) * per_group]
        columns = [stage.read(channel).index(c) for c in own]
        rows.append(stage.weight[channel, columns])
        hidden[channel, columns] = 0
    rest = None
    if per_group < stage.weight.shape[1]:
        full = replace(stage, weight=hidden, bias=None)
        cut = replace(full, bound=replace(bound, spec=stage.spec))
        rest = flat(cut.run(_cropped(x, part))[out])
    bias = None if stage.bias is None else flat(stage.bias[out])
    return sketch.conv(
        source, stage.name, few, flat(torch.stack(rows)), bias=bias, rest=rest, **arguments
    )


def _colors(stage: Convolution, into: list[int], out: list[int]) -> tuple[int, ...]:
    return groups_of(len(into), len({tuple(stage.read(channel)) for channel in out}))


def _facts(whole: Bound, stages: Sequence[Convolution]) -> tuple[Fact, ...]:
    """Return what the whole layer costs, beside the convolution that it stands for."""
    assert isinstance(whole.spec, Conv)
    found = [facts.output_size(whole), Fact("view", facts.view(whole))]
    weights = [cost.weights(stage.spec, bias=stage.bias is not None) for stage in stages]
    products = [cost.multiply_adds(stage.bound).dense for stage in stages]
    plain = replace(whole, spec=replace(whole.spec, groups=1))
    ordinary = cost.weights(replace(whole.spec, groups=1)), cost.multiply_adds(plain).dense
    for key, parts, dense in zip(
        ("weights", "multiply-adds"), (weights, products), ordinary, strict=True
    ):
        text = " + ".join(map(str, parts))
        text += f" = {sum(parts)}" if len(parts) > 1 else ""
        found.append(Fact(key, f"{text} ({dense})"))
    return tuple(found)
