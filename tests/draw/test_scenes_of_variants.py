"""Scenes of deformable, octave and composed convolution compute what the operators compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scene_values import close, has, tensor, weight

from juanji import functional as F
from juanji.draw.operators import find
from juanji.draw.svg import svg
from juanji.draw.texts import sample
from juanji.explanation import explain
from juanji.nn import OctaveConvTranspose2d

ODD: dict[str, Any] = {
    "input": (5, 7), "kernel": (3, 2), "stride": (2, 1), "padding": (1, (0, 1)),
}  # fmt: skip


def made(count: int, seed: int) -> list[float]:
    return [value / 4 for value in sample(count, -9, 9, seed)]


def test_deformable() -> None:
    given = ODD | {"in_channels": 4, "out_channels": 2, "groups": 2, "dilation": (1, 2)}
    outputs, taps = 3 * 6, 6
    offset, mask = made(2 * taps * 2 * outputs, 3), made(2 * taps * outputs, 4)
    scene = find("deformable").scene(**given, offset=offset, mask=mask, bias=[1.5, -2])

    def numbers(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64).view(1, -1, 3, 6)

    wanted = F.deform_conv(
        tensor(scene, "input"), numbers(offset), weight(scene, "weight", 2),
        torch.tensor([1.5, -2], dtype=torch.float64), given["stride"], given["padding"],
        given["dilation"], numbers(mask),
    )  # fmt: skip
    close(tensor(scene, "output"), wanted)


@pytest.mark.parametrize("pattern", ["free", "scale", "aspect", "rotate"])
def test_the_shares_of_a_sample_inside_add_up_to_one(pattern: str) -> None:
    scene = find("deformable").scene(input=(9, 9), padding=0, pattern=pattern)
    shares = [
        sum(corner.share for corner in tap.corners)
        for step in scene.steps
        for tap in step.taps
        if all(0 <= at <= 8 for at in tap.position)
    ]
    assert shares
    assert shares == pytest.approx([1.0] * len(shares))


def test_without_offsets_it_is_the_ordinary_convolution() -> None:
    given = ODD | {"in_channels": 2}
    still = find("deformable").scene(**given, pattern="none")
    plain = find("conv").scene(**given)
    close(tensor(still, "output"), tensor(plain, "output"))
    nonzero = [entry for entry in plain.matrix.entries if entry[2]] if plain.matrix else []
    assert still.matrix
    assert [entry for entry in still.matrix.entries if entry[2]] == nonzero


def test_offsets_that_are_not_finite_read_nothing() -> None:
    scene = find("deformable").scene(
        input=(4,), kernel=1, offset=[float("nan"), float("inf"), 1e300, -0.5], values=[1, 2, 3, 4],
        weight=[1],
    )  # fmt: skip
    assert tensor(scene, "output").flatten().tolist() == [0, 0, 0, 3.5]
    assert "NaN" in svg(scene, 0)


OCTAVES: dict[str, dict[str, Any]] = {
    "odd": {"input": (5, 7)},
    "plain to pair": {"alpha_in": 0},
    "pair to plain": {"alpha_out": 0, "input": (5, 4)},
    "all low": {"alpha_in": 1, "alpha_out": 1},
    "stride 2": {"stride": 2, "input": (7, 9)},
    "stride 3": {"stride": 3, "input": (7, 9)},
    "stride 4": {"stride": (4, 1), "input": (9, 4)},
    "strided": {"stride": (2, 3), "input": (7, 9), "downsample": "stride"},
    "groups": {"groups": 2, "in_channels": 4, "out_channels": 4},
    "depthwise": {"groups": 4, "in_channels": 4, "out_channels": 4},
    "1-D": {"input": (9,), "dilation": 2},
}


@pytest.mark.parametrize("case", OCTAVES)
def test_octave(case: str) -> None:
    operator = find("octave")
    given = {**operator.arguments, **OCTAVES[case]}
    axes = len(given["input"])
    scene = operator.scene(**OCTAVES[case], bias=made(given["out_channels"], 8))
    rows, columns = given["out_channels"], given["in_channels"] // given["groups"]
    whole = torch.tensor(sample(rows * columns * 3**axes, -1, 2, 2), dtype=torch.float64)
    high, low = F.octave_conv(
        *(tensor(scene, name) if has(scene, name) else None for name in ("high", "low")),
        whole.view(rows, columns, *(3,) * axes),
        torch.tensor(made(rows, 8), dtype=torch.float64),
        alpha_in=given["alpha_in"], alpha_out=given["alpha_out"], stride=given["stride"],
        padding=given["padding"], dilation=given["dilation"], groups=given["groups"],
        downsample=given["downsample"],
    )  # fmt: skip
    for half, name in ((high, "high output"), (low, "low output")):
        assert has(scene, name) == (half is not None)
        if half is not None:
            close(tensor(scene, name), half)


BACKWARDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stride 2": {"stride": 2, "output_padding": 1},
    "stride 3": {"stride": (3, 1)},
    "stride 4": {"stride": 4, "downsample": "stride"},
    "plain to pair": {"alpha_in": 0},
    "pair to plain": {"alpha_out": 0, "stride": 2},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4, "stride": 2},
    "alpha zero": {"alpha_in": 0, "alpha_out": 0, "stride": 2},
}


@pytest.mark.parametrize("case", BACKWARDS)
def test_octave_transposed(case: str) -> None:
    torch.manual_seed(0)
    given = {"alpha_in": 0.5, "alpha_out": 0.5, **BACKWARDS[case]}
    layer = OctaveConvTranspose2d(4, 4, 3, padding=1, **given).double()
    x = F.octave_split(torch.randn(1, 4, 3, 4, dtype=torch.float64), given["alpha_in"])
    scene = explain(layer, x).scene
    wanted = layer(x)
    halves = (wanted, None) if isinstance(wanted, torch.Tensor) else tuple(wanted)
    for half, name in zip(halves, ("high output", "low output"), strict=True):
        assert has(scene, name) == (half is not None)
        if half is not None:
            close(tensor(scene, name), half.detach())


def test_octave_with_alpha_zero_is_the_ordinary_convolution() -> None:
    given = ODD | {"in_channels": 2, "out_channels": 3}
    octave = find("octave").scene(**given, alpha_in=0, alpha_out=0)
    plain = find("conv").scene(**given)
    close(tensor(octave, "high output"), tensor(plain, "output"))
    assert [step.arithmetic for step in octave.steps] == [step.arithmetic for step in plain.steps]


def test_split_merge_and_frequencies() -> None:
    split = find("octave-split").scene(input=(5, 4), channels=3, alpha=0.5)
    high, low = F.octave_split(tensor(split, "input"), 0.5)
    assert high is not None
    assert low is not None
    close(tensor(split, "high"), high)
    close(tensor(split, "low"), low)
    merge = find("octave-merge").scene(input=(5, 4), channels=3, alpha=0.5)
    close(tensor(merge, "output"), F.octave_merge(tensor(merge, "high"), tensor(merge, "low")))
    parts = find("frequency-split").scene(input=(5, 3), channels=2)
    for name, part in zip(("high", "low"), F.frequency_split(tensor(parts, "image")), strict=True):
        close(tensor(parts, name), part)


def test_compositions() -> None:
    window = {name: ODD[name] for name in ("stride", "padding")}
    scene = find("depthwise-separable").scene(**ODD, in_channels=3, out_channels=4, multiplier=2)
    weights = [weight(scene, "depthwise weight", 6), weight(scene, "pointwise weight", 4)]
    wanted = F.depthwise_separable_conv(tensor(scene, "input"), *weights, **window)
    close(tensor(scene, "pointwise"), wanted)

    scene = find("spatially-separable").scene(**ODD, in_channels=2, out_channels=4, groups=2)
    passes = [weight(scene, name, 4) for name in ("3 x 1 weight", "1 x 2 weight")]
    wanted = F.spatially_separable_conv(tensor(scene, "input"), passes, **window, groups=2)
    close(tensor(scene, "1 x 2"), wanted)

    scene = find("flattened").scene(**ODD, in_channels=4, out_channels=2, groups=2)
    passes = [weight(scene, name, 2) for name in ("3 x 1 weight", "1 x 2 weight")]
    lateral = weight(scene, "across channels weight", 2)
    wanted = F.flattened_conv(tensor(scene, "input"), lateral, passes, **window, groups=2)
    close(tensor(scene, "1 x 2"), wanted)

    scene = find("shuffled").scene(**ODD, in_channels=4, out_channels=6, groups=2)
    grouped = weight(scene, "grouped weight", 6)
    wanted = F.shuffled_group_conv(tensor(scene, "input"), grouped, **window, groups=2)
    close(tensor(scene, "shuffle"), wanted)

    groups = {"primary_groups": 2, "secondary_groups": 3}
    scene = find("interleaved").scene(**ODD, in_channels=4, out_channels=12, **groups)
    weights = [weight(scene, "primary weight", 12), weight(scene, "secondary weight", 12)]
    wanted = F.interleaved_group_conv(tensor(scene, "input"), *weights, **window, **groups)
    close(tensor(scene, "permutation back"), wanted)


def test_channel_shuffle_keeps_the_colours_of_the_groups() -> None:
    scene = find("channel-shuffle").scene(input=(2,), channels=6, groups=3)
    close(tensor(scene, "output"), F.channel_shuffle(tensor(scene, "input"), 3))
    assert scene.grids[-1].groups == (0, 1, 2, 0, 1, 2)
