"""Scene -> shapes: one picture of one step."""

from __future__ import annotations

from collections.abc import Iterator

from .arrange import (
    FACT,
    FORMULA,
    LINE,
    MARGIN,
    Arrangement,
    Rectangle,
    arrange,
    caption,
    step_text,
)
from .panel import Panel
from .progress import Progress, progress
from .scene import Arrow, Matrix, Scene, Tap
from .shapes import Image, Line, Picture, Point, Polygon, Shape, Text, hue, width_of, wrap
from .stages import flat
from .texts import number, shape

LEGIBLE = 15.0  # cells below this show no numbers
ROOMY = 28.0  # from here on, a tapped cell shows its factor too
POINT = 4.0  # half the size of a sampling point


def picture(
    scene: Scene, step: int | None = None, arrangement: Arrangement | None = None
) -> Picture:
    """Return the picture after a step (numbered from 0); None: all done, nothing lit.

    Raises:
        ValueError: there is no such step.
    """
    place = arrangement or arrange(scene)
    state = progress(scene, step)
    shapes: list[Shape] = []
    for index, line in enumerate(place.title):
        at = (MARGIN, MARGIN + LINE * (index + 0.5))
        shapes.append(Text(at, line, FORMULA, anchor="start"))
    ends = place.ends()
    for arrow in scene.arrows:
        shapes += _arrow(arrow, ends)
    for panel in place.panels:
        shapes += _panel(panel, state)
    for box, spot in place.boxes:
        shapes.append(_rectangle(spot, "box"))
        middle = spot.x + spot.width / 2
        for index, text in enumerate((box.title, *box.lines)):
            at = (middle, spot.y + 6 + LINE * (index + 0.5))
            shapes.append(Text(at, text, FACT, "faint" if index else "ink"))
    if state.step:
        text = step_text(state.step.stage, state.step.arithmetic)
        for index, line in enumerate(wrap(text, FORMULA, place.width - 2 * MARGIN)):
            at = (place.formula[0], place.formula[1] + LINE * index)
            shapes.append(Text(at, line, FORMULA, anchor="start"))
    if scene.matrix and place.matrix:
        shapes += _matrix(scene.matrix, place.matrix, state)
    for index, line in enumerate(place.lines):
        at = (place.notes[0], place.notes[1] + LINE * index)
        shapes.append(Text(at, line, FACT, "faint", "start"))
    return Picture(place.width, place.height, tuple(shapes))


def _panel(panel: Panel, state: Progress) -> Iterator[Shape]:
    """Draw a grid: its title, all cells, and those that the step touches above the others."""
    grid = panel.grid
    title = (panel.at[0] + panel.width / 2, panel.at[1] - 9)
    yield Text(title, caption(grid), FACT, "faint")
    if grid.look == "image":
        yield from _image(panel)
        return
    reads = state.reads.get(grid.name, {})
    touched: dict[tuple[int, tuple[float, ...]], Tap | None] = {}
    for channel, position in (*state.weights.get(grid.name, ()), *state.writes.get(grid.name, ())):
        touched[channel, panel.place(position)] = None
    for (channel, position), tap in reads.items():
        for at in (corner.position for corner in tap.corners):
            touched.setdefault((channel, panel.place(at)), None)
        if not tap.corners:
            touched[channel, panel.place(position)] = tap
    for channel in range(grid.channels):
        for place in panel.all_places():
            if (channel, place) not in touched:
                yield from _cell(panel, channel, place, state)
    for (channel, at), one in touched.items():
        if panel.shows(at):
            yield from _cell(panel, channel, at, state, lit=True, tap=one)
    for (channel, position), tap in reads.items():
        if tap.corners and panel.shows(panel.place(position)):
            x, y = panel.centre(channel, panel.place(position))
            diamond = ((x - POINT, y), (x, y - POINT), (x + POINT, y), (x, y + POINT))
            yield Polygon(diamond, "point")


def _cell(
    panel: Panel, channel: int, place: tuple[float, ...], state: Progress, *, lit: bool = False,
    tap: Tap | None = None,
) -> Iterator[Shape]:  # fmt: skip
    """Draw what lies at one place: a cell with its number, a ghost of the padding, or a hole."""
    grid = panel.grid
    color = hue(grid.role, grid.groups[channel] if grid.groups else None)
    value: float | None
    if not panel.is_cell(place):
        if grid.role == "weight":
            return  # holes of a dilated kernel stay open
        paint, value = ("ghost-lit", tap.value if tap else None) if lit else ("ghost", None)
        known = state.written.get(grid.name)
        if lit and known is not None and tap is None:
            value = known.get((channel, _position(panel, place)))
    else:
        position = _position(panel, place)
        written = state.written.get(grid.name)
        if written is None:
            value = grid.values[flat(channel, position, grid.size)]
        else:
            value = written.get((channel, position))
        paint = f"{color}-lit" if lit else f"{color}-still" if value is not None else "blank"
    yield Polygon(panel.outline(channel, place), paint)
    if value is None or panel.cell < LEGIBLE:
        return
    text, (x, y) = number(value), panel.centre(channel, place)
    factor = tap.factor if tap and tap.weight and panel.cell >= ROOMY else None
    yield Text((x, y - (3 if factor is not None else 0)), text, _fit(text, panel.cell, 0.42))
    if factor is not None:
        text = f"* {number(factor)}"
        size = _fit(text, panel.cell, 0.26)
        below = panel.cell * (0.2 if len(grid.size) == 3 else 0.3)
        yield Text((x, y + below), text, size)


