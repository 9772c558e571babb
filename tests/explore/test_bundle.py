"""One file out of modules: sound, small, without network, safe with what users call things."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opened import Opened, chromium

from juanji import explore
from juanji.cli import app
from juanji.draw.operators import find
from juanji.draw.scene import Scene
from juanji.explore import bundle

HOSTILE = "</script><img src=x onerror=alert(1)><!--"


def hostile() -> Scene:
    """Return a scene whose every word somebody else chose."""
    scene = find("conv").scene(input=(3, 3), kernel=2)
    grids = tuple(replace(grid, title=HOSTILE) for grid in scene.grids)
    steps = tuple(replace(step, stage=HOSTILE, arithmetic=HOSTILE) for step in scene.steps)
    facts = tuple(replace(fact, text=HOSTILE) for fact in scene.facts)
    return replace(scene, title=HOSTILE, grids=grids, steps=steps, facts=facts)


def test_the_page_is_one_small_file_without_addresses() -> None:
    page = explore.page()
    assert len(page.encode()) < 400_000
    addresses = set(re.findall(r"https?://[^\s\"'`]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, nothing that is loaded
    assert page.count("<script") == page.count("</script") == 2
    assert "default-src 'none'" in page


def test_all_modules_are_in_it_and_nothing_of_the_module_syntax() -> None:
    script = bundle.modules("main")
    for file in bundle.PAGE.glob("*.js"):
        assert f"const {bundle._variable(file.stem)} = " in script, f"{file.name} is not used"
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main": 'import { a } from "./b.js";\n', "b": "export const c = 1;\n"}, "not export"),
        ({"main": 'import { a } from "./b.js";\n',
          "b": 'import { m } from "./main.js";\nexport const a = 1;\n'}, "circle"),
        ({"main": 'import * as all from "./b.js";\n', "b": ""}, "not understood"),
        ({"main": 'import { a as z } from "./b.js";\n', "b": "export const a = 1;\n"}, "export"),
        ({"main": "export default 3;\n"}, "not understood"),
        ({"main": "export { a };\n"}, "not understood"),
    ],
)  # fmt: skip
def test_what_the_bundler_does_not_understand_is_an_error(
    files: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
    monkeypatch.setattr(bundle, "PAGE", tmp_path)
    bundle.modules.cache_clear()
    try:
        with pytest.raises(ValueError, match=words):
            bundle.modules("main")
    finally:
        bundle.modules.cache_clear()


def test_data_cannot_leave_its_element() -> None:
    text = explore.player(hostile())
    assert text.count("<script") == text.count("</script") == 2
    assert "<img" not in text
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["scenes"][0]["title"] == HOSTILE


def test_a_player_needs_a_scene() -> None:
    with pytest.raises(ValueError, match="at least one scene"):
        explore.player([])


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.html"
    assert app(["explore", "--out", str(path)], standalone_mode=False) == 0
    assert path.read_text(encoding="utf-8") == explore.page()
    assert capsys.readouterr().out.strip() == str(path)


def test_the_widget_holds_the_page() -> None:
    pytest.importorskip("anywidget")
    shown = explore.widget(height=500)
    assert shown.page == explore.page()
    assert shown.height == 500
    assert "scenes" in explore.widget(find("conv").scene()).page


@pytest.fixture
def played(browser: Any, tmp_path: Path) -> Any:
    """A player of two scenes, one of them hostile."""
    path = tmp_path / "player.html"
    path.write_text(explore.player([hostile(), find("octave").scene()]), encoding="utf-8")
    one = Opened(browser, path.as_uri())
    yield one.page
    one.close()


def test_the_player_plays_and_shows_names_as_text(played: Any) -> None:
    assert played.locator("h2").text_content() == HOSTILE
    assert played.locator("img").count() == 0
    assert played.locator(".count").text_content() == "1 / 4"
    played.locator("select.operator").select_option(index=1)
    played.evaluate("document.querySelector('button.last').click()")
    assert played.locator("h2").text_content() == "octave 3 x 3"
    texts = "[...document.querySelectorAll('.grid.output text:not(.title)')]"
    assert played.evaluate(f"{texts}.every(text => text.textContent)")


# The frame that a notebook shows, without the notebook: a model of two methods.
NOTEBOOK = """async ([source, page]) => {
    const values = { page, height: 600, state: "op=max-pool&step=2" };
    const listeners = {};
    const model = {
        get: name => values[name], set: (name, value) => { values[name] = value; },
        save_changes: () => { window.saved = values.state; },
        on: (name, run) => { listeners[name] = run; }, off: () => {},
    };
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    widget.render({ model, el: document.body });
}"""


def test_a_notebook_and_its_page_tell_each_other_the_state(browser: Any, tmp_path: Path) -> None:
    notebook = pytest.importorskip("juanji.explore.notebook")
    path = tmp_path / "notebook.html"
    path.write_text("<!doctype html><title>notebook</title>", encoding="utf-8")
    one = Opened(browser, path.as_uri())
    one.page.evaluate(NOTEBOOK, [notebook.FRAME, explore.page()])
    frame = one.page.frame_locator("iframe")
    frame.locator("h2", has_text="max-pool").wait_for()
    assert frame.locator(".count").text_content() == "3 / 4"
    frame.locator("button.forward").click()
    one.page.wait_for_function("window.saved === 'op=max-pool&step=3'")
    one.close()


def test_without_a_browser_the_tests_of_the_page_are_skipped_but_not_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs chromium"):
        chromium()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs chromium"):
        chromium()
