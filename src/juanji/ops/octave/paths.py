"""The geometry of octave convolution: what every path does, as data that is read either way.

A path brings its input to a working grid (repeated, or averaged), convolves there, and may be
repeated to the grid of its output. Fine is what the ordinary convolution reads and coarse what it
writes, as in `juanji.bind`: octave convolution follows the paths from fine to coarse, its adjoint
from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...bind import Axis, Bound
from ...spec import Conv, Window

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A convolution, ordinary or transposed, and where its channels are cut into high and low.

    `pooled` takes a stride by averaging before the convolution, otherwise in it.

    Raises:
        ValueError: groups do not divide the channels of every path.
    """

    spec: Conv
    low_in: int
    low_out: int
    pooled: bool = True

    @property
    def given(self) -> tuple[int, int]:
        """High and low channels of the input."""
        return self.spec.in_channels - self.low_in, self.low_in

    @property
    def made(self) -> tuple[int, int]:
        """High and low channels of the output."""
        return self.spec.out_channels - self.low_out, self.low_out

    @property
    def fine(self) -> tuple[int, int]:
        """High and low channels before the ordinary convolution; a group's are weight columns."""
        return self.made if self.spec.transposed else self.given

    @property
    def coarse(self) -> tuple[int, int]:
        """High and low channels after the ordinary convolution: the rows of the weight."""
        return self.given if self.spec.transposed else self.made

    @property
    def depthwise(self) -> bool:
        """Whether every coarse channel sees one fine channel, which leaves no cross paths."""
        return self.spec.groups == sum(self.fine) > 1

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
            ("high input", self.given[0]),
            ("low input", low_in),
            ("high output", self.made[0]),
            ("low output", low_out),
        ):
            if channels % spec.groups:
                raise ValueError(
                    f"alpha must leave every path divisible by groups, got {channels} {name} "
                    f"channels with groups {spec.groups}"
                )


@dataclass(frozen=True, slots=True)
class Grid:
    """Where along one axis a path works: what is done before, in and after its convolution."""

    side: int  # of a cell, in cells of the full fine size
    stride: int = 1
    repeat: int = 1  # before: every cell this often
    shrink: int = 1  # before: average of this many cells
    after: int = 1  # every output cell this often


@dataclass(frozen=True, slots=True)
class Path:
    """The steps of one path, with the size after each of them.

    given -> repeated -> averaged -> cropped to `axis.fine` -> convolved to `axis.coarse` ->
    repeated, and cropped to made.
    """

    cut: Cut
    fine_channels: int
    coarse_channels: int
    grids: tuple[Grid, ...]
    axes: tuple[Axis, ...]
    given: Sizes
    repeated: Sizes
    averaged: Sizes
    made: Sizes

    @property
    def repeat(self) -> Sizes:
        """How often a cell is repeated before the convolution."""
        return tuple(grid.repeat for grid in self.grids)

    @property
    def shrink(self) -> Sizes:
        """How many cells are averaged before the convolution."""
        return tuple(grid.shrink for grid in self.grids)

    @property
    def after(self) -> Sizes:
        """How often a cell is repeated after the convolution."""
        return tuple(grid.after for grid in self.grids)

    @property
    def bound(self) -> Bound:
        """The convolution on the working grid, ordinary or transposed as that of the cut."""
        windows = tuple(
            Window(axis.kernel, axis.stride, axis.dilation, (axis.pad_low, axis.pad_high))
            for axis in self.axes
        )
        fine, coarse = self.fine_channels, self.coarse_channels
        groups = fine if self.cut.depthwise else self.cut.spec.groups
        if not self.cut.spec.transposed:
            return Bound(Conv(windows, fine, coarse, groups), self.axes)
        unseen = tuple(map(_unseen, self.axes))
        spec = Conv(windows, coarse, fine, groups, transposed=True, output_padding=unseen)
        return Bound(spec, self.axes)


