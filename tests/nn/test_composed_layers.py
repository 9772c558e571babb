"""What holds for every composed layer: it is its dense convolution, as a module of torch.

Fits to trained convolutions are in test_fits.py.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from juanji import functional as F
from juanji import nn as variants

TORCH = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}
SIZES = {1: (11,), 2: (9, 10), 3: (7, 8, 6)}
GEOMETRY: dict[int, dict[str, Any]] = {
    1: {"stride": 2, "padding": ((1, 2),), "dilation": 2},
    2: {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)},
    3: {"stride": (1, 2, 3), "padding": ((1, 1), (0, 2), (1, 0)), "dilation": (2, 1, 1)},
}

# name, in and out channels, keywords
LAYERS: list[tuple[str, int, int, dict[str, Any]]] = [
    ("DepthwiseConv", 6, 12, {}),
    ("DepthwiseSeparableConv", 6, 10, {}),
    ("DepthwiseSeparableConv", 6, 10, {"multiplier": 2}),
    ("SpatiallySeparableConv", 6, 10, {}),
    ("SpatiallySeparableConv", 6, 10, {"rank": 4, "groups": 2}),
    ("FlattenedConv", 6, 10, {}),
    ("FlattenedConv", 6, 10, {"groups": 2}),
    ("ShuffledGroupConv", 6, 12, {"groups": 3}),
    ("InterleavedGroupConv", 6, 12, {"primary_groups": 3}),
    ("InterleavedGroupConv", 6, 12, {"primary_groups": 3, "secondary_groups": 2}),
]


def layer_class(name: str, dimensions: int) -> Any:
    return getattr(variants, f"{name}{dimensions}d")


def label(entry: Any) -> str:
    return f"{entry[0]}-{'-'.join(map(str, entry[3]))}"


@pytest.fixture(params=LAYERS, ids=label)
def build(request: pytest.FixtureRequest) -> Callable[..., Any]:
    torch.manual_seed(0)
    name, in_channels, out_channels, keywords = request.param

    def make(dimensions: int, **more: Any) -> Any:
        return layer_class(name, dimensions)(
            in_channels, out_channels, KERNELS[dimensions], **keywords, **more
        )

    return make


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_is_its_dense_convolution(build: Callable[..., Any], dimensions: int, bias: bool) -> None:
    geometry = GEOMETRY[dimensions]
    layer = build(dimensions, bias=bias, dtype=torch.float64, **geometry)
    x = torch.randn(2, layer.in_channels, *SIZES[dimensions], dtype=torch.float64)
    weight = layer.dense_weight()
    assert weight.shape == (layer.out_channels, layer.in_channels, *KERNELS[dimensions])
    expected = F.conv(x, weight, layer.dense_bias(), **geometry)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer(x[0]), expected[0], rtol=1e-10, atol=1e-10)
    assert layer(x[:0]).shape == (0, *expected.shape[1:])
    assert (layer.bias is not None) == bias


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_every_parameter_learns_what_the_dense_weight_would(
    build: Callable[..., Any], dimensions: int
) -> None:
    """The chain rule through `dense_weight` gives the gradients of the layer itself."""
    geometry = GEOMETRY[dimensions]
    layer = build(dimensions, dtype=torch.float64, **geometry)
    x = torch.randn(2, layer.in_channels, *SIZES[dimensions], dtype=torch.float64)
    output = layer(x)
    towards = torch.randn_like(output)
    parameters = list(layer.parameters())
    own = torch.autograd.grad(output, parameters, towards)
    dense = F.conv(x, layer.dense_weight(), layer.dense_bias(), **geometry)
    through = torch.autograd.grad(dense, parameters, towards)
    for gradient, expected in zip(own, through, strict=True):
        assert expected.abs().min() > 0
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_initial_outputs_have_the_variance_of_an_ordinary_layer(
    build: Callable[..., Any], dimensions: int
) -> None:
    """Mean squares over 400 independent layers against their expectation, by a t-statistic.

    Weights are drawn independently with mean 0, so for white input of mean square q the mean
    square of a torch layer's output is q / 3 + 1 / (3 fan_in) in expectation; the second term is
    the bias. Five standard errors are exceeded by chance once in a million; they must also be less
    than 20 % of the expectation, so that a variance wrong by that shows.
    """
    x = torch.randn(2, build(dimensions).in_channels, *SIZES[dimensions])
    squares = []
    for _ in range(400):
        layer = build(dimensions)
        with torch.no_grad():
            squares.append(layer(x).square().mean())
    ordinary = TORCH[dimensions](
        layer.in_channels, layer.out_channels, KERNELS[dimensions],
        groups=layer.groups,
    )  # fmt: skip
    fan_in = ordinary.weight[0].numel()
    with torch.no_grad():  # mean of x**2 over the cells each window covers
        mean = nn.Parameter(torch.full_like(ordinary.weight, 1 / fan_in))
        ordinary.weight, ordinary.bias = mean, nn.Parameter(torch.zeros(layer.out_channels))
        expected = float(ordinary(x.square()).mean()) / 3 + 1 / (3 * fan_in)
    samples = torch.stack(squares)
    error = float(samples.std()) / math.sqrt(len(samples))
    assert 5 * error < 0.2 * expected
    assert abs(float(samples.mean()) - expected) < 5 * error


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_state_dict_and_copies(build: Callable[..., Any], dimensions: int) -> None:
    layer, other = build(dimensions), build(dimensions)
    x = torch.randn(1, layer.in_channels, *SIZES[dimensions])
    assert not torch.equal(layer(x), other(x))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), other(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    before = layer.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    layer.reset_parameters()
    assert all(not torch.equal(before[name], p) for name, p in layer.state_dict().items())


def test_traces_without_breaks(build: Callable[..., Any]) -> None:
    torch._dynamo.reset()
    layer = build(2, padding="same")
    x = torch.randn(2, layer.in_channels, 6, 7)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x))


def test_device_and_dtype_are_passed_on(build: Callable[..., Any]) -> None:
    layer = build(2, device="meta", dtype=torch.bfloat16)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.bfloat16)}
    x = torch.empty(2, layer.in_channels, 6, 7, device="meta", dtype=torch.bfloat16)
    assert layer(x).shape == (2, layer.out_channels, 4, 6)


REPRS = {
    "DepthwiseConv2d(4, 8, kernel_size=(3, 3), groups=4)": variants.DepthwiseConv2d(4, 8, 3),
    "DepthwiseSeparableConv1d(4, 8, kernel_size=(3,), stride=(2,), bias=False, multiplier=2)": (
        variants.DepthwiseSeparableConv1d(4, 8, 3, 2, bias=False, multiplier=2)
    ),
    "SpatiallySeparableConv2d(4, 8, kernel_size=(3, 3), padding=same, rank=(5,), order=(1, 0))": (
        variants.SpatiallySeparableConv2d(4, 8, 3, padding="same", rank=5, order=(1, 0))
    ),
    "SpatiallySeparableConv3d(4, 8, kernel_size=(3, 3, 3), rank=(5, 6))": (
        variants.SpatiallySeparableConv3d(4, 8, 3, rank=(5, 6))
    ),
    "FlattenedConv2d(4, 8, kernel_size=(3, 5), groups=2)": (
        variants.FlattenedConv2d(4, 8, (3, 5), groups=2)
    ),
    "ShuffledGroupConv2d(4, 8, kernel_size=(3, 3), groups=4)": (
        variants.ShuffledGroupConv2d(4, 8, 3, groups=4)
    ),
    "InterleavedGroupConv2d(4, 8, kernel_size=(3, 3), primary_groups=2, secondary_groups=4)": (
        variants.InterleavedGroupConv2d(4, 8, 3, primary_groups=2)
    ),
    "ChannelShuffle(groups=3)": variants.ChannelShuffle(3),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text: str) -> None:
    assert repr(REPRS[text]) == text


REFUSED: dict[str, Callable[[], nn.Module]] = {
    "out_channels must be a multiple of in_channels": lambda: variants.DepthwiseConv2d(4, 6, 3),
    "in_channels and multiplier must be at least 1, got 4 and 0": (
        lambda: variants.DepthwiseSeparableConv2d(4, 6, 3, multiplier=0)
    ),
    "in_channels and multiplier must be at least 1, got 0 and 1": (
        lambda: variants.DepthwiseSeparableConv2d(0, 6, 3)
    ),
    "rank must be at least 1 and a multiple of groups, got 3 with groups 2": (
        lambda: variants.SpatiallySeparableConv2d(4, 6, 3, groups=2, rank=3)
    ),
    "rank must be an int or have one value per axis": (
        lambda: variants.SpatiallySeparableConv2d(4, 6, 3, rank=(3, 3))
    ),
    "order must name each of the axes 0 to 1 once": (
        lambda: variants.SpatiallySeparableConv2d(4, 6, 3, order=(1, 2))
    ),
    "groups must be at least 1, got 0": (
        lambda: variants.SpatiallySeparableConv1d(4, 6, 3, groups=0)
    ),
    "out_channels must be at least 1, got 0": lambda: variants.FlattenedConv2d(4, 0, 3),
    "groups must divide in_channels": lambda: variants.FlattenedConv2d(4, 6, 3, groups=3),
    "groups must divide out_channels": lambda: variants.ShuffledGroupConv2d(4, 6, 3, groups=4),
    "primary_groups must be at least 1 and divide in_channels, got 3 for 4": (
        lambda: variants.InterleavedGroupConv2d(4, 6, 3, primary_groups=3)
    ),
    r"primary_groups \* secondary_groups must divide the 8 channels": (
        lambda: variants.InterleavedGroupConv2d(4, 8, 3, primary_groups=2, secondary_groups=8)
    ),
    "kernel must be at least 1": lambda: variants.DepthwiseSeparableConv2d(4, 6, 0),
    "groups must be at least 1, got -1": lambda: variants.ChannelShuffle(-1),
}


@pytest.mark.parametrize("message", REFUSED)
def test_arguments_that_do_not_fit_are_refused(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_shuffled_is_grouped_then_shuffled() -> None:
    """The state dict of torch's grouped convolution loads and means the same."""
    grouped = nn.Conv2d(6, 12, 3, groups=3)
    layer = variants.ShuffledGroupConv2d(6, 12, 3, groups=3)
    layer.load_state_dict(grouped.state_dict())
    x = torch.randn(1, 6, 5, 5)
    torch.testing.assert_close(layer(x), nn.Sequential(grouped, nn.ChannelShuffle(3))(x))
    torch.testing.assert_close(layer(x), variants.ChannelShuffle(3)(grouped(x)))


def test_two_shuffled_layers_connect_every_channel() -> None:
    """What the shuffle is for: each output of the second layer depends on each input."""

    def connected(layer: Any) -> Tensor:
        return layer.dense_weight()[:, :, 0].abs() > 0

    first = variants.ShuffledGroupConv1d(9, 9, 1, groups=3)
    second = variants.ShuffledGroupConv1d(9, 9, 1, groups=3)
    assert connected(first).sum() == 9 * 3
    assert (connected(second).int() @ connected(first).int() > 0).all()


def test_interleaved_in_the_papers_form_is_dense() -> None:
    """Each output depends on each input and each kernel cell, in one layer."""
    layer = variants.InterleavedGroupConv2d(12, 12, 3, primary_groups=3)
    assert layer.secondary_groups == 4
    assert (layer.dense_weight().abs() > 0).all()


def test_spatially_separable_in_1d_is_the_ordinary_layer() -> None:
    layer = variants.SpatiallySeparableConv1d(4, 6, 3)
    conv = nn.Conv1d(4, 6, 3)
    layer.load_state_dict({"axis_weight_0": conv.weight, "bias": conv.bias})
    x = torch.randn(1, 4, 8)
    assert torch.equal(layer(x), conv(x))
