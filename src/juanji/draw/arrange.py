"""Where the parts of a scene go: panels and boxes by column and row, matrix and texts below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from .panel import TITLE, Panel, cell_size
from .scene import Box, Grid, Matrix, Scene
from .shapes import Point, width_of, wrap
from .texts import shape

MARGIN = 18.0
LINE = 18.0  # height of a line of text
FORMULA, FACT = 15.0, 12.0  # sizes of texts
NARROWEST = 440.0
ENTRY = (2.5, 13.0)  # side of a matrix entry, smallest and largest


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A place in the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything that stays where it is from step to step."""

    width: float
    height: float
    title: tuple[str, ...]
    panels: tuple[Panel, ...]
    boxes: tuple[tuple[Box, Rectangle], ...]
    formula: Point  # of its first line
    matrix: Rectangle | None
    notes: Point
    lines: tuple[str, ...]  # facts and crops

    def ends(self) -> dict[str, Rectangle]:
        """Return where arrows start and end: the rectangle of every grid and box, by name."""
        found = {box.name: place for box, place in self.boxes}
        for panel in self.panels:
            found[panel.grid.name] = Rectangle(*panel.at, panel.width, panel.height)
        return found


def caption(grid: Grid) -> str:
    """Write a grid's title with its size, a weight's and a bias's as torch has it."""
    if grid.size == (1,) and grid.role == "weight":
        return f"{grid.title}  {grid.channels}"
    channels = (grid.channels // grid.across, grid.across) if grid.across > 1 else (grid.channels,)
    sizes = grid.size if grid.channels == 1 else (*channels, *grid.size)
    return f"{grid.title}  {shape(sizes)}"


def notes(scene: Scene) -> list[str]:
    """Return the lines below a picture: what is a crop of what, and the facts."""
    titles = {grid.name: grid.title for grid in scene.grids}
    crops = [
        f"crop of {titles[crop.grid]}: {shape(crop.shown)} of {shape(crop.whole)}, "
        f"from {', '.join(map(str, crop.first))}"
        for crop in scene.crops
    ]
    return crops + [f"{fact.key}: {_grouped(fact.text)}" for fact in scene.facts]


def _grouped(text: str) -> str:
    """Part the digits of large numbers by thousands."""
    return re.sub(r"\d{5,}", lambda digits: f"{int(digits[0]):,}", text)


def arrange(scene: Scene) -> Arrangement:
    """Lay a scene out; the place of everything is the same at all steps."""
    sides = {"numbers": cell_size(scene.grids), "image": pixel_size(scene.grids)}
    sizes = [_grid_size(grid, sides[grid.look]) for grid in scene.grids]
    sizes += [_box_size(box) for box in scene.boxes]
    parts: list[Grid | Box] = [*scene.grids, *scene.boxes]
    apart = 64.0 if scene.arrows else 30.0
    columns = _starts(
        [(part.column, size[0]) for part, size in zip(parts, sizes, strict=True)], apart
    )
    rows = _starts([(part.row, size[1]) for part, size in zip(parts, sizes, strict=True)], 22.0)
    inner = max((start + length for start, length in columns.values()), default=0.0)
    least = scene.matrix.columns * ENTRY[0] if scene.matrix else 0.0
    width = float(ceil(max(inner, least, NARROWEST) + 2 * MARGIN))
    shift = (width - inner) / 2
    title = wrap(scene.title, FORMULA, width - 2 * MARGIN)
    top = MARGIN + LINE * len(title) + 8

    spots = []
    for part, (own_width, own_height) in zip(parts, sizes, strict=True):
        start, length = columns[part.column]
        begin, tall = rows[part.row]
        spots.append(
            (shift + start + (length - own_width) / 2, top + begin + (tall - own_height) / 2)
        )
    panels = [
        Panel(grid, (x, y + TITLE), sides[grid.look])
        for grid, (x, y) in zip(scene.grids, spots, strict=False)
    ]
    boxes = [
        (box, Rectangle(x, y, *size))
        for box, (x, y), size in zip(
            scene.boxes, spots[len(panels) :], sizes[len(panels) :], strict=True
        )
    ]
    y = top + max((start + length for start, length in rows.values()), default=0.0) + 14
    formula = (MARGIN, y + LINE / 2)
    y += LINE * _formula_lines(scene, width) + (10 if scene.steps else 0)
    matrix = None
    if scene.matrix:
        matrix = _matrix_place(scene.matrix, width, y + TITLE)
        y = matrix.y + matrix.height + 16
    lines = [piece for line in notes(scene) for piece in wrap(line, FACT, width - 2 * MARGIN)]
    below = (MARGIN, y + LINE / 2)
    y = float(ceil(y + LINE * len(lines) + MARGIN))
    return Arrangement(
        width, y, tuple(title), tuple(panels), tuple(boxes), formula, matrix, below, tuple(lines)
    )


def _grid_size(grid: Grid, cell: float) -> Point:
    """Width and height of a grid with its title."""
    panel = Panel(grid, (0.0, 0.0), cell)
    return max(panel.width, width_of(caption(grid), FACT)), panel.height + TITLE


def pixel_size(grids: Sequence[Grid]) -> float:
    """Return the side of a pixel, one for all images: 220 for the longest side, at most 12."""
    longest = max((max(grid.size) for grid in grids if grid.look == "image"), default=1)
    return min(12.0, 220.0 / longest)


def _box_size(box: Box) -> Point:
    texts = [(box.title, FACT + 1), *((line, FACT) for line in box.lines)]
    return max(width_of(text, size) for text, size in texts) + 20, LINE * len(texts) + 12


def _starts(extents: Sequence[tuple[int, float]], apart: float) -> dict[int, tuple[float, float]]:
    """Return where each column (or row) starts, and how long it is."""
    lengths: dict[int, float] = {}
    for index, length in extents:
        lengths[index] = max(lengths.get(index, 0.0), length)
    found, start = {}, 0.0
    for index in sorted(lengths):
        found[index] = start, lengths[index]
        start += lengths[index] + apart
    return found


def _formula_lines(scene: Scene, width: float) -> int:
    texts = sorted({step_text(step.stage, step.arithmetic) for step in scene.steps}, key=len)[-8:]
    return max((len(wrap(text, FORMULA, width - 2 * MARGIN)) for text in texts), default=0)


def step_text(stage: str, arithmetic: str) -> str:
    """Write what a step does."""
    return f"{stage}: {arithmetic}" if stage and arithmetic else stage or arithmetic


def _matrix_place(matrix: Matrix, width: float, y: float) -> Rectangle:
    most = (width - 2 * MARGIN) / max(matrix.columns, 1)
    entry = max(ENTRY[0], min(ENTRY[1], most, 420.0 / max(matrix.rows, 1)))
    size = matrix.columns * entry, matrix.rows * entry
    return Rectangle((width - size[0]) / 2, y, *size)