@dataclass(frozen=True, slots=True)
class Paths:
    """A cut, bound to the full sizes.

    The two paths to low are one: it starts where pool(X_H) and X_L lie side by side.
    """

    cut: Cut
    bound: Bound

    @property
    def strides(self) -> Sizes:
        """Strides of the ordinary convolution."""
        return tuple(axis.stride for axis in self.bound.axes)

    @property
    def pooled(self) -> Sizes:
        """How many cells are averaged on account of the stride, before everything else."""
        return self.strides if self.cut.pooled else (1,) * len(self.strides)

    @property
    def fine(self) -> Sizes:
        """Full size before the ordinary convolution."""
        return tuple(axis.fine for axis in self.bound.axes)

    @property
    def coarse(self) -> Sizes:
        """Full size after the ordinary convolution."""
        return tuple(axis.coarse for axis in self.bound.axes)

    @property
    def high_to_high(self) -> Path:
        """The path from pooled X_H to Y_H."""
        grids = [Grid(side=s) if self.cut.pooled else Grid(side=1, stride=s) for s in self.strides]
        given = divide(self.fine, self.pooled)
        return self._path(self.cut.fine[0], self.cut.coarse[0], grids, given, self.coarse)

    @property
    def low_to_high(self) -> Path:
        """The path from X_L to Y_H."""
        grids = [_low_to_high(stride, self.cut.pooled) for stride in self.strides]
        given = halve(self.fine)
        return self._path(self.cut.fine[1], self.cut.coarse[0], grids, given, self.coarse)

    @property
    def to_low(self) -> Path:
        """The path to Y_L, from pooled X_H and X_L joined, or in a depthwise one from X_L."""
        grids = [
            Grid(side=2 * s) if self.cut.pooled else Grid(side=2, stride=s) for s in self.strides
        ]
        channels = self.cut.fine[1] if self.cut.depthwise else sum(self.cut.fine)
        given = divide(halve(self.fine), self.pooled)
        return self._path(channels, self.cut.coarse[1], grids, given, halve(self.coarse))

    def _path(
        self,
        fine_channels: int,
        coarse_channels: int,
        grids: Sequence[Grid],
        given: Sizes,
        made: Sizes,
    ) -> Path:
        repeated = tuple(
            full if grid.repeat > 1 else cells
            for cells, full, grid in zip(given, self.fine, grids, strict=True)
        )
        averaged = divide(repeated, [grid.shrink for grid in grids])
        axes = tuple(map(_place, self.bound.axes, grids, averaged, made))
        return Path(
            self.cut, fine_channels, coarse_channels, tuple(grids), axes,
            given, repeated, averaged, made,
        )  # fmt: skip


def divide(cells: Sizes, by: Sequence[int]) -> Sizes:
    """Return the number of blocks, incomplete ones included."""
    return tuple(-(-n // block) for n, block in zip(cells, by, strict=True))


def halve(cells: Sizes) -> Sizes:
    """Return the low size that belongs to a full size."""
    return divide(cells, (2,) * len(cells))


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


def _place(axis: Axis, grid: Grid, present: int, made: int) -> Axis:
    """Place the windows on a working grid of `present` cells, for `made` outputs.

    Every output keeps its place: the padding is such that the centre of its window is, to within
    half a cell of the working grid, the centre of the full-size windows that it stands for.
    """
    outputs = -(-made // grid.after)
    reach = axis.dilation * (axis.kernel - 1)
    # in half cells of the full size; README.md derives it
    shift = (reach + 1) * (grid.side - 1) + axis.stride - 1 - grid.side * (grid.stride - 1)
    low = max(0, (2 * axis.pad_low + shift) // (2 * grid.side))
    high = (outputs - 1) * grid.stride + reach + 1 - present - low
    # the last cells may be seen by no window; where all windows see padding alone, one is kept
    seen = max(1, min(present, present + high))
    high = max(0, high)
    outputs = (seen + low + high - reach - 1) // grid.stride + 1
    return Axis(seen, outputs, axis.kernel, grid.stride, axis.dilation, low, high)


def _unseen(axis: Axis) -> int:
    """Return how many of the last cells no window sees."""
    reach = axis.dilation * (axis.kernel - 1)
    room = axis.fine + axis.pad_low + axis.pad_high - reach - 1
    return room - (axis.coarse - 1) * axis.stride
