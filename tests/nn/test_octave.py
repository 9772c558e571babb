"""Octave layers: weights, plain maps at the ends, batch normalization, whole small networks."""

# One refusal a line, with its message: these lines may be long.
# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn as torch_nn

from juanji import functional as F
from juanji import nn
from juanji.ops.octave import OctavePair

LAYERS = {1: nn.OctaveConv1d, 2: nn.OctaveConv2d, 3: nn.OctaveConv3d}
THEIRS = {1: torch_nn.Conv1d, 2: torch_nn.Conv2d, 3: torch_nn.Conv3d}
NORMS = {1: nn.OctaveBatchNorm1d, 2: nn.OctaveBatchNorm2d, 3: nn.OctaveBatchNorm3d}
THEIR_NORMS = {1: torch_nn.BatchNorm1d, 2: torch_nn.BatchNorm2d, 3: torch_nn.BatchNorm3d}
SIZE = (9, 7, 5)
dimensional = pytest.mark.parametrize("dimensions", [1, 2, 3])


@dimensional
@pytest.mark.parametrize("stride", [1, 2])
def test_from_conv_with_alpha_0_is_the_ordinary_layer_bitwise(dimensions: int, stride: int) -> None:
    conv = THEIRS[dimensions](4, 6, 3, stride=stride, padding=1, groups=2).eval()
    octave = LAYERS[dimensions].from_conv(conv, alpha_in=0, alpha_out=0)
    x = torch.randn(2, 4, *SIZE[:dimensions])
    assert torch.equal(octave(x), F.conv(x, conv.weight, conv.bias, stride, 1, groups=2))
    torch.testing.assert_close(octave(x), conv(x))
    assert not octave.training
    assert list(octave.state_dict()) == list(conv.state_dict())


@dimensional
@pytest.mark.parametrize("downsample", ["pool", "stride"])
def test_the_layer_is_the_operator_with_ordinary_weights(dimensions: int, downsample: Any) -> None:
    conv = THEIRS[dimensions](8, 8, 3, stride=2, padding=1)
    alphas = {"alpha_in": 0.25, "alpha_out": 0.5}
    octave = LAYERS[dimensions].from_conv(conv, **alphas, downsample=downsample)
    assert torch.equal(octave.weight, conv.weight)
    pair = F.octave_split(torch.randn(2, 8, *SIZE[:dimensions]), 0.25)
    expected = F.octave_conv(
        *pair, conv.weight, conv.bias, **alphas, stride=2, padding=1, downsample=downsample
    )
    for given in (pair, tuple(pair)):
        output = octave(given)
        assert isinstance(output, OctavePair)
        assert torch.equal(output.merge(), expected.merge())


@dimensional
def test_first_and_last_layer_take_and_give_plain_maps(dimensions: int) -> None:
    x = torch.randn(2, 3, *SIZE[:dimensions])
    for alpha in (0.25, 1):
        first = LAYERS[dimensions](3, 8, 3, padding=1, alpha_in=0, alpha_out=alpha)
        last = LAYERS[dimensions](8, 3, 3, padding=1, alpha_in=alpha, alpha_out=0)
        pair = first(x)
        assert isinstance(pair, OctavePair)
        assert (pair.high is None) == (alpha == 1)
        output = last(pair)
        assert isinstance(output, Tensor)
        assert output.shape == x.shape


def test_a_layer_too_small_for_its_alpha_is_ordinary() -> None:
    """int(0.1 * 5) is 0: nothing is low."""
    layer = nn.OctaveConv2d(5, 5, 3, alpha_in=0.1, alpha_out=0.1)
    x = torch.randn(1, 5, 6, 6)
    assert torch.equal(layer(x), F.conv(x, layer.weight, layer.bias))


def test_initialized_as_the_ordinary_layer() -> None:
    torch.manual_seed(1)
    octave = nn.OctaveConv2d(8, 6, 3, alpha_in=0.5, alpha_out=0.5)
    torch.manual_seed(1)
    conv = torch_nn.Conv2d(8, 6, 3)
    assert torch.equal(octave.weight, conv.weight)
    assert octave.bias is not None
    assert conv.bias is not None
    assert torch.equal(octave.bias, conv.bias)


