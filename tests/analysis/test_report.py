"""Memory, time, and the forms of a report."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import torch
from torch import Tensor, nn

from juanji.analysis import Status, analyze


def test_memory_of_a_chain_by_hand() -> None:
    # bytes: input 4 * 100, first 4 * 300, second 4 * 200, in place nothing, last 4 * 50
    model = nn.Sequential(
        nn.Linear(100, 300, bias=False),
        nn.Linear(300, 200, bias=False),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(200, 50, bias=False),
    )
    report = analyze(model, torch.ones(1, 100), time=False)
    assert report.total.memory_sum.value == 4 * (300 + 200 + 50)
    # alive at one time: the first and the second; a Sequential drops what it has passed on
    assert report.total.memory_peak.value == 4 * (300 + 200)
    rows = {row.name: (row.memory_sum.value, row.memory_peak.value) for row in report.by_module()}
    assert rows == {
        "": (4 * 550, 4 * 500),
        "0": (4 * 300, 4 * 300),
        "1": (4 * 200, 4 * 500),
        "2": (0, 4 * 200),
        "3": (0, 4 * 200),
        "4": (4 * 50, 4 * 250),
    }


def test_memory_that_a_skip_keeps_alive() -> None:
    class Skip(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            kept = x + 1
            y = kept * 2
            y = y * 3
            return y + kept

    total = analyze(Skip(), torch.ones(10, dtype=torch.float64), time=False).total
    assert total.memory_sum.value == 8 * 10 * 4
    assert total.memory_peak.value == 8 * 10 * 3


def test_memory_on_meta_tensors() -> None:
    with torch.device("meta"):
        model, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), torch.ones(1, 1, 5, 5)
    report = analyze(model, x)
    assert report.total.memory_sum.value == 2 * 4 * 2 * 9
    assert report.total.seconds.status is Status.UNAVAILABLE


def test_times_are_measured_only_where_asked_for() -> None:
    model = nn.ModuleDict({"used": nn.Linear(4, 4), "spare": nn.ReLU()})
    model.forward = lambda x: model["used"](model["used"](x))  # type: ignore[method-assign]
    timed = analyze(model, torch.ones(2, 4), repeats=3).by_module()
    assert [row.seconds.status for row in timed] == ["exact", "exact", "unavailable"]
    assert all((row.seconds.value or 0) > 0 for row in timed[:2])
    untimed = analyze(model, torch.ones(2, 4), time=False).by_module()
    assert {row.seconds.status for row in untimed} == {Status.UNAVAILABLE}


class Recursive(nn.Module):
    """Runs inside itself; its figures count that once."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Tensor, depth: int = 2) -> Tensor:
        x = self.inner(x)
        return self(x, depth - 1) if depth else x


def test_a_module_inside_itself() -> None:
    total = analyze(Recursive(), torch.ones(1, 2), repeats=1).total
    assert total.calls == 3
    assert total.multiply_adds.value is not None
    assert total.multiply_adds.value.dense == 3 * 4


def test_json_holds_every_figure_with_its_status() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
    report = analyze(model, torch.ones(1, 1, 5, 7), time=False)
    read = json.loads(report.to_json())
    assert read["inputs"] == [[1, 1, 5, 7]]
    assert read["modules"][0]["view"] == {
        "value": {"size": [3, 3], "whole": False}, "status": "exact", "reason": "",
    }  # fmt: skip
    assert read["modules"][1]["multiply_adds"]["value"] == {"dense": 630, "touched": 494}
    assert read["modules"][0]["seconds"]["value"] is None
    assert read["operators"][0]["name"] == "aten::convolution"
    assert read["uncounted"] == {}


def test_html_escapes_names_and_stands_alone() -> None:
    name = "<img src=x onerror=alert(1)>"
    model = nn.Sequential()
    model.add_module(name.replace(".", ""), nn.Conv1d(1, 1, 3))
    page = analyze(model, torch.ones(1, 1, 5), time=False).to_html()
    tags: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            tags.append((tag, dict(attributes)))

    Reader().feed(page)
    assert [tag for tag, _ in tags].count("tr") == 3
    assert not {"img", "script", "link", "iframe"} & {tag for tag, _ in tags}
    assert not any({"src", "href"} & attributes.keys() for _, attributes in tags)
    assert "&lt;img" in page


def test_the_table_shows_what_is_known() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    lines = str(analyze(model, torch.ones(1, 1, 5, 7), time=False)).splitlines()
    assert lines[0].split()[:3] == ["module", "kind", "calls"]
    assert len(set(map(len, lines[2:6]))) == 1
    assert lines[2].split()[:4] == ["(model)", "Sequential", "1", "20"]
    assert "3×3+" in lines[2]
    assert any("whole input" in line for line in lines)
