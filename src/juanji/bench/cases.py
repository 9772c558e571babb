"""What is measured: an operator at one size is a case; in one direction and layout, a cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from ..bind import Bound, bind
from ..cost import multiply_adds
from ..relation import count_pairs
from ..spec import Conv, Pool, windows

Direction = Literal["forward", "input gradient", "weight gradient"]
Layout = Literal["contiguous", "channels last"]

SIZES = ("small", "medium", "large")  # inside a core's cache, about the shared cache, beyond it
LAYOUTS: tuple[Layout, ...] = ("contiguous", "channels last")
CONVOLUTIONS = ("depthwise", "grouped", "dense", "shuffled-grouped")
POOLINGS = ("max-pool", "avg-pool", "stochastic-pool")
UNPOOLINGS = ("max-unpool", "avg-unpool")
OPERATORS = (*CONVOLUTIONS, *POOLINGS, *UNPOOLINGS, "channel-shuffle")

FEW = 8  # cells along each axis: maps of fewer are told apart by their size

FLOAT, INDEX = 4, 8  # bytes of a float32, and of an int64 at torch's interface


@dataclass(frozen=True)
class Case:
    """One operator at one size. The numbers hold for every axis; C_out = C_in.

    `shape` is the input's, (N, C, *spatial); for an unpooling that is the coarse grid.
    """

    operator: str
    size: str
    shape: tuple[int, ...]
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def channels(self) -> int:
        """C."""
        return self.shape[1]

    @property
    def dimensions(self) -> int:
        """The number of spatial axes."""
        return len(self.shape) - 2

    @property
    def padding(self) -> int:
        """Half a window: an odd one keeps the size at stride 1, one of 2 is not padded.

        Nor is the window of a pooling that has the whole map for its own.
        """
        if self.operator in POOLINGS and {self.kernel} == set(self.shape[2:]):
            return 0
        return self.dilation * ((self.kernel - 1) // 2)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What is timed by itself."""
        gradients: tuple[Direction, ...] = ("input gradient", "weight gradient")
        return ("forward", *gradients[: 2 if self.operator in CONVOLUTIONS else 1])

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(C_out, C_in / groups, *kernel) of a convolution."""
        return (
            self.channels,
            self.channels // self.groups,
            *(self.kernel for _ in range(self.dimensions)),
        )

    @property
    def label(self) -> str:
        """What tells it from other cases of the operator and size.

        >>> Case("depthwise", "small", (1, 8, 9, 9), kernel=3, dilation=2, groups=8).label
        '2-D 3×3, dilation 2'
        """
        text = f"{self.dimensions}-D"
        if self.operator != "channel-shuffle":
            text += " " + "×".join([str(self.kernel)] * self.dimensions)
        if self.operator == "grouped":
            text += f", {self.channels // self.groups} per group"
        elif self.operator in ("shuffled-grouped", "channel-shuffle"):
            text += f", {self.groups} groups"
        if self.dilation > 1:
            text += f", dilation {self.dilation}"
        if self.stride > 1 and self.operator not in UNPOOLINGS:
            text += f", stride {self.stride}"
        if max(self.shape[2:]) < FEW:
            text += ", maps of " + "×".join(map(str, self.shape[2:]))
        return text

    @cached_property
    def bound(self) -> Bound | None:
        """The relation of a convolution or pooling."""
        axes = windows((self.kernel,) * self.dimensions, self.stride, self.padding, self.dilation)
        if self.operator in CONVOLUTIONS:
            return bind(Conv(axes, self.channels, self.channels, self.groups), self.shape[2:])
        return bind(Pool(axes), self.shape[2:]) if self.operator in POOLINGS else None

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(N, C, *output)."""
        if self.bound is not None:
            return (*self.shape[:2], *self.bound.output_size)
        scale = self.kernel if self.operator in UNPOOLINGS else 1
        return (*self.shape[:2], *(n * scale for n in self.shape[2:]))

    @property
    def flops(self) -> int:
        """Arithmetic of one direction, the same for each: taps inside the input alone count.

        Two for each multiply-add, one for each cell of a pooling window, none for what only moves.
        """
        if self.bound is None:
            return 0
        if self.operator in CONVOLUTIONS:
            return 2 * multiply_adds(self.bound, self.shape[0]).touched
        return prod(self.shape[:2]) * prod(count_pairs(axis) for axis in self.bound.axes)

    @property
    def traffic(self) -> int:
        """Bytes that one direction has to move, the same for each: all it reads and writes once."""
        cells = prod(self.shape) + prod(self.output_shape)
        if self.operator in CONVOLUTIONS:
            cells += prod(self.weight_shape)
        indices = INDEX * prod(self.shape) if self.operator == "max-unpool" else 0
        return FLOAT * cells + indices


@dataclass(frozen=True)
class Cell:
    """A case in one direction and layout: one row of the table."""

    case: Case
    direction: Direction
    layout: Layout

    @property
    def name(self) -> str:
        """The row's name."""
        case = self.case
        return f"{case.operator} {case.label}, {self.direction}, {self.layout}, {case.size}"


def cells(case: Case) -> list[Cell]:
    """Return the cells of a case."""
    return [Cell(case, direction, layout) for layout in LAYOUTS for direction in case.directions]
