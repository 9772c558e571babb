"""Scenes of pooling and unpooling compute what the operators compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scene_values import close, has, tensor

from juanji import functional as F
from juanji.bind import bind
from juanji.draw import pool, unpool
from juanji.draw.operators import find
from juanji.ops.pool import reference
from juanji.spec import Pool, windows

CASES: dict[str, dict[str, Any]] = {
    "plain": {"input": (4, 6), "kernel": 2},
    "overlapping": {"input": (5, 7), "kernel": (3, 2), "stride": (2, 1), "padding": ((1, 0), 1)},
    "1-D": {"input": (9,), "kernel": 3, "stride": 2, "padding": 1},
    "3-D": {"input": (3, 4, 2), "kernel": (2, 3, 1), "stride": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_max_and_average(case: str) -> None:
    given = CASES[case]
    arguments = (given["kernel"], given.get("stride"), given.get("padding", 0))
    scene = find("max-pool").scene(channels=2, **given)
    close(tensor(scene, "output"), F.max_pool(tensor(scene, "input"), *arguments))
    for padded in (True, False):
        scene = find("avg-pool").scene(channels=2, count_include_pad=padded, **given)
        x = tensor(scene, "input")
        wanted = F.avg_pool(x, *arguments, count_include_pad=padded)
        close(tensor(scene, "output"), wanted)
        assert scene.matrix  # which is all that average pooling does
        dense = torch.zeros(scene.matrix.rows, scene.matrix.columns, dtype=torch.float64)
        for row, column, value in scene.matrix.entries:
            dense[row, column] = value
        close(dense @ x.flatten(), wanted.flatten())


def test_windows_beyond_the_end_dilation_and_nan() -> None:
    nan = float("nan")
    values = [1.0, nan, 3.0, nan, 5.0, 6.0, 7.0]
    scene = find("max-pool").scene(
        input=(7,), kernel=2, stride=3, dilation=2, ceil_mode=True, values=values
    )
    wanted = F.max_pool(torch.tensor(values).view(1, 1, 7), 2, 3, 0, 2, True)
    torch.testing.assert_close(tensor(scene, "output").float(), wanted, equal_nan=True)


@pytest.mark.parametrize("case", CASES)
def test_stochastic_pooling_draws_as_the_definition_does(case: str) -> None:
    given = CASES[case]
    scene = find("stochastic-pool").scene(channels=2, **given)
    x, random = tensor(scene, "input"), tensor(scene, "random")
    arguments = (given["kernel"], given.get("stride"), given.get("padding", 0))
    close(tensor(scene, "output"), reference.stochastic_pool(x, *arguments, random=random))
    for step in scene.steps:
        if step.stage == "probabilities":
            total = sum(write.value for write in step.writes)
            assert total == pytest.approx(1) or all(tap.value == 0 for tap in step.taps)
    still = find("stochastic-pool").scene(channels=2, training=False, **given)
    close(tensor(still, "output"), F.stochastic_pool(x, *arguments, training=False))
    assert not has(still, "random")


def test_stochastic_pooling_refuses_negative_values() -> None:
    with pytest.raises(ValueError, match="none below 0"):
        find("stochastic-pool").scene(input=(2,), kernel=2, values=[1, -1])


def test_a_window_of_zeros_gives_zero() -> None:
    scene = find("stochastic-pool").scene(input=(2,), kernel=2, values=[0, 0])
    assert tensor(scene, "output").item() == 0


@pytest.mark.parametrize("case", CASES)
def test_unpooling_after_pooling_restores_the_maxima_in_place(case: str) -> None:
    given = CASES[case]
    arguments = (given["kernel"], given.get("stride"), given.get("padding", 0))
    scene = find("max-unpool").scene(channels=2, **given)
    x, output = tensor(scene, "input"), tensor(scene, "output")
    values, indices = F.max_pool(x, *arguments, return_indices=True)
    close(output, F.max_unpool(values, indices, *arguments, output_size=x.shape))
    close(tensor(scene, "indices"), indices)
    kept = output != 0
    assert kept.any()
    close(output[kept], x[kept])


@pytest.mark.parametrize("case", CASES)
def test_average_unpooling(case: str) -> None:
    given = CASES[case]
    scene = find("avg-unpool").scene(channels=2, **given)
    arguments = (given["kernel"], given.get("stride"), given.get("padding", 0))
    wanted = F.avg_unpool(tensor(scene, "pooled"), *arguments, output_size=given["input"])
    close(tensor(scene, "output"), wanted)


def test_indices_are_checked() -> None:
    bound = bind(Pool(windows((2,), stride=2)), (4,))
    with pytest.raises(IndexError, match="below 4"):
        unpool.max_unpool(bound, 1, [1, 2], [0, 4])


def test_global_average_is_one_window() -> None:
    scene = find("global-avg-pool").scene(input=(3, 5), channels=2)
    close(tensor(scene, "output"), F.global_avg_pool(tensor(scene, "input")))


def test_each_step_shows_its_numbers() -> None:
    bound = bind(Pool(windows((2, 2), stride=2)), (2, 4))
    numbers = [1, 5, 2, 0, 3, 4, 8, 2]
    assert [step.arithmetic for step in pool.max_pool(bound, 1, numbers).steps] == [
        "max(1, 5, 3, 4) = 5", "max(2, 0, 8, 2) = 8",
    ]  # fmt: skip
    assert pool.avg_pool(bound, 1, numbers).steps[1].arithmetic == "(2 + 0 + 8 + 2) / 4 = 3"
