"""`juanji nets`, and the form of a network that a study builds for small images."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from juanji.cli import app
from juanji.nets import NETS
from juanji.study.networks import builder, example

OFFERED = {"in_channels": 1, "classes": 3}


def test_the_command_lists_networks_with_figures_and_paper() -> None:
    result = CliRunner().invoke(app, ["nets", "resnet20", "alexnet"], standalone_mode=False)
    assert result.exit_code == 0
    title, resnet20, alexnet = result.stdout.splitlines()
    assert title.split() == ["network", "input", "weights", "multiply-adds", "view", "paper"]
    for words in ("resnet20", "3x32x32", "272 k", "40.8 M", "81×81+", "arXiv:1512.03385"):
        assert words in resnet20
    assert "arXiv:1404.5997" in alexnet


def test_json_has_the_computed_and_the_published_figures() -> None:
    result = CliRunner().invoke(app, ["nets", "resnet18", "--json"], standalone_mode=False)
    [row] = json.loads(result.stdout)
    assert row["weights"] == row["published_weights"] == 11_689_512
    assert (row["multiply_adds"], row["published_multiply_adds"]) == (1_814_073_344, 1_814_000_000)
    assert (row["view"], row["whole"], row["small"]) == ([435, 435], True, True)
    assert row["paper"] == NETS["resnet18"].paper
    assert row["task"] == "classification"


def test_an_unknown_network_is_refused() -> None:
    result = CliRunner().invoke(app, ["nets", "resnet21"], standalone_mode=False)
    assert isinstance(result.exception, ValueError)
    assert "unknown net 'resnet21'; did you mean 'resnet20'" in str(result.exception)


@pytest.mark.parametrize(
    ("size", "pools"), [((28, 28), False), ((63, 8), False), ((64, 8), True), ((), True)]
)
def test_small_images_get_the_form_for_them(size: tuple[int, ...], pools: bool) -> None:
    name, build = builder("resnet18", size, **OFFERED)
    assert name == "resnet18"
    assert hasattr(build(), "maxpool") == pools
    assert hasattr(builder(NETS["resnet18"], size, **OFFERED)[1](), "maxpool") == pools


def test_a_users_function_is_not_asked_for_a_small_form() -> None:
    def net(in_channels: int, small: bool = False) -> object:
        return small

    assert builder(net, (8, 8), **OFFERED)[1]() is False  # type: ignore[comparison-overlap]


def test_any_classifier_can_be_analyzed_on_digits() -> None:
    for name in ("alexnet", "vgg11", "googlenet", "densenet121"):
        net, image = example(name, "1x8x8")
        assert net.eval()(image).shape == (1, 1000), name