@pytest.mark.parametrize("alpha_in", [0.25, 0.5, 0.75])
@pytest.mark.parametrize(("stride", "downsample"), [(1, "pool"), (2, "pool"), (2, "stride")])
def test_initial_variance_is_that_of_the_ordinary_layer(
    alpha_in: float, stride: int, downsample: Any
) -> None:
    """On maps that averaging does not change (a random constant per channel), in both halves.

    The mean square over all outputs and draws of the weights estimates the variance; with 256
    images of 64 channels and 64 outputs its relative standard error is near sqrt(2 / 64) / 8, a
    few percent, because outputs share images and images share weights.
    """
    torch.manual_seed(0)
    x = torch.randn(256, 64, 1, 1).expand(-1, -1, 12, 12)
    ordinary, halves = [], {"high": [], "low": []}  # type: ignore[var-annotated]
    for _ in range(8):
        conv = torch_nn.Conv2d(64, 64, 3, padding=1, stride=stride, bias=False)
        octave = nn.OctaveConv2d.from_conv(
            conv, alpha_in=alpha_in, alpha_out=0.5, downsample=downsample
        )
        with torch.no_grad():
            ordinary.append(conv(x)[..., 2, 2])
            high, low = octave(F.octave_split(x, alpha_in))
        halves["high"].append(high[..., 2, 2])
        halves["low"].append(low[..., 1, 1])
    variance = torch.stack(ordinary).var()
    for half in halves.values():
        assert 0.85 < torch.stack(half).var() / variance < 1.15


def test_noise_reaches_the_high_half_with_the_ordinary_variance() -> None:
    """Both halves white noise: two paths meet, their variances add to the ordinary one."""
    torch.manual_seed(0)
    conv = torch_nn.Conv2d(32, 64, 3, padding=1, bias=False)
    octave = nn.OctaveConv2d.from_conv(conv, alpha_in=0.5, alpha_out=0.5)
    with torch.no_grad():
        expected = conv(torch.randn(8, 32, 24, 24)).var()
        high, _ = octave((torch.randn(8, 16, 24, 24), torch.randn(8, 16, 12, 12)))
    assert 0.9 < high.var() / expected < 1.1


def test_permute_inputs_puts_the_weight_in_the_order_of_concatenated_pairs() -> None:
    """The converted layer sees each channel through the weight it had in the plain network."""
    parts = [(3, 1), (2, 0), (1, 1)]
    conv = torch_nn.Conv2d(8, 4, 1)
    layer = nn.OctaveConv2d.from_conv(conv, alpha_in=0.25, alpha_out=0)
    layer.permute_inputs(parts)
    pairs = [
        OctavePair(torch.randn(1, h, 4, 6), torch.randn(1, l, 2, 3) if l else None)
        for h, l in parts  # noqa: E741
    ]
    joined = torch.cat(pairs, 1)  # type: ignore[arg-type]
    torch.testing.assert_close(layer(joined), conv(joined.merge()))


def test_without_low_inputs_a_pair_is_the_map_that_it_stands_for() -> None:
    layer = nn.OctaveConv2d(8, 6, 3, padding=1, alpha_in=0, alpha_out=0.5)
    pair = OctavePair(torch.randn(1, 5, 5, 7), torch.randn(1, 3, 3, 4))
    for got, expected in zip(layer(pair), layer(pair.merge()), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.OctaveConv2d(8, 8, 3, alpha_in=1.5, alpha_out=0), "alpha_in must be a number in [0, 1], got 1.5"),
        (lambda: nn.OctaveConv2d(8, 8, 3, alpha_in=0, alpha_out=float("nan")), "alpha_out must be a number in [0, 1], got nan"),
        (lambda: nn.OctaveConv2d(8, 8, 3, alpha_in=0, alpha_out=0, downsample="max"), 'downsample must be "pool" or "stride", got \'max\''),  # type: ignore[arg-type]
        (lambda: nn.OctaveConv2d(8, 8, 3, groups=4, alpha_in=0.25, alpha_out=0.25), "alpha must leave every path divisible by groups, got 6 high input channels with groups 4"),
        (lambda: nn.OctaveConv2d(8, 8, 3, groups=8, alpha_in=0.25, alpha_out=0.5), "alpha_out must equal alpha_in"),
        (lambda: nn.OctaveConv2d(8, 8, 3, alpha_in=0.5, alpha_out=0)(torch.zeros(1, 8, 5, 5)), "must have 4 and 4 channels, as alpha_in parts 8, got 8 and 0"),
        (lambda: nn.OctaveConv2d(8, 8, 3, alpha_in=0, alpha_out=0)(torch.zeros(8, 5, 5)), "high must have 4 dimensions (N, C, *spatial)"),
        (lambda: nn.OctaveConv2d.from_conv(torch_nn.Conv2d(4, 4, 3, padding_mode="circular"), alpha_in=0, alpha_out=0), "got 'circular'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_told(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"must|means|got") as caught:
        call()
    assert message in str(caught.value)


def test_the_layer_shows_its_alphas() -> None:
    layer = nn.OctaveConv2d(8, 8, 3, 2, alpha_in=0.25, alpha_out=0.5, downsample="stride")
    assert repr(layer) == (
        "OctaveConv2d(8, 8, kernel_size=(3, 3), stride=(2, 2), alpha_in=0.25, alpha_out=0.5, "
        "downsample='stride')"
    )


# Batch normalization


@dimensional
def test_the_state_of_octave_batch_norm_is_that_of_batch_norm(dimensions: int) -> None:
    ours, theirs = NORMS[dimensions](8), THEIR_NORMS[dimensions](8)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(4, 8, *SIZE[:dimensions])
    theirs(x)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(x), theirs(x))  # a plain map, training
    ours.eval()
    theirs.eval()
    pair = F.octave_split(x, 0.25)
    for given in (pair, tuple(pair)):
        output = ours(given)
        assert isinstance(output, OctavePair)
        torch.testing.assert_close(output.merge(), theirs(pair.merge()))


