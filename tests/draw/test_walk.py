"""A whole model's page: every layer in order, with its picture, cost and view."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import juanji
import juanji.explanation.walk as walking
from juanji.explanation import Walk, explain

EVIL = "<img src=x onerror=alert(1)>"


class Evil(nn.Module):
    """A model whose layer has a name that is HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module(EVIL, nn.Conv2d(3, 4, 3))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.act(self.get_submodule(EVIL)(x))


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU()), nn.Flatten(), nn.Linear(128, 3),
    )  # fmt: skip


def test_layers_stand_in_the_order_in_which_they_run_with_their_figures(tmp_path: Path) -> None:
    model, x = small(), torch.rand(2, 1, 8, 8)
    shown = explain(model, x)
    assert isinstance(shown, Walk)
    assert [layer.name for layer in shown.layers] == [
        "0", "1", "2", "3", "4.0", "4.1", "5", "6",
    ]  # fmt: skip
    report = {row.name: row for row in juanji.analyze(model, x, time=False).by_module()}
    page = shown.html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    for layer in shown.layers:
        assert layer.figures[0] == f"{report[layer.name].weights.value:,}"
    assert page.count("<figure>") == 4
    targets = re.findall(r'href="#(layer-\d+)"', page)
    assert set(targets) == set(re.findall(r'section id="(layer-\d+)"', page))
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "Walk" in repr(shown)
    assert "srcdoc" in shown._repr_html_()


def test_pictures_show_what_a_layer_read_before_later_ones_worked_in_place() -> None:
    model = nn.Sequential(nn.ReLU(), nn.MaxPool1d(2), nn.ReLU(inplace=True))
    x = torch.tensor([[[-3.0, 2.0, -1.0, -5.0]]])
    scene = explain(model, x).layers[1].scene
    assert scene
    assert scene.grids[0].values == (0, 2, 0, 0)


def test_the_model_is_left_as_it_was() -> None:
    model = small().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain(model, torch.rand(2, 1, 8, 8))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_names_are_escaped() -> None:
    page = explain(Evil(), torch.rand(1, 3, 6, 6)).html()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_without_an_input_the_layers_show_their_weights() -> None:
    shown = explain(small())
    assert sum(layer.scene is not None for layer in shown.layers) == 4
    assert "made up" in shown.html()


def test_octave_pairs_are_shown_half_by_half() -> None:
    model, x = small(), torch.rand(1, 1, 8, 8)
    octave = juanji.convert(model, juanji.swaps.Octave(alpha=0.5), x)
    shown = explain(octave, x)
    assert [layer.reason for layer in shown.layers if layer.reason] == []
    assert sum(layer.scene is not None for layer in shown.layers) == 4


def test_a_page_is_bounded_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "BYTES", 30_000)
    page = explain(small(), torch.rand(1, 1, 8, 8)).html()
    assert "No picture: the page would be too large" in page
    monkeypatch.setattr(walking, "MANY", 2)
    with pytest.raises(ValueError, match="at most 2 layers"):
        explain(small())


def test_what_cannot_be_drawn_is_said_in_its_place() -> None:
    shown = explain(nn.Sequential(nn.AdaptiveAvgPool1d(3), nn.ReLU()), torch.rand(1, 1, 4))
    assert "multiple of" in shown.layers[0].reason
    assert "No picture: input must have a multiple of" in shown.html()
