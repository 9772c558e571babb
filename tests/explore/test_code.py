"""The code that the page offers computes what the page shows, with PyTorch and with juanji."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
import torch
from opened import Opened
from scene_cases import CASES
from torch import Tensor

from juanji.draw.operators import find
from juanji.draw.scene import Scene


@pytest.fixture(scope="module")
def codes(opened: Opened) -> list[dict[str, str]]:
    """The code of all cases."""
    script = """cases => cases.map(([op, given]) => {
        try { return juanji.code(op, given); } catch (error) { return `${error.stack}`; }
    })"""
    return list(opened.page.evaluate(script, json.loads(json.dumps(CASES))))


def run(code: str) -> list[Tensor]:
    """Run code as somebody would who copied it; return the tensors of its `y`."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "copied", "exec"), names)
    assert printed.getvalue()
    y = names["y"]
    if not isinstance(y, Tensor):
        y = [y.high, y.low] if hasattr(y, "high") else y
    return [half for half in ([y] if isinstance(y, Tensor) else y) if half is not None]


def shown(scene: Scene) -> list[Tensor]:
    """Return what a scene's outputs hold at the end."""
    return [
        torch.tensor(grid.values, dtype=torch.float64).reshape(1, grid.channels, *grid.size)
        for grid in scene.grids
        if grid.role == "output"
    ]


# of a stack of layers the page shows sizes alone
COMPUTED = [index for index, (operator, _) in enumerate(CASES) if operator != "view"]


@pytest.mark.parametrize("index", COMPUTED, ids=lambda n: f"{n}-{CASES[n][0]}")
@pytest.mark.parametrize("library", ["torch", "juanji"])
def test_copied_code_computes_what_is_shown(
    library: str, index: int, codes: list[dict[str, str]]
) -> None:
    operator, given = CASES[index]
    expected = shown(find(operator).scene(**given))
    assert isinstance(codes[index], dict), codes[index]
    computed = run(codes[index][library])
    assert len(computed) == len(expected)
    for got, want in zip(computed, expected, strict=True):
        torch.testing.assert_close(got.reshape(want.shape), want, rtol=1e-9, atol=1e-9)
