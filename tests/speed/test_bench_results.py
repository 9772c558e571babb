from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

from juanji import bench, cli
from juanji.bench import measure, operators
from juanji.bench.cases import Case, cells
from juanji.bench.report import html
from juanji.bench.terminal import show

EVIL = "<img src=x onerror=alert(1)>[red]"


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source, self.text = source, ""
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def run(out: Path, **options: Any) -> bench.Benchmark:
    return bench.run(out=out, threads=1, progress=False, **options)


def test_a_run_leaves_its_results_and_its_page(tiny: Sequence[Case], tmp_path: Path) -> None:
    result = run(tmp_path / "a" / "b")
    assert result.wrong == []
    stored = json.loads((tmp_path / "a" / "b" / "results.json").read_text(encoding="utf-8"))
    assert stored == result.results
    assert html(stored) == result.report.read_text(encoding="utf-8")
    names = [cell.name for case in tiny for cell in cells(case)]
    assert [row["name"] for row in stored["rows"]] == names
    for row in stored["rows"]:
        assert row["better"] in row["seconds"]
        assert ("max pooling" in row["ratios"]) == (row["case"]["operator"] == "stochastic-pool")
        assert row["seconds"]["ours"] > 0
    assert run(tmp_path / "a" / "b", operators=["max-pool"]).results["rows"][0]["name"] in names


def test_the_page_stands_alone(tiny: Sequence[Case], tmp_path: Path) -> None:
    page = Page(run(tmp_path).report.read_text(encoding="utf-8"))
    assert "http" not in page.source
    assert "@import" not in page.source
    assert not {"img", "script", "iframe", "link", "object"} & set(page.elements)
    assert page.elements.count("svg") == 3  # a roofline for each direction
    for text in ("Bars", "Roofline", "Every cell", "depthwise", torch.__version__, "not measured"):
        assert text in page.text
    used = set(re.findall(r"var\((--[\w-]+)\)", page.source))
    schemes = re.findall(r":root \{(.*?)\}", page.source, flags=re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        assert used <= set(re.findall(r"(--[\w-]+):", scheme))


def test_everything_is_escaped(tiny: Sequence[Case], tmp_path: Path) -> None:
    results = run(tmp_path).results
    results["command"] = results["environment"]["processor"] = results["machine"]["proxy"] = EVIL
    for row in results["rows"]:
        row["name"] = row["case"]["label"] = row["direction"] = row["layout"] = EVIL
    results["bars"][0] |= {"work": EVIL, "worst cell": EVIL}
    results["rows"][0] |= {"status": "wrong", "reason": EVIL}
    page = Page(html(results))
    assert EVIL not in page.source
    assert page.text.count(EVIL) > 4
    assert "img" not in page.elements
    stream = StringIO()
    show(results, stream)
    assert stream.getvalue().count(EVIL) > 4  # not taken for the terminal's markup either


def test_a_wrong_answer_has_no_figures(
    tiny: Sequence[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = operators.ours
    monkeypatch.setattr(
        operators,
        "ours",
        lambda case: (lambda x: ours(case)(x) + 1) if case.operator == "max-pool" else ours(case),
    )
    result = run(tmp_path)
    assert result.wrong == [f"max-pool 1-D 2, stride 2, forward, {layout}, small"
                            for layout in ("contiguous", "channels last")]  # fmt: skip
    wrong = next(row for row in result.results["rows"] if row["status"] == "wrong")
    assert wrong["reason"].startswith("ours: differs from float64 by")
    assert not {"seconds", "ratios", "limit"} & set(wrong)
    assert wrong["reason"] in Page(html(result.results)).text
    assert result.results["bars"][0]["met"] is False


def test_a_stopped_run_leaves_the_results_of_the_one_before(
    tiny: Sequence[Case],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"results.json", "report.html"}

    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "measure", stopped)
    monkeypatch.setattr(sys, "argv", ["juanji", "bench", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert ending.value.code == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "juanji: stopped; the results of the last complete run are kept"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_with_another_report_is_refused_untouched(
    tiny: Sequence[Case], tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("of a study")
    with pytest.raises(ValueError, match="holds another report; give another folder"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(ValueError, match="is a file"):
        run(tmp_path / "report.html")
    with pytest.raises(OSError, match="cannot be written"):
        run(tmp_path / "report.html" / "below")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--operator", "depthwize"], "did you mean 'depthwise'?"),
        (["--size", "big"], "size must be one of small, medium, large, got 'big'"),
        (["--threads", "0"], "threads must be at least 1, got 0"),
    ],
)
def test_bad_input_of_the_command_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["juanji", "bench", *words])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    captured = capsys.readouterr()
    assert (ending.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_tables(
    tiny: Sequence[Case],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["juanji", "bench", "--operator", "max-pool", "--threads", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ending:
        cli.main()
    out, err = capsys.readouterr()
    assert ending.value.code == 0
    assert len([line for line in out.splitlines() if line.startswith("max-pool")]) == 4
    assert "every cell" in out
    assert "[4/4] max-pool 1-D 2, stride 2, input gradient, channels last, small" in err
    command = json.loads((tmp_path / "results.json").read_text())["command"]
    assert command == " ".join(words)


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from juanji.cli import main
try:
    main()
finally:
    print(sorted({"torch", "numpy", "jinja2"} & sys.modules.keys()))
"""
    words = [sys.executable, "-c", code, "bench", "--help"]
    result = subprocess.run(words, capture_output=True, text=True, env=os.environ, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "--quick" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"
