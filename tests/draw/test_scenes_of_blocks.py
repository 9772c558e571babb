"""Scenes of blocks compute what torch computes of the same numbers."""

from __future__ import annotations

import contextlib

import pytest
import torch
import torch.nn.functional as torch_functional
from scene_values import close, tensor, weight

from juanji.draw import squeeze_excite
from juanji.draw.operators import OPERATORS, Operator, find
from juanji.nn import SqueezeExcite


def same(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return torch_functional.conv2d(x, kernel, padding="same")


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_picture_has_steps_and_shows_arithmetic(operator: Operator) -> None:
    scene = operator.scene()
    assert scene.operator == operator.name
    assert scene.steps
    assert all(step.arithmetic for step in scene.steps if step.taps)
    assert scene.facts
    with pytest.raises(ValueError, match=r"takes .*got unheard"):
        operator.scene(unheard=1)


def test_an_unknown_picture() -> None:
    with pytest.raises(ValueError, match=r"operator must be one of .*'max-pool'.*got 'maxpool'"):
        find("maxpool")


def test_residual_weighed() -> None:
    scene = find("residual").scene(input=(3, 5), channels=2, skip=0.5)
    x = tensor(scene, "input")
    hidden = same(x, weight(scene, "first weight", 2)).relu()
    close(tensor(scene, "output"), (same(hidden, weight(scene, "second weight", 2)) + x / 2).relu())


def test_gated() -> None:
    scene = find("gated").scene(input=(3, 5), channels=2)
    x = tensor(scene, "input")
    hidden = same(x, weight(scene, "H weight", 2)).relu()
    gate = same(x, weight(scene, "score weight", 2)).sigmoid()
    close(tensor(scene, "output"), gate * hidden + (1 - gate) * x)


def test_dense() -> None:
    scene = find("dense").scene(input=(3, 5), channels=2, growth=2, layers=3)
    x = tensor(scene, "input")
    for layer in ("layer 1", "layer 2", "layer 3"):
        x = torch.cat([x, same(x, weight(scene, f"{layer} weight", 2)).relu()], 1)
        close(tensor(scene, layer), x[:, -2:])


@pytest.mark.parametrize("reduction", [None, 1])
def test_inception(reduction: int | None) -> None:
    scene = find("inception").scene(input=(4, 3), channels=3, reduction=reduction)
    x = tensor(scene, "input")
    branches = []
    for kernel in (1, 3, 5):
        name = f"{kernel} x {kernel}"
        before = x
        if reduction and kernel > 1:
            before = same(x, weight(scene, f"reduce {name} weight", 1))
        branches.append(same(before, weight(scene, f"{name} weight", 1)))
    pooled = torch_functional.max_pool2d(x, 3, 1, 1)
    branches.append(same(pooled, weight(scene, "reduce pool weight", 1)) if reduction else pooled)
    close(tensor(scene, "output"), torch.cat(branches, 1))


def test_stacked_kernels_see_what_one_large_kernel_sees() -> None:
    scene = find("stacked").scene(input=(7, 6))
    x = tensor(scene, "input")
    for layer in ("layer 1", "layer 2"):
        x = torch_functional.conv2d(x, weight(scene, f"{layer} weight", 1))
        close(tensor(scene, layer), x)
    assert next(fact.text for fact in scene.facts if fact.key == "view") == "1 + 2*(3 - 1) = 5"


def test_bottleneck() -> None:
    scene = find("bottleneck").scene(input=(3, 4))
    x = torch_functional.conv2d(tensor(scene, "input"), weight(scene, "reduce weight", 1))
    x = same(x, weight(scene, "convolve weight", 1))
    close(tensor(scene, "expand"), torch_functional.conv2d(x, weight(scene, "expand weight", 4)))


def test_squeeze_excite() -> None:
    torch.manual_seed(0)
    layer = SqueezeExcite(6, reduction=3).double()
    x = torch.rand(1, 6, 3, 5, dtype=torch.float64)
    linear = [layer.reduce, layer.expand]
    scene = squeeze_excite.squeeze_excite(
        (3, 5), 6, 2, x.flatten().tolist(),
        [one.weight.flatten().tolist() for one in linear],
        [one.bias.flatten().tolist() for one in linear],
    )  # fmt: skip
    close(tensor(scene, "output"), layer(x).detach())


@pytest.mark.parametrize(
    ("layers", "seen"),
    [
        ({"kernels": (3, 3)}, 5),
        ({"kernels": (3, 3), "dilations": (1, 2)}, 7),
        ({"kernels": (3, 2), "strides": (2, 1)}, 5),
    ],
)
def test_the_view_of_a_stack(layers: dict[str, tuple[int, ...]], seen: int) -> None:
    scene = find("view").scene(input=(11,), **layers)
    step = scene.steps[-1]
    read = [tap.position[0] for tap in step.taps if tap.grid == "input"]
    assert max(read) - min(read) + 1 == seen == step.writes[0].value


HOSTILE = {
    int: [0, -1, 10**9, 10**19],
    tuple: [(0,), (), (-1, 2), (10**5, 10**5), (3, 3, 3, 3)],
    str: ["nonsense"],
    float: [-1.0, float("nan"), float("inf")],
}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_senseless_arguments_are_refused_in_words_or_drawn(operator: Operator) -> None:
    for name, default in operator.arguments.items():
        for value in HOSTILE.get(type(default), []):
            # what fits is drawn: a stride of 10**9, say, leaves one output
            with contextlib.suppress(ValueError):
                operator.scene(**{name: value})
    with pytest.raises(ValueError, match="at least one cell"):
        operator.scene(input=(0, 4))