def test_octave_batch_norm_is_batch_norm_given_a_pair() -> None:
    pair = F.octave_split(torch.randn(4, 8, 7, 6), 0.5)
    ours, theirs = nn.OctaveBatchNorm2d(8), torch_nn.BatchNorm2d(8)
    outputs = ours(pair), theirs(pair)  # type: ignore[arg-type]
    torch.testing.assert_close(*(tuple(output) for output in outputs))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    for half in outputs[0]:
        assert half is not None
        torch.testing.assert_close(half.mean((0, 2, 3)), torch.zeros(4), atol=1e-6, rtol=0)


def test_octave_batch_norm_refuses_another_dimension() -> None:
    with pytest.raises(
        ValueError, match=r"input must have 4 dimensions \(N, C, \*spatial\), got 3"
    ):
        nn.OctaveBatchNorm2d(8)(torch.zeros(2, 8, 5))


# Networks that know nothing of octaves


class Block(torch_nn.Module):
    """A residual block with a concatenation, squeeze and excitation, and a head."""

    def __init__(self, conv: Callable[..., torch_nn.Module]) -> None:
        super().__init__()
        self.first = conv(3, 8, 0, 0.5)
        self.norm = torch_nn.BatchNorm2d(8)
        self.second = conv(8, 8, 0.5, 0.5)
        self.squeeze = torch_nn.Conv2d(8, 8, 1)
        self.joined = torch_nn.BatchNorm2d(16)
        self.head = torch_nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        y = self.second(x)
        y = y * torch.sigmoid(self.squeeze(torch_nn.functional.adaptive_avg_pool2d(y, 1)))
        y = torch_nn.functional.silu(x + y)
        y = torch_nn.functional.max_pool2d(y, 3, 2, 1)
        y = self.joined(torch.cat([y, torch_nn.functional.avg_pool2d(x, 2, 2)], dim=1))
        pooled = torch_nn.functional.adaptive_avg_pool2d(y, 1)
        return self.head(torch.flatten(pooled, 1))  # type: ignore[no-any-return]


def octave(c_in: int, c_out: int, alpha_in: float, alpha_out: float) -> torch_nn.Module:
    return nn.OctaveConv2d(c_in, c_out, 3, padding=1, alpha_in=alpha_in, alpha_out=alpha_out)


def ordinary(c_in: int, c_out: int, alpha_in: float, alpha_out: float) -> torch_nn.Module:
    return torch_nn.Conv2d(c_in, c_out, 3, padding=1)


def test_a_network_passes_pairs_and_takes_ordinary_weights() -> None:
    torch.manual_seed(0)
    net, plain = Block(octave), Block(ordinary)
    net.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3, 16, 16, requires_grad=True)
    output = net(x)
    assert output.shape == (4, 5)
    output.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.second.parameters())
    # on a map that is constant on blocks of two, inside of which nothing is lost, all agree
    flat = torch.randn(4, 3, 1, 1).expand(4, 3, 16, 16)
    inner = slice(4, -4)
    first = net.first(flat)
    torch.testing.assert_close(
        first.merge()[..., inner, inner], plain.first(flat)[..., inner, inner]
    )


def test_a_network_with_pairs_compiles_for_any_size_without_graph_breaks() -> None:
    torch.compiler.reset()
    net = torch_nn.Sequential(  # one axis: symbolic sizes take the compiler long
        nn.OctaveConv1d(3, 8, 3, stride=2, padding=1, alpha_in=0, alpha_out=0.5),
        torch_nn.BatchNorm1d(8),
        torch_nn.ReLU(),
        nn.OctaveConv1d(8, 4, 3, padding=1, alpha_in=0.5, alpha_out=0),
    ).eval()
    compiled = torch.compile(net, fullgraph=True, backend="eager", dynamic=True)
    for size in (8, 13):
        x = torch.randn(2, 3, size)
        torch.testing.assert_close(compiled(x), net(x))


def test_a_network_with_pairs_trains_compiled() -> None:
    torch.compiler.reset()
    torch.manual_seed(0)
    net, eager = Block(octave), Block(octave)
    eager.load_state_dict(net.state_dict())
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 3, 16, 16)
    for model in (compiled, eager):
        model(x).square().sum().backward()
    for (name, ours), theirs in zip(net.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
    torch.testing.assert_close(net.state_dict(), eager.state_dict())


def test_a_network_with_pairs_exports() -> None:
    net = Block(octave).eval()
    x = torch.randn(2, 3, 16, 16)
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (x,), dynamic_shapes={"x": {0: batch}})
    other = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(program.module()(other), net(other))
