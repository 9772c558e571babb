"""Draw the gallery and write its page: `python docs/gallery.py`.

Every picture is made by the command that stands beside it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
FOLDER = DOCS / "gallery"
PHOTO = "docs/gallery/photo.png"

# the worked example of the articles
VALUES = "1,1,1,0,0,0,1,1,1,0,0,0,1,1,1,0,0,1,1,0,0,1,1,0,0"
WEIGHT = "1,0,1,0,1,0,1,0,1"


@dataclass(frozen=True)
class Picture:
    """One picture: what it shows, its file, and the words behind `juanji draw`."""

    title: str
    file: str
    words: str

    @property
    def command(self) -> str:
        """Return the command that draws it."""
        return f"juanji draw {self.words} -o docs/gallery/{self.file}"


SECTIONS: dict[str, tuple[Picture, ...]] = {
    "Convolution": (
        Picture(
            "A 3 x 3 kernel slides over 5 x 5 cells; the first sum is 4",
            "conv.gif",
            f"conv --kernel 3 --set values={VALUES} --set weight={WEIGHT}",
        ),
        Picture(
            "The mathematical convolution turns the kernel round",
            "flip.svg",
            "conv --kernel 3 --set flip=true --step 4",
        ),
        Picture("Stride 2", "stride.gif", "conv --kernel 3 --stride 2 --input 5"),
        Picture(
            "Valid: the kernel stays inside", "valid.svg", "conv --kernel 3 --input 4 --step 0"
        ),
        Picture(
            "Same: the output keeps the size",
            "same.svg",
            "conv --kernel 3 --input 4 --padding same --step 0",
        ),
        Picture(
            "Full: from the first contact",
            "full.svg",
            "conv --kernel 3 --input 4 --padding full --step 0",
        ),
        Picture("Padding 1, stride 1", "padding.gif", "conv --kernel 3 --padding 1 --input 4"),
        Picture(
            "Three input channels are summed",
            "channels.svg",
            "conv --kernel 3 --channels 3 --input 5 --step 4",
        ),
        Picture(
            "Two kernels give two output channels",
            "kernels.svg",
            "conv --kernel 3 --channels 3 --out-channels 2 --input 4 --step 5",
        ),
        Picture(
            "2 x 2 over all channels at once",
            "all-channels.svg",
            "conv --kernel 2 --channels 3 --input 4 --step 4",
        ),
        Picture(
            "1 x 1 mixes channels",
            "pointwise.svg",
            "conv --kernel 1 --channels 4 --out-channels 2 --input 3 --step 4",
        ),
        Picture("1-D", "one-dimension.svg", "conv --dimensions 1 --kernel 3 --input 7 --step 2"),
        Picture("3-D", "three-dimensions.svg", "conv --dimensions 3 --kernel 2 --input 3 --step 3"),
        Picture(
            "As a matrix: 4 x 4 cells and a 3 x 3 kernel",
            "matrix.svg",
            "conv --kernel 3 --input 4 --step 1",
        ),
        Picture(
            "Dilated: the same nine weights see 5 x 5",
            "dilated.svg",
            "conv --kernel 3 --dilation 2 --input 7 --step 4",
        ),
        Picture(
            "Transposed: every input cell is spread over the output",
            "transposed.gif",
            "conv-transpose --kernel 3 --input 2",
        ),
        Picture(
            "Transposed, the same as a convolution of a zero-stuffed input",
            "stuffed.svg",
            "conv-transpose --kernel 3 --input 2 --stride 2 --set how=gather --step 12",
        ),
    ),
    "Channels": (
        Picture(
            "Grouped: two groups that do not meet",
            "grouped.svg",
            "conv --kernel 3 --channels 4 --out-channels 4 --groups 2 --input 4 --step 9",
        ),
        Picture(
            "Depthwise: one kernel for each channel",
            "depthwise.svg",
            "conv --kernel 3 --channels 3 --out-channels 3 --groups 3 --input 4 --step 6",
        ),
        Picture(
            "Depthwise separable: depthwise, then 1 x 1",
            "depthwise-separable.svg",
            "depthwise-separable --input 4 --step 14",
        ),
        Picture(
            "Spatially separable: 3 x 1, then 1 x 3",
            "spatially-separable.svg",
            "spatially-separable --input 5 --step 18",
        ),
        Picture(
            "Flattened: across channels, down, along",
            "flattened.svg",
            "flattened --input 4 --step 20",
        ),
        Picture("Channel shuffle", "channel-shuffle.svg", "channel-shuffle --step 3"),
        Picture(
            "Shuffled groups: the second ones see all of the first",
            "shuffled.svg",
            "shuffled --input 2 --step 20",
        ),
        Picture(
            "Interleaved groups: primary, permutation, secondary, back",
            "interleaved.svg",
            "interleaved --step 30",
        ),
    ),
    "Moving taps": tuple(
        Picture(title, f"deformable-{pattern}.svg", words)
        for title, pattern, words in (
            (
                "Deformable: every tap moves and reads between cells",
                "free",
                "deformable --input 5 --step 4",
            ),
            (
                "No offsets: the ordinary convolution",
                "none",
                "deformable --input 5 --set pattern=none --step 4",
            ),
            (
                "Scaling is a special case",
                "scale",
                "deformable --input 5 --set pattern=scale --step 4",
            ),
            (
                "So is a change of aspect",
                "aspect",
                "deformable --input 5 --set pattern=aspect --step 4",
            ),
            ("So is rotation", "rotate", "deformable --input 5 --set pattern=rotate --step 4"),
        )
    ),
    "Two resolutions": (
        Picture(
            "A picture, its high and low part, and the four paths",
            "photo.svg",
            f"octave --image {PHOTO}",
        ),
        Picture("Frequency split", "frequency-split.svg", "frequency-split --step 23"),
        Picture(
            "Half of the channels at half the size", "octave-split.svg", "octave-split --step 18"
        ),
        Picture("Octave convolution: four paths", "octave.svg", "octave --step 34"),
        Picture(
            "Transposed, the paths walked backwards",
            "octave-transpose.svg",
            "octave-transpose --stride 2 --input 3 --step 30",
        ),
    ),
    "Pooling and unpooling": (
        Picture("Max pooling", "max-pool.gif", "max-pool"),
        Picture("Average pooling", "avg-pool.svg", "avg-pool --step 1"),
        Picture(
            "Stochastic pooling: drawn in proportion to the value",
            "stochastic-pool.svg",
            "stochastic-pool --step 5",
        ),
        Picture(
            "Overlapping pooling",
            "overlapping.svg",
            "max-pool --kernel 3 --stride 2 --input 5 --step 1",
        ),
        Picture("Global average pooling", "global-avg-pool.svg", "global-avg-pool --step 1"),
        Picture("Max unpooling uses recorded positions", "max-unpool.gif", "max-unpool"),
        Picture("Average unpooling needs none", "avg-unpool.svg", "avg-unpool --step 1"),
    ),
    "Blocks": (
        Picture("Two 3 x 3 see what one 5 x 5 sees", "stacked.svg", "stacked --input 5 --step 9"),
        Picture("Two layers of three taps see five inputs", "view.svg", "view --step 6"),
        Picture(
            "Dilations 1 and 2 see seven",
            "view-dilated.svg",
            "view --input 9 --set dilations=1x2 --step 8",
        ),
        Picture("Inception, first form", "inception.svg", "inception --step 30"),
        Picture(
            "Inception with reductions",
            "inception-reduced.svg",
            "inception --set reduction=1 --step 40",
        ),
        Picture("Bottleneck", "bottleneck.svg", "bottleneck --step 20"),
        Picture("Residual connection", "residual.svg", "residual --step 40"),
        Picture("Gated connection (Highway)", "gated.svg", "gated --step 30"),
        Picture("Dense connections", "dense.svg", "dense --step 22"),
        Picture("Squeeze and excitation", "squeeze-excite.svg", "squeeze-excite --step 30"),
    ),
}

# Which of these make the articles' pictures again. Articles are named by their titles.
ARTICLES: dict[str, tuple[str, ...]] = {
    "浅谈卷积及其变种": (
        "flip", "pointwise", "spatially-separable", "grouped", "dilated", "transposed", "photo",
        "octave",
    ),
    "卷积、反卷积、池化、反池化": (
        "conv", "channels", "kernels", "stride", "valid", "same", "full", "view", "matrix",
        "transposed", "max-pool", "avg-pool", "stochastic-pool", "overlapping", "max-unpool",
        "avg-unpool",
    ),
    "Drop an Octave: 论文笔记": (
        "photo", "residual", "gated", "dense", "grouped", "shuffled", "octave-split", "octave",
    ),
    "卷积神经网络中十大拍案叫绝的操作": (
        "grouped", "stacked", "inception", "inception-reduced", "bottleneck", "residual",
        "all-channels", "depthwise", "depthwise-separable", "shuffled", "squeeze-excite", "dilated",
        "view-dilated", "deformable-none", "deformable-free", "deformable-scale",
        "deformable-rotate",
    ),
    "各种类型的卷积,你认全了吗?": (
        "padding", "conv", "channels", "three-dimensions", "pointwise", "transposed", "dilated",
        "spatially-separable", "depthwise", "depthwise-separable", "flattened", "grouped",
        "shuffled",
    ),
}  # fmt: skip


def pictures() -> list[Picture]:
    """Return all pictures in the page's order."""
    return [picture for section in SECTIONS.values() for picture in section]


