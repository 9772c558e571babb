"""Pictures by their structure: cells, labels, values; not by pixels."""

from __future__ import annotations

from io import BytesIO
from xml.etree import ElementTree

import PIL.Image
import pytest

from juanji.bind import bind
from juanji.draw import convolution
from juanji.draw.arrange import arrange
from juanji.draw.gif import gif
from juanji.draw.panel import Panel, places
from juanji.draw.picture import picture
from juanji.draw.scene import Arrow, Box, Corner, Crop, Grid, Scene, Step, Tap, Write
from juanji.draw.shapes import Image, Text, paints
from juanji.draw.svg import steps_svg, svg
from juanji.spec import Conv, windows

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<img src=x onerror=alert(1)>&\"'"


def conv(kernel: tuple[int, ...], size: tuple[int, ...], **arguments: object) -> Scene:
    return convolution.scene(bind(Conv(windows(kernel, **arguments), 1, 1), size))  # type: ignore


def painted(root: ElementTree.Element, paint: str) -> int:
    return sum(path.get("class") == paint for path in root.iter(f"{SVG}path"))


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_still_shows_every_cell_and_lights_the_window(dimensions: int) -> None:
    scene = conv((2,) * dimensions, (3,) * dimensions, padding=((1, 0),) * dimensions)
    root = ElementTree.fromstring(svg(scene, 0))
    window, cells = 2**dimensions, 3**dimensions
    # the first window has one cell inside, all others in the padding
    assert painted(root, "input-lit") == 1
    assert painted(root, "input-still") == cells - 1
    assert painted(root, "ghost-lit") == window - 1
    assert painted(root, "ghost") == 4**dimensions - cells - (window - 1)
    assert painted(root, "output-lit") == 1
    shown = texts(root)
    assert scene.steps[0].arithmetic in " ".join(shown)
    assert any("output size: floor((3 + 1 + 0 - 2) / 1) + 1 = 3" in text for text in shown)


def test_the_output_fills_step_by_step() -> None:
    scene = conv((3,), (6,))
    for step in range(4):
        root = ElementTree.fromstring(svg(scene, step))
        assert painted(root, "output-still") == step + (1 if scene.matrix else 0)  # and its row
    done = ElementTree.fromstring(svg(scene))
    assert painted(done, "output-still") == 4
    assert not any(paint.endswith("-lit") for paint in classes(done))


def classes(root: ElementTree.Element) -> set[str]:
    return {path.get("class") or "" for path in root.iter(f"{SVG}path")}


def test_the_active_row_of_the_matrix_is_lit() -> None:
    scene = conv((2,), (4,))
    root = ElementTree.fromstring(svg(scene, 1))
    # two weights of the kernel itself, and two entries of the row
    assert painted(root, "weight-lit") == 4
    assert painted(root, "weight-still") == 4


def test_all_paints_are_known_in_light_and_dark() -> None:
    scene = conv((3, 3), (5, 5), padding=1)
    used = {path.get("class") for path in ElementTree.fromstring(svg(scene, 3)).iter(f"{SVG}path")}
    assert used <= set(paints()) == set(paints(dark=True))
    assert "prefers-color-scheme:dark" in svg(scene)


def test_several_steps_side_by_side() -> None:
    scene = conv((3,), (6,))
    root = ElementTree.fromstring(steps_svg(scene, columns=2))
    assert len(root.findall(f"{SVG}g")) == 4
    one = arrange(scene)
    assert float(root.get("width") or 0) == 2 * one.width
    with pytest.raises(ValueError, match="below 4, got 4"):
        steps_svg(scene, [4])


def test_names_are_escaped() -> None:
    grid = Grid(EVIL, EVIL, "input", (1,), 1, (1.0,), 0)
    scene = Scene(
        "conv", EVIL, (), (grid,), (Step(EVIL, (), (), EVIL),), (Box("b", EVIL, (EVIL,), 1),),
        (Arrow(EVIL, "b", EVIL),), crops=(Crop(EVIL, (0, 0), (1, 1), (2, 2)),),
    )  # fmt: skip
    text = svg(scene, 0)
    assert "<img" not in text
    assert "<img" in " ".join(texts(ElementTree.fromstring(text)))


