"""The paths of octave convolution, on the library's convolution.

A path brings its input to a working grid (pooled, or repeated), convolves there, and may be
repeated to the grid of its output. `scale` is the side of a grid's cell, in cells of the full-size
input: 1 for the high input, 2 for the low one, times the stride for the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Conv
from ..conv import op as conv_op
from .pair import OctavePair
from .resample import pool, upsample


@dataclass(frozen=True, slots=True)
class Cut:
    """An ordinary convolution and where its channels are cut into high and low.

    `pooled` takes a stride by averaging before the convolution, otherwise in it.

    Raises:
        ValueError: groups do not divide the channels of every path.
    """

    spec: Conv
    low_in: int
    low_out: int
    pooled: bool = True

    @property
    def depthwise(self) -> bool:
        """Whether every output channel sees one input channel, which leaves no cross paths."""
        return self.spec.groups == self.spec.in_channels > 1

    def __post_init__(self) -> None:
        spec, low_in, low_out = self.spec, self.low_in, self.low_out
        if self.depthwise:
            if low_out * spec.in_channels != low_in * spec.out_channels:
                raise ValueError(
                    f"alpha_out must equal alpha_in where a depthwise convolution keeps its "
                    f"channels apart, got {low_in} of {spec.in_channels} channels low in "
                    f"and {low_out} of {spec.out_channels} low out"
                )
            return
        for name, channels in (
            ("high input", spec.in_channels - low_in),
            ("low input", low_in),
            ("high output", spec.out_channels - low_out),
            ("low output", low_out),
        ):
            if channels % spec.groups:
                raise ValueError(
                    f"alpha must leave every path divisible by groups, got {channels} {name} "
                    f"channels with groups {spec.groups}"
                )


@dataclass(frozen=True, slots=True)
class Paths:
    """A cut, bound to the full size."""

    cut: Cut
    bound: Bound


@dataclass(frozen=True, slots=True)
class Grid:
    """Where along one axis a path works: what is done before, in and after its convolution."""

    side: int  # of a cell, in cells of the full-size input
    stride: int = 1
    repeat: int = 1  # before: every cell this often
    shrink: int = 1  # before: average of this many cells
    after: int = 1  # every output cell this often


def convolve(pair: OctavePair, weight: Tensor, bias: Tensor | None, paths: Paths) -> OctavePair:
    """Convolve along all paths; shapes as in `juanji.functional.octave_conv`."""
    cut, strides = paths.cut, [axis.stride for axis in paths.bound.axes]
    x_high = pair.high
    if cut.pooled and x_high is not None:  # both outputs start from this average
        x_high = pool(x_high, strides)
    rows = [cut.spec.out_channels - cut.low_out, cut.low_out]
    weights = weight.split(rows)
    biases = (None, None) if bias is None else bias.split(rows)
    high = low = None
    if rows[0]:
        high = _high(x_high, pair, weights[0], biases[0], paths)
    if rows[1]:
        low = _low(x_high, pair, weights[1], biases[1], paths)
    return OctavePair(high, low, size=paths.bound.output_size)


def _high(
    x_high: Tensor | None,
    pair: OctavePair,
    weight: Tensor,
    bias: Tensor | None,
    paths: Paths,
) -> Tensor:
    """Y_H = conv(X_H) + upsample(conv(X_L)); weight is the rows of the high outputs."""
    cut, size = paths.cut, paths.bound.output_size
    strides = [axis.stride for axis in paths.bound.axes]
    columns = [
        (cut.spec.in_channels - cut.low_in) // cut.spec.groups,
        cut.low_in // cut.spec.groups,
    ]
    weights = (weight, weight) if cut.depthwise else weight.split(columns, dim=1)
    output = None
    if x_high is not None:
        grids = [Grid(side=s) if cut.pooled else Grid(side=1, stride=s) for s in strides]
        output = _path(x_high, pair.spatial, weights[0], bias, paths, grids, size)
        bias = None
    if pair.low is not None and not cut.depthwise:
        grids = [_low_to_high(stride, cut.pooled) for stride in strides]
        added = _path(pair.low, pair.spatial, weights[1], bias, paths, grids, size)
        output = added if output is None else output + added
    assert output is not None
    return output


def _low(
    x_high: Tensor | None,
    pair: OctavePair,
    weight: Tensor,
    bias: Tensor | None,
    paths: Paths,
) -> Tensor:
    """Y_L = conv([pool(X_H), X_L]), one convolution; weight is the rows of the low outputs."""
    cut, strides = paths.cut, [axis.stride for axis in paths.bound.axes]
    halves = []
    if x_high is not None and not cut.depthwise:
        halves.append(pool(x_high, [2] * len(strides)))
    if pair.low is not None:
        halves.append(pool(pair.low, strides) if cut.pooled else pair.low)
    x = halves[0] if len(halves) == 1 else _join(halves, cut.spec.groups)
    grids = [Grid(side=2 * s) if cut.pooled else Grid(side=2, stride=s) for s in strides]
    size = tuple(-(-cells // 2) for cells in paths.bound.output_size)
    return _path(x, pair.spatial, weight, bias, paths, grids, size)


def _low_to_high(stride: int, pooled: bool) -> Grid:
    # Without a stride the low grid is convolved and the result repeated; an even stride is reached
    # from the low grid itself, an odd one from its repetition to full size.
    if stride == 1:
        return Grid(side=2, after=2)
    if stride % 2:
        whole = Grid(side=stride, shrink=stride) if pooled else Grid(side=1, stride=stride)
        return replace(whole, repeat=2)
    if pooled:
        return Grid(side=stride, shrink=stride // 2)
    return Grid(side=2, stride=stride // 2)


def _join(halves: list[Tensor], groups: int) -> Tensor:
    """Concatenate channels group by group, so that each group sees its high and low ones."""
    if groups == 1:
        return torch.cat(halves, dim=1)
    return torch.cat([half.unflatten(1, (groups, -1)) for half in halves], dim=2).flatten(1, 2)


def _path(
    x: Tensor,
    full: tuple[int, ...],
    weight: Tensor,
    bias: Tensor | None,
    paths: Paths,
    grids: list[Grid],
    size: tuple[int, ...],
) -> Tensor:
    """Convolve x on its working grid; `full` is the input's full size, `size` the output's.

    Every output keeps its place: the padding is such that the centre of its window is, to within
    half a cell of the working grid, the centre of the full-size windows that it stands for.
    """
    if any(grid.repeat > 1 for grid in grids):
        sizes = zip(x.shape[2:], full, grids, strict=True)
        x = upsample(x, [g.repeat for g in grids], [n if g.repeat > 1 else m for m, n, g in sizes])
    x = pool(x, [grid.shrink for grid in grids])
    axes = []
    for dimension, (axis, grid, cells) in enumerate(
        zip(paths.bound.axes, grids, size, strict=True), start=2
    ):
        present, outputs = x.shape[dimension], -(-cells // grid.after)
        reach = axis.dilation * (axis.kernel - 1)
        # in half cells of the full size; README.md derives it
        shift = (reach + 1) * (grid.side - 1) + axis.stride - 1 - grid.side * (grid.stride - 1)
        low = max(0, (2 * axis.pad_low + shift) // (2 * grid.side))
        high = (outputs - 1) * grid.stride + reach + 1 - present - low
        if high < 0:  # the last cells are seen by no window
            x = x.narrow(dimension, 0, present + high)
        axes.append(
            Axis(
                x.shape[dimension], outputs, axis.kernel, grid.stride, axis.dilation,
                low, max(high, 0),
            )
        )  # fmt: skip
    groups = x.shape[1] if paths.cut.depthwise else paths.cut.spec.groups
    spec = Conv(paths.cut.spec.windows, x.shape[1], len(weight), groups)
    y = conv_op.convolve(x, weight, bias, Bound(spec, tuple(axes)))
    return upsample(y, [grid.after for grid in grids], size)
