"""The scene: what a picture shows, as plain frozen data. The contract: README.md in this folder.

Builders make scenes, renderers (SVG, GIF, the page's player) show them. A scene knows numbers and
places in grids, never pixels. Python and JavaScript build the very same structure, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite, isnan, prod
from typing import Any, Literal, TypeAlias

Position: TypeAlias = tuple[float, ...]  # in cells of the grid; outside it: padding
Role: TypeAlias = Literal["input", "weight", "between", "output"]
Look: TypeAlias = Literal["numbers", "image"]

ROLES = ("input", "weight", "between", "output")
# What facts there are: the page translates these words; texts are numbers and formulas.
FACTS = (
    "output size", "weights", "multiply-adds", "multiply-adds inside", "view", "matrix", "groups",
    "alpha", "parts",
)  # fmt: skip

# Above these a picture cannot be read any more, and a page cannot be held in memory.
CELLS = 4096  # of all grids with numbers together
PIXELS = 1 << 20  # of all images together
STEPS = 2048
TAPS = 65536  # of all steps together
MATRIX = (128, 256)  # rows and columns


@dataclass(frozen=True, slots=True)
class Fact:
    """One line beside the picture: `key` is one of FACTS, `text` is free of language."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A map of cells: 1 to 3 axes, one or many channels, side by side in the picture.

    A cell at position p lies at the place p * gaps, counted from the first real cell; so a dilated
    kernel or a zero-stuffed input is drawn with holes. `low` and `high` count further places
    around: padding, or what a transposed convolution cuts off.
    """

    name: str  # unique among grids and boxes
    title: str  # a short English word or two, which the page translates when it knows it
    role: Role
    size: tuple[int, ...]
    channels: int
    values: tuple[float, ...]  # (channels, *size) in C order, as it is when all steps are done
    column: int  # place in the picture: columns are laid side by side, rows below each other
    row: int = 0
    low: tuple[int, ...] = ()  # per axis; () where there are none
    high: tuple[int, ...] = ()
    gaps: tuple[int, ...] = ()  # per axis; () means 1, no holes
    across: int = 1  # channels side by side; the others follow in rows below
    groups: tuple[int, ...] = ()  # the group (a colour) of every channel; () means one for all
    look: Look = "numbers"  # image: values in [0, 1] without numbers; 3 channels are one colour


@dataclass(frozen=True, slots=True)
class Box:
    """A layer or an operation drawn as a box with words, not cells: "3x3, 64", "+"."""

    name: str
    title: str
    lines: tuple[str, ...]
    column: int
    row: int = 0


@dataclass(frozen=True, slots=True)
class Arrow:
    """A flow from one grid or box to another."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of one grid."""

    grid: str
    channel: int
    position: Position


@dataclass(frozen=True, slots=True)
class Corner:
    """One of the cells a point between cells is read from, with its share (bilinear)."""

    position: Position
    share: float


