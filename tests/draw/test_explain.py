"""juanji.explain and juanji draw: a layer's real numbers, cropped where it is large; files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import juanji
from juanji.bind import bind
from juanji.cli import main
from juanji.draw.scene import Grid, Scene
from juanji.explanation import explain
from juanji.nn import Conv2d
from juanji.spec import Conv, Pool, windows


def values(scene: Scene, name: str = "output") -> Tensor:
    grid: Grid = next(grid for grid in scene.grids if grid.name == name)
    return torch.tensor(grid.values, dtype=torch.float64).view(grid.channels, *grid.size)


def part(scene: Scene, whole: Tensor, name: str = "output") -> Tensor:
    """Cut out of a whole tensor what the scene says it shows."""
    for crop in scene.crops:
        if crop.grid == name:
            assert crop.whole == tuple(whole.shape)
            spans = zip(crop.first, crop.shown, strict=True)
            return whole[tuple(slice(start, start + count) for start, count in spans)]
    return whole


LAYERS = {
    "small": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 6, 7)),
    "many channels": (nn.Conv2d(40, 50, 3, padding=1), (40, 20, 30)),
    "depthwise": (nn.Conv2d(32, 32, 3, groups=32), (32, 20, 20)),
    "groups": (nn.Conv1d(32, 64, 5, groups=4, dilation=3, bias=False), (32, 40)),
    "large kernel": (nn.Conv2d(3, 8, 11, stride=4, padding=5), (3, 64, 64)),
    "3-D": (nn.Conv3d(6, 5, 3, padding=1), (6, 8, 9, 7)),
    "circular": (nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), (1, 5, 5)),
    "flip": (Conv2d(5, 5, 3, padding="full", flip=True), (5, 15, 15)),
    "transposed": (nn.ConvTranspose2d(10, 6, 4, stride=2, padding=1), (10, 16, 16)),
    "transposed groups": (nn.ConvTranspose1d(8, 8, 3, 2, 0, 1, groups=2), (8, 30)),
    "max pool": (nn.MaxPool2d(3, 2, 1), (9, 30, 30)),
    "avg pool": (nn.AvgPool1d(2), (2, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_explained_with_its_true_outputs(name: str) -> None:
    torch.manual_seed(0)
    layer, shape = LAYERS[name]
    x = torch.randn(2, *shape, dtype=torch.float64)
    layer = layer.double()
    scene = explain(layer, x, channel=layer(x).shape[1] // 2).scene
    expected = part(scene, layer(x)[0].detach())
    torch.testing.assert_close(values(scene), expected, rtol=0, atol=1e-12)
    if name != "circular":  # whose input is shown padded
        assert torch.equal(values(scene, "input"), part(scene, x[0], "input"))


def test_what_is_large_is_a_crop_and_says_so() -> None:
    layer = nn.Conv2d(40, 50, 3, padding=1)
    scene = explain(layer, torch.ones(1, 40, 20, 30), channel=7, at=(0, 3)).scene
    crops = {crop.grid: (crop.first, crop.shown, crop.whole) for crop in scene.crops}
    assert crops["output"] == ((7, 0, 3), (2, 6, 6), (50, 20, 30))
    assert crops["input"] == ((0, 0, 2), (3, 7, 8), (40, 20, 30))
    facts = {fact.key: fact.text for fact in scene.facts}
    assert facts["weights"] == "50 x 40 x 3 x 3 + 50 = 18050"
    assert facts["output size"].endswith("= 20;  floor((30 + 1 + 1 - 3) / 1) + 1 = 30")
    assert (
        "crop of output: 2 x 6 x 6 of 50 x 20 x 30, from 7, 0, 3"
        in explain(layer, torch.ones(1, 40, 20, 30), channel=7, at=(0, 3)).svg()
    )


def test_specifications_are_explained_with_small_numbers() -> None:
    spec = Conv(windows((3, 3)), 64, 64)
    x = torch.rand(64, 9, 9)
    assert torch.equal(values(explain(spec, x).scene, "input"), x[:3].double())
    scene = explain(bind(Conv(windows((3,), stride=2), 1, 1), (7,))).scene
    assert values(scene).shape == (1, 3)
    assert values(scene).equal(values(scene).round())
    assert explain(Pool(windows((2, 2), stride=2))).scene.operator == "max-pool"


@pytest.mark.parametrize(
    ("layer", "x", "error", "match"),
    [
        (
            nn.Conv2d(3, 4, 3),
            torch.ones(2, 5, 5),
            ValueError,
            r"\(N, 3, \*spatial\).*got \(2, 5, 5\)",
        ),
        (nn.Conv2d(3, 4, 3), torch.ones(0, 3, 5, 5), ValueError, "must have an example"),
        (nn.Conv2d(3, 4, 3), [1.0], TypeError, "input must be a tensor"),
        (nn.Conv2d(3, 4, 3, device="meta"), None, ValueError, "weight must have values"),
        (3, None, TypeError, "layer must be a specification"),
    ],
)
def test_what_cannot_be_explained(layer: object, x: object, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        explain(layer, x)  # type: ignore[arg-type]


def test_a_channel_or_position_that_is_not_there() -> None:
    layer = nn.Conv2d(1, 4, 3)
    with pytest.raises(ValueError, match="channel must be at least 0 and below 4, got 4"):
        explain(layer, channel=4)
    with pytest.raises(ValueError, match="at must be a position of the output"):
        explain(layer, torch.ones(1, 1, 5, 5), at=(3, 0))


def test_an_explanation_writes_files_and_shows_itself(tmp_path: Path) -> None:
    shown = juanji.explain(nn.Conv2d(1, 1, 3), torch.ones(1, 1, 5, 5))
    assert isinstance(shown, juanji.Explanation)
    text = shown.svg(tmp_path / "a.svg", step=2)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == text
    assert shown.svg(step=[0, 1]).count("<g ") == 2
    shown.gif(tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes().startswith(b"GIF89a")
    assert shown.html(tmp_path / "a.html").lstrip().lower().startswith("<!doctype html>")
    bundle = shown._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    with pytest.raises(ValueError, match=r"must end with \.svg, \.gif or \.html"):
        shown.save(tmp_path / "a.png")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["juanji", "draw", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code


def test_the_command_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sized = ("--kernel", "3", "--stride", "2", "--input", "5")
    for suffix in (".gif", ".svg", ".html"):
        file = tmp_path / f"conv{suffix}"
        assert run(monkeypatch, "conv", *sized, "-o", str(file)) == 0
        assert file.stat().st_size > 1000
    assert "conv 3 x 3, stride 2" in (tmp_path / "conv.svg").read_text(encoding="utf-8")
    file = tmp_path / "one.svg"
    assert (
        run(
            monkeypatch, "conv", "--dimensions", "1", "--input", "6", "--padding", "2+1",
            "--channels", "2", "--set", "flip=true", "--step", "0", "-o", str(file),
        )
        == 0
    )  # fmt: skip
    assert "conv 3, padding 2+1, flip" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wave",), "operator must be one of"),
        (("conv", "--kernel", "0"), "kernel must be at least 1"),
        (("conv", "--padding", "sam"), "padding cannot be read: got 'sam'"),
        (("conv", "--input", "500"), "a picture shows at most"),
        (("conv", "--set", "alpha"), "set must be name=value"),
        (("conv", "--set", "alpha=1"), "got alpha"),
        (("conv", "--dimensions", "4"), "dimensions must be 1, 2 or 3"),
        (("conv", "--step", "9"), "step must"),
    ],
)
def test_the_command_names_what_is_wrong(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(monkeypatch, *arguments, "-o", str(tmp_path / "a.svg")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
