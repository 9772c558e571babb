"""The catalogue is complete, and the pages made from it are up to date."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from juanji import catalog, functional, nn
from juanji.catalog import CATALOG, Case, Operator
from juanji.cli import app
from juanji.nn import blocks

DOCS = Path(__file__).parents[1] / "docs"
sys.path.append(str(DOCS))
import generate  # noqa: E402

# what is in juanji.nn and is no layer of an operator
OTHERS = {"fit_error", *blocks.__all__}


def test_every_public_function_is_in_the_catalogue() -> None:
    listed = {catalog.function_name(operator) for operator in CATALOG}
    assert listed - {None} == set(functional.__all__)


def test_every_layer_is_in_the_catalogue() -> None:
    listed = {layer for operator in CATALOG for layer in operator.layers}
    assert listed == set(nn.__all__) - OTHERS


def test_every_operator_has_cases_in_1_2_and_3_dimensions() -> None:
    for operator in CATALOG:
        assert {catalog.dimensions(case) for case in operator.cases} == set(operator.dimensions)
    names = [operator.name for operator in CATALOG]
    assert len(set(names)) == len(names)


def test_every_limit_is_of_a_property_that_a_test_asks_for() -> None:
    asked = "".join(path.read_text() for path in Path(__file__).parent.glob("contract/test_*.py"))
    for operator in CATALOG:
        for name in operator.limits:
            assert f'"{name}"' in asked, (operator.name, name)


@pytest.mark.parametrize("page", generate.PAGES)
def test_the_committed_page_is_what_is_generated(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == generate.PAGES[page](), (
        "run: python docs/generate.py"
    )


def test_the_command_prints_every_operator() -> None:
    result = CliRunner().invoke(app, ["operators"], standalone_mode=False)
    assert result.exit_code == 0
    for operator in CATALOG:
        assert operator.name in result.stdout
        assert operator.formula in result.stdout


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(app, ["operators", "--json"], standalone_mode=False)
    rows = json.loads(result.stdout)
    assert [row["operator"] for row in rows] == [operator.name for operator in CATALOG]
    assert sum(row["cases"] for row in rows) == sum(len(operator.cases) for operator in CATALOG)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"name must be one of .* got 'convolutoin'"):
        catalog.find("convolutoin")


def test_records_are_plain_data() -> None:
    operator: Operator = catalog.find("convolution")
    case: Case = operator.cases[0]
    with pytest.raises(AttributeError):
        case.label = "other"  # type: ignore[misc]