@dataclass(frozen=True, slots=True)
class Tap:
    """One value a step reads. `factor` is what it is multiplied with; None: taken as it is.

    A position outside the grid is padding, one with a fraction lies in a hole (value 0) or, with
    `corners`, between the cells it is interpolated from.
    """

    grid: str
    channel: int
    position: Position
    value: float
    factor: float | None = None
    weight: Cell | None = None  # where the factor stands
    corners: tuple[Corner, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """One value a step writes: `value` stands in the cell after the step, so sums run."""

    grid: str
    channel: int
    position: Position
    value: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the animation: reads taps, writes cells.

    Gathering steps write from all their taps; in a scattering step, tap j goes to write j.
    """

    stage: str  # "" where there is one stage only
    taps: tuple[Tap, ...]
    writes: tuple[Write, ...]
    arithmetic: str  # "1*1 + 0*1 + ... = 4"
    scatter: bool = False
    row: int | None = None  # of the matrix, lit
    column: int | None = None  # of the matrix, lit: what a scattering step goes through


@dataclass(frozen=True, slots=True)
class Matrix:
    """The operator as a sparse matrix on the flattened input: (row, column, value), row by row."""

    name: str  # "C" or "C^T"
    rows: int
    columns: int
    entries: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, slots=True)
class Crop:
    """What a grid shows is a part of something larger: all three are (channel, *axes)."""

    grid: str
    first: tuple[int, ...]
    shown: tuple[int, ...]
    whole: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one picture, animation or player shows.

    Raises:
        ValueError: a name is not unique or not known, sizes do not fit, or there is too much to
            draw.
    """

    operator: str  # the catalog's name of it, as "conv"
    title: str
    facts: tuple[Fact, ...]
    grids: tuple[Grid, ...]
    steps: tuple[Step, ...] = ()
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    matrix: Matrix | None = None
    crops: tuple[Crop, ...] = ()

    def __post_init__(self) -> None:
        _check(self)


def to_data(value: Any) -> Any:
    """Turn a scene into what JSON holds: records become dicts of their fields, tuples lists.

    Numbers that JSON lacks become "NaN", "Infinity" and "-Infinity".

    >>> to_data(Arrow("input", "output"))
    {'source': 'input', 'target': 'output', 'label': ''}
    """
    if is_dataclass(value):
        return {field.name: to_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_data(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def at_most(what: str, count: int, limit: int) -> None:
    """Refuse what is too much to draw, before anything of that size is made.

    Raises:
        ValueError: count is above limit.
    """
    if count > limit:
        raise ValueError(
            f"a picture shows at most {limit:,} {what}, this one would have {count:,}: "
            f"make input, kernel or channels smaller"
        )


def _check(scene: Scene) -> None:
    names = [grid.name for grid in scene.grids] + [box.name for box in scene.boxes]
    if len(set(names)) < len(names):
        raise ValueError(f"names of grids and boxes must be unique, got {names}")
    grids = {grid.name: grid for grid in scene.grids}
    for grid in scene.grids:
        _check_grid(grid)
    cells = [(prod(grid.size) * grid.channels, grid.look) for grid in scene.grids]
    at_most("cells", sum(count for count, look in cells if look == "numbers"), CELLS)
    at_most("pixels", sum(count for count, look in cells if look == "image"), PIXELS)
    at_most("steps", len(scene.steps), STEPS)
    at_most("taps", sum(len(step.taps) for step in scene.steps), TAPS)
    if scene.matrix:
        at_most("rows of the matrix", scene.matrix.rows, MATRIX[0])
        at_most("columns of the matrix", scene.matrix.columns, MATRIX[1])

    _known("arrow", (end for arrow in scene.arrows for end in (arrow.source, arrow.target)), names)
    _known("crop", (crop.grid for crop in scene.crops), grids)
    _known("fact", (fact.key for fact in scene.facts), FACTS)
    for step in scene.steps:
        _known("write", (write.grid for write in step.writes), grids)
        _known("tap", (tap.grid for tap in step.taps), grids)
        _known("weight", (tap.weight.grid for tap in step.taps if tap.weight), grids)
        if step.scatter and len(step.taps) != len(step.writes):
            raise ValueError("a scattering step must have one write per tap")


def _check_grid(grid: Grid) -> None:
    if not 1 <= len(grid.size) <= 3:
        raise ValueError(f"grid {grid.name!r} must have 1 to 3 axes, got size {grid.size}")
    if len(grid.values) != grid.channels * prod(grid.size):
        raise ValueError(
            f"grid {grid.name!r} must have one value per cell, got {len(grid.values)} values for "
            f"{grid.channels} channels of {grid.size}"
        )
    for name in ("low", "high", "gaps"):
        if len(getattr(grid, name)) not in (0, len(grid.size)):
            raise ValueError(f"{name} of grid {grid.name!r} must have one value per axis or none")
    if len(grid.groups) not in (0, grid.channels):
        raise ValueError(f"groups of grid {grid.name!r} must have one value per channel or none")


def _known(what: str, used: Iterable[str], known: Iterable[str]) -> None:
    unknown = set(used) - set(known)
    if unknown:
        raise ValueError(f"{what} names what is not in the scene: {sorted(unknown)}")
