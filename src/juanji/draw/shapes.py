"""What a picture consists of: polygons, lines, texts and images, placed; and how they are painted.

The layout makes shapes, writers (SVG, GIF) draw them: both show the same picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import hypot
from typing import Literal, TypeAlias

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled outline; `paint` is a name that `paints` knows."""

    points: tuple[Point, ...]
    paint: str


@dataclass(frozen=True, slots=True)
class Line:
    """An open line; with `head`, an arrow's."""

    points: tuple[Point, ...]
    paint: str
    head: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; y is the middle of its height."""

    at: Point
    text: str
    size: float
    paint: str = "ink"
    anchor: Anchor = "middle"


@dataclass(frozen=True, slots=True)
class Image:
    """Pixels in rows, each (red, green, blue) of 0 to 255, stretched over a rectangle."""

    at: Point
    width: float
    height: float
    columns: int
    pixels: bytes


Shape: TypeAlias = Polygon | Line | Text | Image


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes from back to front on a background."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours as #rrggbb; None: not drawn."""

    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    dashed: bool = False


def head(line: Line, length: float = 8.0) -> Polygon:
    """Return the head of an arrow at the end of its line."""
    (x0, y0), (x, y) = line.points[-2:]
    along = hypot(x - x0, y - y0) or 1.0
    dx, dy = (x - x0) / along * length, (y - y0) / along * length
    base = x - dx, y - dy
    left, right = (base[0] - dy / 2, base[1] + dx / 2), (base[0] + dy / 2, base[1] - dx / 2)
    return Polygon(((x, y), left, right), line.paint)


# Okabe and Ito's colours, told apart with every kind of colour vision.
ROLE_HUES = {"input": "#0072b2", "weight": "#e69f00", "between": "#cc79a7", "output": "#009e73"}
GROUP_HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
HUES = ROLE_HUES | {f"group{index}": hue for index, hue in enumerate(GROUP_HUES)}


def hue(role: str, group: int | None) -> str:
    """Return the name of a cell's colour: its group's where there are groups, or its role's."""
    return role if group is None else f"group{group % len(GROUP_HUES)}"


def paints(*, dark: bool = False) -> dict[str, Paint]:
    """Return all paints by name, on a light or a dark background.

    Every hue has "-still" (a cell), "-lit" (a cell the step touches) and "-line".
    """
    light = "#ffffff", "#1b1f24", "#6e7781"
    ground, ink, faint = ("#14171a", "#e8eaed", "#8b949e") if dark else light
    found = {
        "ground": Paint(ground),
        "ink": Paint(ink),
        "faint": Paint(faint),
        "blank": Paint(ground, mix(faint, ground, 0.6)),
        "ghost": Paint(None, mix(faint, ground, 0.55), dashed=True),
        "ghost-lit": Paint(mix(faint, ground, 0.25), faint, 1.5, dashed=True),
        "frame": Paint(None, mix(faint, ground, 0.5)),
        "box": Paint(mix(faint, ground, 0.12), faint),
        "arrow": Paint(faint, faint, 1.5),
        "point": Paint("#d55e00", ground, 1.0),
    }
    for name, color in HUES.items():
        found[f"{name}-still"] = Paint(mix(color, ground, 0.2), mix(color, ground, 0.6))
        found[f"{name}-lit"] = Paint(mix(color, ground, 0.6), mix(color, ink, 0.8), 2.0)
        found[f"{name}-line"] = Paint(None, mix(color, ink, 0.8), 2.0)
    return found


def mix(color: str, other: str, share: float) -> str:
    """Return the mixture of two colours.

    >>> mix("#ff0000", "#0000ff", 0.2)
    '#3300cc'
    """
    pairs = zip(bytes.fromhex(color[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a * share + b * (1 - share)) for a, b in pairs).hex()


def width_of(text: str, size: float) -> float:
    """Return about how wide a text is; signs of the East are as wide as high."""
    return sum(0.56 if ord(sign) < 0x2E80 else 1.0 for sign in text) * size


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break a text at its spaces into lines of at most `width`; a result stays with its "=".

    >>> wrap("1*1 + 0*1 = 1", 10, 55)
    ['1*1 + 0*1', '= 1']
    """
    lines = [""]
    for word in re.split("(?<!=) ", text):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and width_of(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
