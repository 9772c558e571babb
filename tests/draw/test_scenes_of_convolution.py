"""Scenes compute what the operators compute, and their matrix is the relation's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from juanji import functional as F
from juanji import relation
from juanji.bind import Bound, bind
from juanji.draw import convolution, windows
from juanji.draw.scene import Fact, Grid, Scene, Tap, to_data
from juanji.spec import Conv
from juanji.spec import windows as make_windows

CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "1-D": ({"kernel": (3,), "stride": 2, "padding": ((2, 1),)}, (7,)),
    "2-D": ({"kernel": (3, 2), "stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}, (6, 5)),
    "3-D": ({"kernel": (2, 1, 3), "padding": "same"}, (3, 2, 4)),
    "full": ({"kernel": (2, 3), "padding": "full"}, (2, 3)),
    "1x1": ({"kernel": (1, 1)}, (2, 3)),
}
CHANNELS = {"one": (1, 1, 1), "many": (2, 3, 1), "grouped": (4, 2, 2), "depthwise": (2, 4, 2)}


def grid(scene: Scene, name: str) -> Grid:
    return next(grid for grid in scene.grids if grid.name == name)


def tensor(scene: Scene, name: str) -> torch.Tensor:
    found = grid(scene, name)
    return torch.tensor(found.values, dtype=torch.float64).view(found.channels, *found.size)


def weight_of(scene: Scene, spec: Conv) -> torch.Tensor:
    first = spec.in_channels if spec.transposed else spec.out_channels
    values = tensor(scene, "weight")
    return values.view(first, -1, *values.shape[1:])


def dense(scene: Scene) -> torch.Tensor:
    assert scene.matrix
    found = torch.zeros(scene.matrix.rows, scene.matrix.columns, dtype=torch.float64)
    for row, column, value in scene.matrix.entries:
        found[row, column] = value
    return found


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_convolution_scene_computes_conv(case: str, channels: str, flip: bool) -> None:
    arguments, size = CASES[case]
    into, out, groups = CHANNELS[channels]
    spec = Conv(make_windows(**arguments), into, out, groups, flip=flip)
    bound, bias = bind(spec, size), [float(c) - 0.5 for c in range(out)]
    scene = convolution.scene(bound, bias=bias)
    weight = weight_of(scene, spec)
    rest = {name: value for name, value in arguments.items() if name != "kernel"}
    expected = F.conv(
        tensor(scene, "input")[None], weight, torch.tensor(bias).double(), groups=groups,
        flip=flip, **rest,
    )[0]  # fmt: skip
    assert torch.equal(tensor(scene, "output"), expected)
    assert torch.equal(dense(scene), relation.matrix(bound, weight).to_dense())
    assert [step.row for step in scene.steps] == list(range(expected.numel()))


@pytest.mark.parametrize("how", ["gather", "scatter"])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_transposed_scene_computes_conv_transpose(
    how: convolution.How, channels: str, dilation: int
) -> None:
    into, out, groups = CHANNELS[channels]
    spec = Conv(
        make_windows((3, 2), stride=(2, 3), padding=((1, 0), 1), dilation=dilation),
        into, out, groups, transposed=True, output_padding=(0, 1),
    )  # fmt: skip
    bound, bias = bind(spec, (2, 2)), [float(c) + 1 for c in range(out)]
    scene = convolution.scene(bound, bias=bias, how=how)
    weight = weight_of(scene, spec)
    expected = F.conv_transpose(
        tensor(scene, "input")[None], weight, torch.tensor(bias).double(), (2, 3), ((1, 0), 1),
        (0, 1), groups, dilation,
    )[0]  # fmt: skip
    assert torch.equal(tensor(scene, "output"), expected)
    assert torch.equal(dense(scene), relation.matrix(bound, weight).to_dense())


def test_the_steps_of_a_transposed_convolution_run_sums() -> None:
    spec = Conv(make_windows((2,)), 1, 1, transposed=True)
    scene = convolution.scene(bind(spec, (2,)), [1, 2], [3, 4], how="scatter")
    written = [[write.value for write in step.writes] for step in scene.steps]
    assert written == [[0, 0, 0], [3, 4], [10, 8]]
    assert scene.steps[2].arithmetic == "4 + 2*3 = 10;  0 + 2*4 = 8"
    assert [step.column for step in scene.steps] == [None, 0, 1]


def test_a_zero_stuffed_input_is_read_in_its_holes_and_around() -> None:
    spec = Conv(make_windows((3,), stride=2), 1, 1, transposed=True)
    scene = convolution.scene(bind(spec, (2,)), [1, 2], [1, 1, 1])
    source = grid(scene, "input")
    assert (source.gaps, source.low, source.high) == ((2,), (2,), (2,))
    first = [(tap.position, tap.value) for tap in scene.steps[1].taps]
    assert first == [((-0.5,), 0), ((0.0,), 1), ((0.5,), 0)]


@settings(max_examples=50, deadline=None)
@given(
    size=st.integers(1, 30), kernel=st.integers(1, 4), stride=st.integers(1, 4),
    dilation=st.integers(1, 3), low=st.integers(0, 3), high=st.integers(0, 3),
    transposed=st.booleans(), data=st.data(),
)  # fmt: skip
def test_a_crop_keeps_every_pair_of_its_outputs(
    size: int, kernel: int, stride: int, dilation: int, low: int, high: int, transposed: bool,
    data: st.DataObject,
) -> None:  # fmt: skip
    spec = Conv(
        make_windows((kernel,), stride, ((low, high),), dilation), 1, 1, transposed=transposed
    )
    try:
        whole = bind(spec, (size,))
    except ValueError:
        return
    outputs = whole.output_size[0]
    first = data.draw(st.integers(0, outputs - 1))
    count = data.draw(st.integers(1, outputs - first))
    part, (start,) = windows.crop(whole, (first,), (count,))

    def reads(bound: Bound) -> list[list[tuple[tuple[int, ...], float]]]:
        return [
            [(reach.tap, reach.position[0]) for reach in place.reaches if reach.inside]
            for place in windows.gather(bound)
        ]

    moved = [[(tap, at + start) for tap, at in window] for window in reads(part)]
    assert moved == reads(whole)[first : first + count]


def test_facts_fill_in_the_formulas() -> None:
    spec = Conv(make_windows((3, 3), stride=2, dilation=2, padding=1), 4, 6, 2)
    facts = {f.key: f.text for f in convolution.scene(bind(spec, (7, 7))).facts}
    assert facts["output size"] == "floor((7 + 1 + 1 - (2*(3 - 1) + 1)) / 2) + 1 = 3"
    assert facts["weights"] == "6 x 2 x 3 x 3 = 108"
    assert facts["multiply-adds"] == "6 x 2 x 3 x 3 x 3 x 3 = 972"
    assert facts["multiply-adds inside"] == "588"  # 12 blocks of (2 + 3 + 2)**2 pairs
    assert (facts["view"], facts["matrix"], facts["groups"]) == ("5 x 5", "54 x 196", "2")


def test_a_scene_is_json_with_every_number() -> None:
    spec = Conv(make_windows((1,)), 1, 1)
    scene = convolution.scene(bind(spec, (3,)), [float("nan"), float("inf"), -1], [1])
    data = json.loads(json.dumps(to_data(scene), allow_nan=False))
    values = next(g for g in data["grids"] if g["name"] == "output")["values"]
    assert values == ["NaN", "Infinity", -1]
    assert data["steps"][0]["arithmetic"] == "NaN*1 = NaN"
    assert data["matrix"]["entries"][2] == [2, 2, 1]


def test_long_sums_are_cut_and_negative_factors_bracketed() -> None:
    spec = Conv(make_windows((12,)), 1, 1)
    scene = convolution.scene(bind(spec, (12,)), range(12), [-1] * 12)
    text = scene.steps[0].arithmetic
    assert text.startswith("0*(-1) + 1*(-1) + ")
    assert text.endswith("6*(-1) + ... + 11*(-1) = -66")


@pytest.mark.parametrize(
    ("size", "into", "out", "what"),
    [((70, 70), 1, 1, "cells"), ((3, 3), 50, 50, "cells"), ((30,), 1, 70, "steps")],
)
def test_too_much_to_draw_is_refused(size: tuple[int, ...], into: int, out: int, what: str) -> None:
    spec = Conv(make_windows((1,) * len(size), padding=1), into, out)
    with pytest.raises(ValueError, match=rf"at most [\d,]+ {what}"):
        convolution.scene(bind(spec, size))


def test_a_scene_checks_itself() -> None:
    scene = convolution.scene(bind(Conv(make_windows((1,)), 1, 1), (2,)))
    step = replace(scene.steps[0], taps=(Tap("nowhere", 0, (0.0,), 1.0),))
    with pytest.raises(ValueError, match="nowhere"):
        replace(scene, steps=(step,))
    with pytest.raises(ValueError, match="unique"):
        replace(scene, grids=scene.grids * 2)
    with pytest.raises(ValueError, match="one value per cell"):
        replace(scene, grids=(replace(scene.grids[0], values=(1.0,)), *scene.grids[1:]))
    with pytest.raises(ValueError, match="fact"):
        replace(scene, facts=(Fact("colour", "red"),))
    with pytest.raises(ValueError, match="input must have 2 numbers, got 3"):
        convolution.scene(bind(Conv(make_windows((1,)), 1, 1), (2,)), [1, 2, 3])
