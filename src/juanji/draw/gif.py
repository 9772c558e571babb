"""Shapes -> GIF, one frame a step, drawn by Pillow with its own font: nothing must be installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

from . import shapes
from .arrange import arrange
from .picture import picture
from .scene import Scene, at_most
from .shapes import Line, Paint, Picture, Polygon, Text, head, paints

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFont

Color = tuple[int, int, int]
FRAMES = 256
PIXELS = 1 << 28  # of all frames together
COLORS = 128
LAST = 3  # times as long as the others, so that the result can be read


def gif(scene: Scene, *, milliseconds: int = 700, scale: float = 1.5) -> bytes:
    """Return an animation of a scene's steps that repeats; without steps, one frame.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: milliseconds or scale is not positive, or there are too many frames or pixels.
    """
    if milliseconds < 10:
        raise ValueError(f"milliseconds must be at least 10, got {milliseconds}")
    if scale <= 0:
        raise ValueError(f"scale must be above 0, got {scale}")
    at_most("frames", len(scene.steps), FRAMES)
    try:
        from PIL.Image import Dither
    except ImportError:
        raise ImportError('a GIF needs Pillow: pip install "juanji[draw]"') from None
    place = arrange(scene)
    chosen: Sequence[int | None] = range(len(scene.steps)) or [None]
    at_most("pixels", int(place.width * place.height * scale**2) * len(chosen), PIXELS)
    palette = _palette([draw(picture(scene, step, place), scale) for step in (*chosen[:1], None)])
    first, *others = [
        draw(picture(scene, step, place), scale).quantize(palette=palette, dither=Dither.NONE)
        for step in chosen
    ]
    durations = [milliseconds] * len(others) + [milliseconds * LAST]
    file = BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True
    )
    return file.getvalue()


def draw(shown: Picture, scale: float = 1.0) -> PIL.Image.Image:
    """Paint a picture with Pillow."""
    from PIL import Image, ImageDraw

    found = paints()
    size = round(shown.width * scale), round(shown.height * scale)
    canvas = Image.new("RGB", size, found["ground"].fill or "white")
    pen = ImageDraw.Draw(canvas)

    def scaled(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(round(x * scale), round(y * scale)) for x, y in points]

    def polygon(points: Sequence[tuple[float, float]], paint: Paint) -> None:
        corners = scaled(points)
        if paint.fill:
            pen.polygon(corners, fill=paint.fill)
        if paint.stroke:
            width = max(round(paint.width * scale), 1)
            closed = [*corners, corners[0]]
            if not paint.dashed:
                pen.line(closed, fill=paint.stroke, width=width)
                return
            for start, end in pairwise(closed):
                for piece in _dashes(start, end, 3 * scale):
                    pen.line(piece, fill=paint.stroke, width=width)

    for shape in shown.shapes:
        if isinstance(shape, Polygon):
            polygon(shape.points, found[shape.paint])
        elif isinstance(shape, Line):
            paint = found[shape.paint]
            pen.line(scaled(shape.points), paint.stroke, max(round(paint.width * scale), 1))
            if shape.head:
                polygon(head(shape).points, paint)
        elif isinstance(shape, Text):
            font = _font(round(max(shape.size * scale, 1.0) * 2) / 2)
            anchor = {"start": "lm", "middle": "mm", "end": "rm"}[shape.anchor]
            at = shape.at[0] * scale, shape.at[1] * scale
            pen.text(at, shape.text, fill=found[shape.paint].fill, font=font, anchor=anchor)
        else:
            (corner,) = scaled([shape.at])
            canvas.paste(_image(shape, scale), (int(corner[0]), int(corner[1])))
    return canvas


def _palette(frames: Sequence[PIL.Image.Image]) -> PIL.Image.Image:
    """Return one palette for all frames, so that a frame stores only what changed.

    It has the most frequent colours themselves: means of colours would tint the background.
    """
    from PIL import Image

    counts: Counter[Color] = Counter()
    for frame in frames:
        for count, color in frame.getcolors(frame.width * frame.height) or []:
            assert isinstance(color, tuple)
            counts[color[0], color[1], color[2]] += count
    chosen: list[Color] = []
    for color, _ in counts.most_common():
        if len(chosen) < COLORS and not any(_alike(color, other) for other in chosen):
            chosen.append(color)
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for color in chosen for level in color])
    return palette


def _alike(color: Color, other: Color) -> bool:
    """Whether two colours are too near for Pillow to tell them apart when it looks one up."""
    return all(abs(a - b) < 12 for a, b in zip(color, other, strict=True))


@cache
def _font(size: float) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    """Return Pillow's own font; reading it anew for every text would take most of the time."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _image(shape: shapes.Image, scale: float) -> PIL.Image.Image:
    from PIL import Image

    rows = len(shape.pixels) // (3 * shape.columns)
    small = Image.frombytes("RGB", (shape.columns, rows), shape.pixels)
    size = max(round(shape.width * scale), 1), max(round(shape.height * scale), 1)
    return small.resize(size, Image.Resampling.NEAREST)


def _dashes(
    start: tuple[float, float], end: tuple[float, float], length: float
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Cut a line into dashes as long as the holes between them."""
    across, down = end[0] - start[0], end[1] - start[1]
    count = max(int((across**2 + down**2) ** 0.5 / length) | 1, 1)  # odd: a dash at both ends

    def at(index: int) -> tuple[float, float]:
        return start[0] + across * index / count, start[1] + down * index / count

    return [(at(index), at(index + 1)) for index in range(0, count, 2)]