def _position(panel: Panel, place: tuple[float, ...]) -> tuple[float, ...]:
    """Return the position of a place: the inverse of Panel.place."""
    grid = panel.grid
    axes = len(grid.size)
    gaps, low = grid.gaps or (1,) * axes, grid.low or (0,) * axes
    return tuple((at - edge) / gap for at, edge, gap in zip(place, low, gaps, strict=True))


def _fit(text: str, cell: float, share: float) -> float:
    """Return the size of a text that is a share of the cell high, or smaller to fit in it."""
    return min(cell * share, cell * 0.92 / max(width_of(text, 1.0), 0.1))


def _image(panel: Panel) -> Iterator[Shape]:
    """Draw a grid as pixels: its three channels as red, green and blue, or one as grey."""
    grid = panel.grid
    rows, columns = grid.size if len(grid.size) == 2 else (1, grid.size[-1])
    count = rows * columns
    levels = [
        round(255 * min(max(value, 0.0), 1.0)) if value == value else 0 for value in grid.values
    ]
    colors = [levels[index * count : (index + 1) * count] for index in range(grid.channels)]
    planes = colors if grid.channels == 3 else colors[:1] * 3
    pixels = bytes(level for pixel in zip(*planes, strict=True) for level in pixel)
    yield Image(panel.at, columns * panel.cell, rows * panel.cell, columns, pixels)


def _arrow(arrow: Arrow, ends: dict[str, Rectangle]) -> Iterator[Shape]:
    """Draw a flow from the right side to the left one, or downwards within a column."""
    source, target = ends[arrow.source], ends[arrow.target]
    if source.x + source.width <= target.x:
        start = source.x + source.width + 4, source.y + source.height / 2
        end = target.x - 5, target.y + target.height / 2
    else:
        down = source.y < target.y
        start = source.x + source.width / 2, source.y + (source.height + 4 if down else -24)
        end = target.x + target.width / 2, target.y + (-24 if down else target.height + 4)
    yield Line((start, end), "arrow", head=True)
    if arrow.label:
        # nearer to the start, where arrows that meet are still apart
        at = start[0] + 0.4 * (end[0] - start[0]), start[1] + 0.4 * (end[1] - start[1]) - 9
        yield Text(at, arrow.label, FACT - 1, "faint")


def _matrix(matrix: Matrix, spot: Rectangle, state: Progress) -> Iterator[Shape]:
    """Draw the sparse matrix, the row (or column) of the step lit."""
    entry = spot.width / max(matrix.columns, 1)
    title = f"{matrix.name}  {shape((matrix.rows, matrix.columns))}"
    yield Text((spot.x + spot.width / 2, spot.y - 9), title, FACT, "faint")
    yield _rectangle(spot, "blank")
    row = state.step.row if state.step else None
    column = state.step.column if state.step else None
    for at, value in ((row, "row"), (column, "column")):
        if at is None:
            continue
        if value == "row":
            bar = Rectangle(spot.x, spot.y + at * entry, spot.width, entry)
        else:
            bar = Rectangle(spot.x + at * entry, spot.y, entry, spot.height)
        yield _rectangle(bar, "output-still" if value == "row" else "input-still")
    for i, j, factor in matrix.entries:
        lit = row == i or column == j
        cell = Rectangle(spot.x + j * entry, spot.y + i * entry, entry, entry)
        yield _rectangle(cell, f"weight-{'lit' if lit else 'still'}")
        text = number(factor)
        if entry >= 10 and len(text) <= 3:
            at_centre: Point = (cell.x + entry / 2, cell.y + entry / 2)
            yield Text(at_centre, text, _fit(text, entry, 0.6))


def _rectangle(spot: Rectangle, paint: str) -> Polygon:
    right, bottom = spot.x + spot.width, spot.y + spot.height
    return Polygon(((spot.x, spot.y), (right, spot.y), (right, bottom), (spot.x, bottom)), paint)
