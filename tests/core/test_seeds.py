"""Every worked number of the source articles: data in tests/vectors/seeds.json."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji import nn
from juanji.bind import Bound, bind, extent, resolve_padding
from juanji.cost import multiply_adds, weights
from juanji.ops.octave import OctavePair, low_channels
from juanji.spec import Conv, Window, windows

SEEDS = json.loads((Path(__file__).parents[1] / "vectors" / "seeds.json").read_text())


def plane(rows: Any) -> Tensor:
    """Put a matrix into the shape of one image, or of one kernel, of one channel."""
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def test_every_entry_has_a_test() -> None:
    assert set(SEEDS) == {
        "valid_5x5_3x3",
        "stride2_shape",
        "full_padding",
        "edges_5x5_3x3",
        "true_convolution_flips",
        "matrix_4x4_3x3",
        "transposed_2x2_to_4x4",
        "parameters",
        "dilated_kernel_extent",
        "spatially_separable_multiplications",
        "octave_cost",
    }
    assert all(entry["source"] for entry in SEEDS.values())


def test_valid_5x5_3x3() -> None:
    seed = SEEDS["valid_5x5_3x3"]
    output = F.conv(plane(seed["input"]), plane(seed["kernel"]), padding=seed["mode"])
    assert torch.equal(output, plane(seed["output"]))


def test_stride2_shape() -> None:
    seed = SEEDS["stride2_shape"]
    spec = Conv(windows((seed["kernel"],), seed["stride"]), 1, 1)
    assert bind(spec, (seed["input_size"],)).output_size == (seed["output_size"],)


def test_full_padding() -> None:
    seed = SEEDS["full_padding"]
    window = Window(seed["kernel"], padding="full")
    assert resolve_padding(window, 5) == (seed["padding"], seed["padding"])


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_edges_5x5_3x3(mode: Any) -> None:
    seed = SEEDS["edges_5x5_3x3"]
    output = F.conv(plane(seed["input"]), plane(seed["kernel"]), padding=mode)
    assert torch.equal(output, plane(seed[mode]))


@pytest.mark.parametrize(
    ("flip", "expected"), [(True, "convolution_valid"), (False, "cross_correlation_valid")]
)
def test_true_convolution_flips(flip: bool, expected: str) -> None:
    seed = SEEDS["true_convolution_flips"]
    output = F.conv(plane(seed["input"]), plane(seed["kernel"]), flip=flip)
    assert torch.equal(output, plane(seed[expected]))


def test_matrix_4x4_3x3() -> None:
    seed = SEEDS["matrix_4x4_3x3"]
    names = {f"c{row}{column}": 10 * row + column for row in (1, 2, 3) for column in (1, 2, 3)}
    kernel = torch.tensor(list(names.values()), dtype=torch.float64).view(1, 1, 3, 3)
    expected = torch.tensor(
        [[names.get(cell, 0) for cell in row] for row in seed["rows"]], dtype=torch.float64
    )
    matrix = F.conv_matrix(kernel, seed["input_size"])
    assert torch.equal(matrix.to_dense(), expected)
    back = F.conv_matrix(kernel, (2, 2), transposed=True)  # y to C^T y: 4 values to 16
    assert torch.equal(back.to_dense(), expected.T)


def test_transposed_2x2_to_4x4() -> None:
    seed = SEEDS["transposed_2x2_to_4x4"]
    kernel = torch.ones(1, 1, seed["kernel"], seed["kernel"])
    output = F.conv_transpose(torch.ones(1, 1, *seed["input_size"]), kernel, stride=seed["stride"])
    assert list(output.shape[2:]) == seed["output_size"]


def chain(*shapes: tuple[int, int, int, int]) -> list[Conv]:
    """Specifications of (in, out, side of the kernel, groups) one after the other."""
    return [Conv(windows((k, k)), c_in, c_out, groups=g) for c_in, c_out, k, g in shapes]


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("dense_256_3x3_256", chain((256, 256, 3, 1))),
        (
            "bottleneck_256_64_64_256",
            chain((256, 64, 1, 1), (64, 64, 3, 1), (64, 256, 1, 1)),
        ),
        ("grouped_256_256_3x3_g8", chain((256, 256, 3, 8))),
        ("dense_3_3x3_256", chain((3, 256, 3, 1))),
        ("depthwise_separable_3_3x3_256", chain((3, 3, 3, 3), (3, 256, 1, 1))),
    ],
)
def test_parameters(name: str, layers: list[Conv]) -> None:
    assert sum(weights(spec) for spec in layers) == SEEDS["parameters"][name]
    real = [
        nn.Conv2d(s.in_channels, s.out_channels, s.windows[0].kernel, groups=s.groups, bias=False)
        for s in layers
    ]
    count = sum(p.numel() for layer in real for p in layer.parameters())
    assert count == SEEDS["parameters"][name]


def test_every_count_of_parameters_has_a_case() -> None:
    assert len(SEEDS["parameters"]) == 1 + 5  # the source, and the cases above


def test_dilated_kernel_extent() -> None:
    seed = SEEDS["dilated_kernel_extent"]
    assert extent(Window(seed["kernel"], dilation=seed["dilation"])) == seed["extent"]


def test_spatially_separable_multiplications() -> None:
    seed = SEEDS["spatially_separable_multiplications"]
    n, m = seed["N"], seed["m"]
    dense = bind(Conv(windows((m, m)), 1, 1), (n, n))
    down = bind(Conv(windows((m, 1)), 1, 1), (n, n))
    across = bind(Conv(windows((1, m)), 1, 1), down.output_size)
    costs = [multiply_adds(bound).dense for bound in (dense, down, across)]
    assert costs[0] == seed["dense"]
    assert costs[1] + costs[2] == seed["separable"]
    ratio = (costs[1] + costs[2]) / costs[0]
    assert ratio == pytest.approx(2 / m + 2 / (m * (n - 2)))


def octave_paths(channels: int, size: int, alpha: float) -> list[Bound]:
    """Write an octave layer's paths as convolutions: into high from high and low, into low."""
    low = low_channels(alpha, channels)
    high = channels - low

    def path(c_in: int, c_out: int, n: int) -> Bound:
        return bind(Conv(windows((3, 3), padding="same"), c_in, c_out), (n, n))

    return [
        path(high, high, size),
        path(low, high, size // 2),
        path(channels, low, size // 2),  # both into low are one convolution
    ]


@pytest.mark.parametrize("alpha", [0.125, 0.25, 0.5, 0.75, 1.0])
def test_octave_cost(alpha: float) -> None:
    seed = SEEDS["octave_cost"]
    channels, size = 64, 32
    dense = multiply_adds(
        bind(Conv(windows((3, 3), padding="same"), channels, channels), (size,) * 2)
    )
    closed = 1 - 3 / 4 * alpha * (2 - alpha)
    macs = sum(multiply_adds(bound).dense for bound in octave_paths(channels, size, alpha))
    assert macs / dense.dense == pytest.approx(closed)
    assert closed == pytest.approx(seed["macs_fraction"][str(alpha)], abs=0.0051)  # two digits

    pair = F.octave_split(torch.zeros(1, channels, size, size), alpha)
    memory = sum(half.numel() for half in pair if half is not None) / (channels * size**2)
    assert memory == pytest.approx(1 - 3 / 4 * alpha)
    assert memory == pytest.approx(seed["memory_fraction"][str(alpha)], abs=0.0051)


@pytest.mark.parametrize("alpha", [0.125, 0.25, 0.5, 0.75, 1.0])
def test_octave_cost_is_what_the_layer_really_computes(alpha: float) -> None:
    """Counted by torch's own counter over the convolutions that the layer runs."""
    from torch.utils.flop_counter import FlopCounterMode

    channels, size = 16, 12
    layer = nn.OctaveConv2d(
        channels, channels, 3, padding=1, bias=False, alpha_in=alpha, alpha_out=alpha
    )
    pair = F.octave_split(torch.zeros(1, channels, size, size), alpha)
    with FlopCounterMode(display=False) as counter:
        output = layer(pair)
    expected = sum(multiply_adds(bound).dense for bound in octave_paths(channels, size, alpha))
    assert counter.get_total_flops() == 2 * expected
    assert isinstance(output, OctavePair)
    assert output.shape == (1, channels, size, size)
    values = sum(prod(half.shape) for half in output if half is not None)
    assert values == (1 - 3 / 4 * alpha) * channels * size**2


def test_every_alpha_of_the_paper_is_tested() -> None:
    tested = {"0.125", "0.25", "0.5", "0.75", "1.0"}
    assert set(SEEDS["octave_cost"]["macs_fraction"]) == tested
    assert set(SEEDS["octave_cost"]["memory_fraction"]) == tested
