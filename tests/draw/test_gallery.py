"""The gallery shows every picture there is, and its page is the one that is generated."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from juanji.draw import words
from juanji.draw.operators import OPERATORS, find

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))
import gallery  # noqa: E402

PICTURES = gallery.pictures()


def test_the_committed_page_is_what_is_generated() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert page == gallery.page(), "run: python docs/gallery.py"


def test_the_folder_holds_the_pictures_and_is_small() -> None:
    files = list(gallery.FOLDER.iterdir())
    wanted = {picture.file for picture in PICTURES} | {Path(gallery.PHOTO).name}
    assert {file.name for file in files} == wanted, "run: python docs/gallery.py"
    assert len({picture.file for picture in PICTURES}) == len(PICTURES)
    assert sum(file.stat().st_size for file in files) < 2_000_000


def test_every_operator_is_shown() -> None:
    shown = {picture.words.split()[0] for picture in PICTURES}
    # what octave-split shows, backwards
    assert {operator.name for operator in OPERATORS} - shown == {"octave-merge"}


def test_the_articles_name_pictures_of_the_page() -> None:
    known = {picture.file.partition(".")[0] for picture in PICTURES}
    for names in gallery.ARTICLES.values():
        assert set(names) <= known


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.file)
def test_the_commands_draw_what_there_is(picture: gallery.Picture) -> None:
    name, *rest = shlex.split(picture.words)
    options = list(zip(rest[::2], rest[1::2], strict=True))
    said = {flag.removeprefix("--"): value for flag, value in options if flag != "--set"}
    if "image" in said:
        assert (DOCS.parent / said["image"]).is_file()
        return
    step, axes = said.pop("step", None), said.pop("dimensions", None)
    said |= words.settings([value for flag, value in options if flag == "--set"])
    scene = words.scene(find(name), said, None if axes is None else int(axes))
    assert step is None or int(step) < len(scene.steps)
    assert scene.steps
