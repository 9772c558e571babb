"""Where the cells of a grid lie in the picture: 1-D as a row, 2-D as a square, 3-D as floors.

A 3-D grid is drawn in parallel perspective, one floor per depth, each seen from above; so every
number stays readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite

from .scene import Grid
from .shapes import Point

CELL = 34.0  # of small grids
SMALLEST = 7.0
FIT = 560.0  # larger grids get smaller cells to stay below this
SHEAR, FLATTEN, FLOOR = 0.4, 0.66, 0.35  # of a floor: slant, height, and space below, in cells
TITLE = 20.0  # height above a grid


def places(grid: Grid) -> tuple[int, ...]:
    """Return how many places a channel has along each axis, holes and ghosts included."""
    gaps, low, high = _edges(grid)
    return tuple(
        before + (n - 1) * gap + 1 + after
        for n, gap, before, after in zip(grid.size, gaps, low, high, strict=True)
    )


def cell_size(grids: Sequence[Grid]) -> float:
    """Return the side of a cell, one for the whole scene, so that resolutions compare."""
    numbers = [grid for grid in grids if grid.look == "numbers"]
    longest = max((_longest(grid) for grid in numbers), default=1)
    return max(SMALLEST, min(CELL, FIT / longest))


def _longest(grid: Grid) -> float:
    """How many cells the grid has side by side, or half of those it has below each other."""
    panel = Panel(grid, (0.0, 0.0), 1.0)
    return max(panel.width, panel.height / 1.6)


@dataclass(frozen=True, slots=True)
class Panel:
    """A grid at its place in the picture."""

    grid: Grid
    at: Point  # the left upper corner, title not included
    cell: float

    @property
    def gap(self) -> float:
        """Between channels; wider than the holes of a dilated kernel."""
        return self.cell * ((0.3 if len(self.grid.size) == 1 else 0.45) + self.holes)

    @property
    def holes(self) -> int:
        """The most places left open between two cells of a weight."""
        return max(self.grid.gaps or (1,)) - 1 if self.grid.role == "weight" else 0

    @property
    def one(self) -> Point:
        """Width and height of one channel."""
        counts = places(self.grid)
        if len(counts) == 1:
            return counts[0] * self.cell, self.cell
        if len(counts) == 2:
            return counts[1] * self.cell, counts[0] * self.cell
        width = (counts[2] + counts[1] * SHEAR) * self.cell
        return width, (counts[0] * (counts[1] * FLATTEN + FLOOR) - FLOOR) * self.cell

    @property
    def shape(self) -> tuple[int, int]:
        """Channels across and down; those of an image are its colours."""
        if self.grid.look == "image":
            return 1, 1
        across = min(self.grid.across, max(self.grid.channels, 1))
        return across, -(-self.grid.channels // across)

    @property
    def width(self) -> float:
        """Of all channels."""
        across = self.shape[0]
        return across * self.one[0] + (across - 1) * self.gap

    @property
    def height(self) -> float:
        """Of all channels."""
        down = self.shape[1]
        return max(down * self.one[1] + (down - 1) * self.gap, self.cell)

    def corner(self, channel: int) -> Point:
        """Return the left upper corner of a channel."""
        row, column = divmod(channel, self.shape[0])
        return (
            self.at[0] + column * (self.one[0] + self.gap),
            self.at[1] + row * (self.one[1] + self.gap),
        )

    def place(self, position: Sequence[float]) -> tuple[float, ...]:
        """Return the place of a position, counted from the first ghost; whole where a cell is."""
        gaps, low, _ = _edges(self.grid)
        found = [at * gap + edge for at, gap, edge in zip(position, gaps, low, strict=True)]
        return tuple(
            round(at) if isfinite(at) and abs(at - round(at)) < 1e-6 else at for at in found
        )

    def shows(self, place: Sequence[float]) -> bool:
        """Whether a place lies within the panel."""
        return all(0 <= at <= count - 1 for at, count in zip(place, places(self.grid), strict=True))

    def is_cell(self, place: Sequence[float]) -> bool:
        """Whether a cell, not a ghost or a hole, lies at a place."""
        gaps, low, _ = _edges(self.grid)
        steps = [(at - edge) / gap for at, edge, gap in zip(place, low, gaps, strict=True)]
        return all(
            step == int(step) and 0 <= step < n
            for step, n in zip(steps, self.grid.size, strict=True)
        )

    def all_places(self) -> Iterator[tuple[int, ...]]:
        """Yield all places in C order."""
        return product(*map(range, places(self.grid)))

    def outline(self, channel: int, place: Sequence[float]) -> tuple[Point, ...]:
        """Return the four corners of what lies at a place."""
        square = ((0, 0), (0, 1), (1, 1), (1, 0))
        return tuple(self._point(channel, place, down, right) for down, right in square)

    def centre(self, channel: int, place: Sequence[float]) -> Point:
        """Return the middle of what lies at a place."""
        return self._point(channel, place, 0.5, 0.5)

    def _point(self, channel: int, place: Sequence[float], down: float, right: float) -> Point:
        """A point within a place: `down` and `right` of its left upper corner, in cells."""
        x0, y0 = self.corner(channel)
        *depth, column = place
        row = depth.pop() if depth else 0.0
        x, y = column + right, row + down
        if depth:
            rows = places(self.grid)[1]
            x += (rows - y) * SHEAR
            y = y * FLATTEN + depth[0] * (rows * FLATTEN + FLOOR)
        return x0 + x * self.cell, y0 + y * self.cell


def _edges(grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return gaps, low and high, with their defaults filled in."""
    axes = len(grid.size)
    return grid.gaps or (1,) * axes, grid.low or (0,) * axes, grid.high or (0,) * axes
