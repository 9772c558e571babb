from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_study import SETTINGS, TinyNet, tiny_pair
from torch import nn

from juanji.study import compare
from juanji.study.report import findings

EVIL = "<img src=x onerror=alert(1)>"
OPTIONS: dict[str, Any] = {"epochs": 2, "batch": 16, "threads": 1, "progress": False}


class Page(HTMLParser):
    """All elements, their attributes, and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


class EvilNet(nn.Module):
    """A network whose layers have names that would run a script."""

    def __init__(self) -> None:
        super().__init__()
        first, relu, second, *rest = TinyNet()
        self.first = nn.Sequential(first, relu)
        self.add_module(EVIL, second)
        self.rest = nn.Sequential(*rest)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.rest(getattr(self, EVIL)(self.first(input)))
        return scores


def evil() -> nn.Module:
    return EvilNet()


evil.__qualname__ = f"{EVIL}$x^2$"  # and that a chart would take for a formula


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    swaps = ["octave:0.25", "grouped:3", "squeeze-excite"]
    out = tmp_path_factory.mktemp("report")
    result = compare(evil, tiny_pair(), swaps, repeats=2, out=out, **OPTIONS)
    assert result.failed == ("grouped:3",)
    return Page(result.report)


def test_names_are_escaped(page: Page) -> None:
    assert EVIL not in page.source
    assert f"{EVIL}$x^2$" in page.text  # as the network's name
    assert page.text.count(EVIL) >= 3  # and as a layer's, in two plans
    assert not {"img", "script", "iframe", "link", "object"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]


def test_nothing_is_fetched(page: Page) -> None:
    assert "http" not in page.source
    assert "@import" not in page.source
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page.source))
    links = [value for name, value in page.attributes if name in ("href", "xlink:href")]
    assert all(value is not None and value.startswith("#") for value in links)


def test_references_within_the_page_hold(page: Page) -> None:
    names = [value for name, value in page.attributes if name == "id"]
    links = [value for name, value in page.attributes if name in ("href", "xlink:href")]
    links += re.findall(r"url\((#[^)]*)\)", page.source)
    assert {str(link)[1:] for link in links} <= set(names)
    assert len(names) == len(set(names))


def test_everything_is_there(page: Page) -> None:
    assert page.elements.count("svg") == 6
    for heading in (
        "Side by side",
        "Accuracy against multiply-adds",
        "Accuracy against latency, one image",
        "Accuracy against latency, batch of 16",
        "Promised and delivered speed-up",
        "Test accuracy",
        "Training loss",
        "Layer by layer",
        "How it was measured",
        "To repeat it",
    ):
        assert heading in page.text
    for text in ("octave:0.25", "squeeze-excite", "grouped:3 changes no layer", torch.__version__):
        assert text in page.text
    assert page.elements.count("details") == 2  # a plan for each variant that was converted
    assert "juanji.compare(" in page.text


def test_every_colour_comes_from_the_page(page: Page) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", page.source, flags=re.DOTALL))
    assert not re.findall(r"#[0-9a-f]{6}\b(?=[;\"])", drawings.replace('href="#', ""))
    used = set(re.findall(r"var\((--[\w-]+)\)", page.source))
    for scheme in re.findall(r":root \{(.*?)\}", page.source, flags=re.DOTALL):
        assert used <= set(re.findall(r"(--[\w-]+):", scheme))


def test_a_study_of_which_everything_failed_still_has_a_report(tmp_path: Path) -> None:
    class Lost(TinyNet):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input) * (torch.nan if self.training else 1)

    result = compare(Lost, tiny_pair(), ["grouped:4"], repeats=1, out=tmp_path, **OPTIONS)
    assert result.failed == ("unswapped", "grouped:4")
    page = Page(result.report)
    assert page.text.count("the loss became nan") == 2
    assert "svg" not in page.elements


def test_findings_do_not_call_a_slower_variant_the_fastest() -> None:
    def entry(variant: str, accuracy: float, promised: float, speed_up: float) -> dict[str, Any]:
        return {
            "variant": variant,
            "accuracy": accuracy,
            "accuracy_deviation": None,
            "multiply_adds": 100,
            "promised": promised,
            "latency": {"16": {"speed_up": speed_up}, "1": {"speed_up": 1 / speed_up}},
        }

    entries = [entry("unswapped", 0.9, 1, 1), entry("a", 0.95, 2, 0.8), entry("b", 0.7, 4, 0.5)]
    found = {one["label"]: (one["variant"], one["value"]) for one in findings(entries, SETTINGS)}
    assert found == {
        "Most accurate": ("a", "95.0 %"),
        "Fastest at batch 1": ("b", "2.00×"),
        "Fastest at batch 16": ("unswapped", "1.00×"),
        "Fewest multiply-adds": ("b", "100"),
    }


@pytest.mark.parametrize("batch", [1, 5])
def test_a_single_swap_epoch_repeat_and_batch(tmp_path: Path, batch: int) -> None:
    options = OPTIONS | {"epochs": 1, "batch": batch}
    result = compare(TinyNet, tiny_pair(), ["grouped:4"], repeats=1, out=tmp_path, **options)
    page = Page(result.report)
    assert result.failed == ()
    assert page.elements.count("svg") == (5 if batch == 1 else 6)
    assert "One training says nothing about chance" in page.text