def test_boxes_arrows_crops_and_sampling_points_are_drawn() -> None:
    source = Grid("a", "input", "input", (2, 2), 1, (1.0, 2.0, 3.0, 4.0), 0)
    target = Grid("b", "output", "output", (1, 1), 1, (2.5,), 2)
    corners = tuple(Corner((float(y), float(x)), 0.25) for y in (0, 1) for x in (0, 1))
    step = Step(
        "", (Tap("a", 0, (0.5, 0.5), 2.5, corners=corners),), (Write("b", 0, (0.0, 0.0), 2.5),),
        "2.5",
    )  # fmt: skip
    scene = Scene(
        "conv", "t", (), (source, target), (step,), (Box("layer", "3x3, 64", ("36,864",), 1),),
        (Arrow("a", "layer"), Arrow("layer", "b", "path")),
        crops=(Crop("a", (0, 3, 4), (1, 2, 2), (64, 56, 56)),),
    )  # fmt: skip
    root = ElementTree.fromstring(svg(scene, 0))
    assert painted(root, "input-lit") == 4
    assert painted(root, "point") == 1
    assert painted(root, "box") == 1
    assert painted(root, "arrow") == 4  # two lines, two heads
    shown = texts(root)
    assert {"3x3, 64", "36,864", "path"} <= set(shown)
    assert "crop of input: 1 x 2 x 2 of 64 x 56 x 56, from 0, 3, 4" in shown


def test_an_image_is_pixels() -> None:
    grid = Grid("i", "image", "input", (1, 2), 3, (0.0, 1.0, 0.5, 0.0, 1.0, 2.0), 0, look="image")
    shown = picture(Scene("octave", "", (), (grid,)))
    (image,) = [shape for shape in shown.shapes if isinstance(shape, Image)]
    assert (image.columns, image.pixels) == (2, bytes((0, 128, 255, 255, 0, 255)))
    assert "data:image/png;base64," in svg(Scene("octave", "", (), (grid,)))


def test_holes_and_ghosts_have_places() -> None:
    grid = Grid(
        "g", "g", "input", (2, 2), 2, (0.0,) * 8, 0, low=(1, 0), high=(0, 2), gaps=(2, 1), across=2
    )
    panel = Panel(grid, (10.0, 20.0), 10.0)
    assert places(grid) == (4, 4)
    assert panel.place((1, 0)) == (3, 0)
    assert not panel.is_cell((2, 0))
    assert not panel.is_cell((0, 0))
    assert panel.centre(0, (3, 0)) == (15.0, 55.0)
    assert panel.centre(1, (0, 0))[0] == 15.0 + 40.0 + panel.gap


def test_large_grids_get_smaller_cells_without_numbers() -> None:
    grid = Grid("g", "g", "input", (50, 50), 1, tuple(map(float, range(2500))), 0)
    shown = picture(Scene("conv", "", (), (grid,)))
    assert shown.width < 1000
    assert sum(isinstance(shape, Text) for shape in shown.shapes) == 2  # both titles


def test_a_gif_has_a_frame_for_each_step_and_is_small() -> None:
    scene = conv((3, 3), (5, 5))
    data = gif(scene)
    assert len(data) < 200_000
    file = PIL.Image.open(BytesIO(data))
    place = arrange(scene)
    assert (file.n_frames, file.info["loop"]) == (9, 0)
    assert file.size == (round(place.width * 1.5), round(place.height * 1.5))
    frames = []
    for index in range(9):
        file.seek(index)
        frames.append(file.convert("RGB").tobytes())
    assert len(set(frames)) == 9


def test_a_gif_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most 256 frames"):
        gif(conv((1, 1), (17, 17)))
    with pytest.raises(ValueError, match="milliseconds"):
        gif(conv((3,), (5,)), milliseconds=0)
