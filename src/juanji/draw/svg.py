"""Shapes -> SVG: a still of one step, or several steps side by side. Light and dark by itself."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape

from .arrange import arrange
from .picture import picture
from .scene import Scene
from .shapes import Image, Line, Paint, Picture, Polygon, Shape, Text, head, paints

FONT = "ui-sans-serif, system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans SC', sans-serif"
STILLS = 64  # steps in one picture


def svg(scene: Scene, step: int | None = None) -> str:
    """Return the picture of a scene after a step (numbered from 0); None: all done, nothing lit.

    Raises:
        ValueError: there is no such step.

    >>> from juanji.bind import bind
    >>> from juanji.draw.convolution import scene
    >>> from juanji.spec import Conv, windows
    >>> svg(scene(bind(Conv(windows((3,)), 1, 1), (5,))), 0)[:40]
    '<svg xmlns="http://www.w3.org/2000/svg" '
    """
    return _document([picture(scene, step)], 1, scene.title)


def steps_svg(scene: Scene, steps: Sequence[int] | None = None, *, columns: int = 3) -> str:
    """Return one picture of several steps, in rows of `columns`; None: of all steps.

    Raises:
        ValueError: there is no such step, or there are too many.
    """
    chosen = range(len(scene.steps)) if steps is None else steps
    if len(chosen) > STILLS:
        raise ValueError(f"steps must be at most {STILLS} in one picture, got {len(chosen)}")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    place = arrange(scene)
    return _document([picture(scene, step, place) for step in chosen], columns, scene.title)


def _document(pictures: Sequence[Picture], columns: int, title: str) -> str:
    columns = min(columns, max(len(pictures), 1))
    wide = max((one.width for one in pictures), default=1.0)
    high = max((one.height for one in pictures), default=1.0)
    width, height = wide * columns, high * -(-len(pictures) // columns)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" role="img" class="juanji">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        f'<rect width="{_n(width)}" height="{_n(height)}" class="ground"/>',
    ]
    for index, one in enumerate(pictures):
        row, column = divmod(index, columns)
        lines.append(f'<g transform="translate({_n(column * wide)} {_n(row * high)})">')
        lines += (_shape(shape) for shape in one.shapes)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>\n"])


def _shape(shape: Shape) -> str:
    if isinstance(shape, Polygon):
        return f'<path d="{_path(shape.points)}z" class="{shape.paint}"/>'
    if isinstance(shape, Text):
        (x, y), middle = shape.at, shape.size * 0.35  # of a capital's height
        return (
            f'<text x="{_n(x)}" y="{_n(y + middle)}" font-size="{_n(shape.size)}" '
            f'text-anchor="{shape.anchor}" class="{shape.paint}">{escape(shape.text)}</text>'
        )
    if isinstance(shape, Line):
        line = f'<path d="{_path(shape.points)}" class="{shape.paint}" fill-opacity="0"/>'
        return line + (_shape(head(shape)) if shape.head else "")
    data = b64encode(_png(shape)).decode()
    return (
        f'<image x="{_n(shape.at[0])}" y="{_n(shape.at[1])}" width="{_n(shape.width)}" '
        f'height="{_n(shape.height)}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
    )


def _style() -> str:
    """Return the paints as CSS, dark ones where the reader prefers them."""
    light, dark = "".join(_rules(paints())), "".join(_rules(paints(dark=True)))
    return (
        f".juanji text{{font-family:{FONT};stroke:none}}"
        f"{light}@media(prefers-color-scheme:dark){{{dark}}}"
    )


def _rules(found: dict[str, Paint]) -> Iterator[str]:
    for name, paint in found.items():
        stroke = f"stroke:{paint.stroke};stroke-width:{paint.width}" if paint.stroke else ""
        dash = ";stroke-dasharray:3 2" if paint.dashed else ""
        yield f".juanji .{name}{{fill:{paint.fill or 'none'};{stroke}{dash}}}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _png(image: Image) -> bytes:
    """Write pixels as a PNG file."""
    stride = 3 * image.columns
    rows = [image.pixels[at : at + stride] for at in range(0, len(image.pixels), stride)]
    header = struct.pack(">2I5B", image.columns, len(rows), 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
