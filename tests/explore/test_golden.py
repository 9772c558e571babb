"""The page's own arithmetic: JavaScript builds the scene that Python builds, field by field."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from opened import Opened
from scene_cases import CASES

from juanji.draw.operators import OPERATORS, find
from juanji.draw.scene import to_data

TEXT = "(key, value) => typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value"


def plain(value: Any) -> Any:
    """Return what JSON makes of a value."""
    return json.loads(json.dumps(value))


def differences(python: Any, page: Any, at: str = "") -> list[str]:
    """Return where two scenes differ: floats by more than 1e-6, all else at all."""
    if isinstance(python, dict) and isinstance(page, dict) and set(python) == set(page):
        return [d for key in python for d in differences(python[key], page[key], f"{at}.{key}")]
    if isinstance(python, list) and isinstance(page, list) and len(python) == len(page):
        pairs = enumerate(zip(python, page, strict=True))
        return [d for n, (a, b) in pairs for d in differences(a, b, f"{at}[{n}]")]
    numbers = all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in (python, page)
    )
    same = math.isclose(python, page, rel_tol=1e-6, abs_tol=1e-6) if numbers else python == page
    return [] if same else [f"{at}: {python!r} in Python, {page!r} on the page"]


@pytest.fixture(scope="module")
def pages(opened: Opened) -> list[Any]:
    """The scenes of all cases, as the page builds them."""
    script = f"cases => JSON.stringify(cases.map(([op, given]) => juanji.scene(op, given)), {TEXT})"
    return list(json.loads(opened.page.evaluate(script, plain(CASES))))


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n][0]}")
def test_the_page_builds_the_scene_that_python_builds(index: int, pages: list[Any]) -> None:
    operator, given = CASES[index]
    scene = plain(to_data(find(operator).scene(**given)))
    assert differences(scene, pages[index])[:5] == []


def test_the_comparison_sees_a_difference() -> None:
    scene = plain(to_data(find("conv").scene()))
    other = plain(scene)
    other["steps"][3]["taps"][2]["value"] += 1
    (found,) = differences(scene, other)
    assert found.startswith(".steps[3].taps[2].value")


def test_every_operator_has_cases_beside_its_plain_one() -> None:
    counts = [sum(name == one.name for name, _ in CASES) for one in OPERATORS]
    assert min(counts) >= 2, [one.name for one, n in zip(OPERATORS, counts, strict=True) if n < 2]


def test_the_page_knows_what_is_wrong(explorer_file: Path, explorer: Any) -> None:
    refusals = {
        ("conv", '{"input": [2, 2], "kernel": 3}'): "kernelTooLarge",
        ("conv", '{"values": [1, 2]}'): "wrongCount",
        ("conv", '{"input": [90, 90], "kernel": 1}'): "tooMuch",
        ("stochastic-pool", '{"input": [1], "kernel": 1, "values": [-1]}'): "negative",
        ("max-pool", '{"padding": 2}'): "poolPadding",
    }
    for (operator, given), key in refusals.items():
        script = (
            f"() => {{ try {{ juanji.scene('{operator}', {given}); }} "
            "catch (error) { return error.key; } }"
        )
        assert explorer.evaluate(script) == key
        with pytest.raises(ValueError, match=r"."):
            find(operator).scene(
                **{
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in json.loads(given).items()
                }
            )
