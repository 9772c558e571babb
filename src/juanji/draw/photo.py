"""The scene of a photo: what is smooth and what is detail in it, and octave's four paths."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .scene import Arrow, Fact, Grid, Role, Scene
from .texts import shape

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 144  # the longer side of what is drawn
BYTES = 64 << 20  # of a file
PIXELS = 100_000_000  # of the picture in it, by its header: nothing larger is decoded
# Detail passes from high to high, the smooth part from low to high; both reach the low output.
BLUR = ((1, 2, 1), (2, 4, 2), (1, 2, 1))  # over 16
PATHS = ("H->H", "L->H", "H->L", "L->L")


def scene(path: str | Path, side: int = SIDE) -> Scene:
    """Return the scene of a picture file, reduced to `side` pixels along its longer side.

    Its high part is what the averages over 2 x 2 pixels leave, shown around grey. The four paths
    are an octave convolution of the picture, high, and of these averages, low: high to high passes
    detail, the others smooth.

    Raises:
        ImportError: Pillow is not installed.
        OSError: the file cannot be opened.
        ValueError: it is no picture, or too large.
    """
    from ..ops.octave import frequency_split
    from ..ops.octave.resample import pool

    if not 8 <= side <= SIDE:
        raise ValueError(f"side must be at least 8 and at most {SIDE}, got {side}")
    image, whole = load(path, side)
    size = tuple(image.shape[2:])
    detail, _ = frequency_split(image)
    small = pool(image, (2, 2))
    grids = [
        _grid("image", "image", "input", image, 0, 1),
        _grid("detail", "high part", "between", 0.5 + detail, 1, 0),
        _grid("average", "low part", "between", small, 1, 3),
    ]
    sums: dict[str, Tensor] = {}
    arrows = [Arrow("image", "detail", "image - average"), Arrow("image", "average", "average")]
    for row, name in enumerate(PATHS):
        source, target = name.split("->")
        made = _path(image, small, name)
        shown = made + 0.5 if name == "H->H" else 2 * made if target == "L" else made
        grids.append(_grid(name, name, "between", shown, 2, row))
        sums[target] = made if target not in sums else sums[target] + made
        arrows += [
            Arrow("image" if source == "H" else "average", name),
            Arrow(name, f"{target} output"),
        ]
    grids.append(_grid("H output", "high output", "output", sums["H"], 3, 1))
    grids.append(_grid("L output", "low output", "output", sums["L"], 3, 3))
    reduced = "" if whole == size else f" ({shape(whole)})"
    cells = 3 * size[0] * size[1], 3 * small.shape[2] * small.shape[3]
    return Scene(
        operator="octave",
        title=f"octave {Path(path).name}",
        facts=(
            Fact("output size", f"{shape(size)}{reduced} and {shape(small.shape[2:])}"),
            Fact("parts", f"high {cells[0]}, low {cells[1]}"),
        ),
        grids=tuple(grids),
        arrows=tuple(arrows),
    )


def load(path: str | Path, side: int) -> tuple[Tensor, tuple[int, ...]]:
    """Read a picture as (3, 1, height, width) in [0, 1]: a colour an example. And its whole size.

    The header is looked at before anything is decoded; a picture that was stored turned is turned
    back, and transparent parts are white.

    Raises:
        ImportError, OSError, ValueError: as `scene`.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ImportError('pictures need Pillow: pip install "juanji[study]"') from None
    import numpy as np
    import torch

    file = Path(path)
    if file.stat().st_size > BYTES:
        raise ValueError(
            f"image must be a file of at most {BYTES >> 20} MB, "
            f"{file.name} has {file.stat().st_size >> 20}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened: Any = Image.open(file)
        with opened:
            if opened.width * opened.height > PIXELS:
                raise ValueError(
                    f"image must have at most {PIXELS:,} pixels, "
                    f"{file.name} has {opened.width} x {opened.height}"
                )
            opened.draft("RGB", (4 * side, 4 * side))
            whole: Any = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, EOFError):
        raise ValueError(f"image must be a picture that Pillow can read, got {file.name}") from None
    size = (whole.height, whole.width)
    white = Image.new("RGBA", whole.size, "white")
    shown: Any = Image.alpha_composite(white, whole).convert("RGB")
    shown.thumbnail((side, side))
    pixels = np.asarray(shown, dtype=np.float64) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(1), size


def _path(image: Tensor, small: Tensor, name: str) -> Tensor:
    """Return what one path of the octave convolution gives: the weights of the others are zero."""
    from ..ops.octave import octave_conv

    blur = image.new_tensor(BLUR) / 16
    weight = image.new_zeros(2, 2, 3, 3)  # rows and columns: high, low
    place = (0 if name.endswith("H") else 1, 0 if name.startswith("H") else 1)
    if name == "H->H":
        weight[place] = -blur
        weight[(*place, 1, 1)] += 1
    else:
        weight[place] = blur if name == "L->H" else blur / 2
    high, low = octave_conv(image, small, weight, alpha_in=0.5, alpha_out=0.5, padding=1)
    found = high if name.endswith("H") else low
    assert found is not None
    return found


def _grid(name: str, title: str, role: Role, x: Tensor, column: int, row: int) -> Grid:
    # more than a screen's 256 levels, and few digits in a page
    values = tuple(round(value, 3) for value in x.clamp(0, 1).flatten().tolist())
    return Grid(name, title, role, tuple(x.shape[2:]), 3, values, column, row, look="image")
