"""A photo's frequencies: read within bounds, whatever the file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from juanji.cli import main
from juanji.draw import photo, svg


def save(path: Path, width: int, height: int, mode: str = "RGB") -> Path:
    pixels = np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3) % 251
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "CMYK"])
def test_the_parts_add_up_and_the_paths_to_the_outputs(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    scene = photo.scene(save(tmp_path / f"x.{suffix}", 13, 9, mode))
    grids = {grid.name: np.array(grid.values).reshape(3, *grid.size) for grid in scene.grids}
    average = grids["average"].repeat(2, 1).repeat(2, 2)[:, :9, :13]
    inside = (grids["detail"] > 0) & (grids["detail"] < 1)
    found = grids["detail"] - 0.5 + average
    np.testing.assert_allclose(found[inside], grids["image"][inside], atol=2e-3)
    assert grids["average"].shape == (3, 5, 7)
    assert grids["L output"].shape == (3, 5, 7)
    assert {grid.look for grid in scene.grids} == {"image"}
    assert "<image" in svg.svg(scene)


def test_a_large_picture_is_reduced_and_one_stored_turned_is_turned_back(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 100))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "x.jpg", exif=exif)
    scene = photo.scene(tmp_path / "x.jpg", side=40)
    assert scene.grids[0].size == (40, 10)


def test_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert set(photo.scene(tmp_path / "x.png").grids[0].values) == {1.0}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(width: int, height: int) -> bytes:
    """Return the header of a PNG that claims to be huge."""
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (bomb(60_000, 60_000), "pixels|must be a picture"),
        (bomb(12_000, 9_000), "at most 100,000,000 pixels"),
        (b"no picture at all", "must be a picture that Pillow can read, got x.png"),
        (b"", "must be a picture that Pillow can read, got x.png"),
    ],
)
def test_what_is_no_picture_or_too_large(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=match):
        photo.scene(tmp_path / "x.png")


def test_a_cut_file_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = save(tmp_path / "x.png", 64, 64).read_bytes()
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "y.svg"
    arguments = ["juanji", "draw", "octave", "--image", str(tmp_path / "x.png"), "-o", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_the_command_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = save(tmp_path / "x.png", 20, 12), tmp_path / "y.svg"
    arguments = ["juanji", "draw", "octave", "--image", str(source), "-o", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert "H-&gt;L" in out.read_text(encoding="utf-8")