def page() -> str:
    """Return the page."""
    lines = [
        "# Gallery",
        "",
        "Every picture is drawn from the relation that computes the operator, by the command below "
        "it; `python docs/gallery.py` draws them all. A name that ends in `.gif` gives an "
        "animation, `.svg` a still (`--step` says which), `.html` a page with a player. All "
        "arguments can be changed; `juanji explore` does it with sliders.",
        "",
    ]
    for section, found in SECTIONS.items():
        lines += [f"## {section}", ""]
        for picture in found:
            lines += [
                f'<a id="{picture.file.partition(".")[0]}"></a>',
                f"**{picture.title}**",
                "",
                f"![{picture.title}](gallery/{picture.file})",
                "",
                f"    {picture.command}",
                "",
            ]
    lines += [
        "## The articles' pictures",
        "",
        "Five Chinese articles explain convolution and what grew out of it with pictures. These "
        "are made again above:",
        "",
    ]
    titles = {picture.file.partition(".")[0]: picture.title for picture in pictures()}
    for article, names in ARTICLES.items():
        links = ", ".join(f"[{titles[name]}](#{name})" for name in names)
        lines.append(f"- {article}: {links}")
    return "\n".join(lines) + "\n"


def draw_photo(path: Path) -> None:
    """Paint a small landscape: smooth sky and hills, fine grass and a fence."""
    import numpy as np
    from PIL import Image

    height, width = 96, 144
    y, x = np.mgrid[0:height, 0:width].astype(float)
    image = np.stack([0.45 + 0.3 * y / height, 0.65 + 0.2 * y / height, 0.95 - 0.1 * y / height], 2)
    sun = np.exp(-((((x - 108) ** 2 + (y - 22) ** 2) / 130) ** 2))[..., None]
    image = image * (1 - sun) + sun * np.array([1.0, 0.93, 0.55])
    hills = ((0.62, 9, 31, (0.36, 0.55, 0.42)), (0.74, 6, 17, (0.25, 0.47, 0.25)))
    for level, swing, length, color in hills:
        inside = y > height * level + swing * np.sin(x / length)
        image[inside] = np.array(color)
    grass = (np.sin(2.4 * x + 0.7 * np.sin(y)) > 0.3) & (y > height * 0.85)
    image[grass] = (0.55, 0.72, 0.3)
    fence = (y > 58) & (y < 82) & ((x.astype(int) % 9 < 2) | (y.astype(int) % 11 == 7))
    image[fence] = (0.93, 0.9, 0.84)
    pixels = (255 * image.clip(0, 1)).round().astype(np.uint8)
    Image.fromarray(pixels).save(path, optimize=True)


def main() -> None:
    """Draw every picture and write the page."""
    from juanji.cli import app

    os.chdir(DOCS.parent)
    FOLDER.mkdir(exist_ok=True)
    wanted = {picture.file for picture in pictures()} | {Path(PHOTO).name}
    for file in FOLDER.iterdir():
        if file.name not in wanted:
            file.unlink()
    draw_photo(Path(PHOTO))
    for picture in pictures():
        print(picture.command, file=sys.stderr)
        with contextlib.redirect_stdout(sys.stderr):
            app(shlex.split(picture.command)[1:], standalone_mode=False)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
