"""Squeeze and excitation: the formula, octave pairs, and the exact start behind a convolution."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from juanji import functional as F
from juanji.nn import (
    Conv2d,
    FlattenedConv2d,
    OctaveConv2d,
    ShuffledGroupConv2d,
    SqueezeExcite,
)
from juanji.ops.octave import OctavePair


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [(), (7,), (5, 6), (3, 4, 5), (2, 2, 2, 2)])
@pytest.mark.parametrize("batch", [0, 3])
def test_is_the_papers_formula(size: tuple[int, ...], batch: int) -> None:
    """Channel c is multiplied by sigmoid(W2 relu(W1 z))[c], z the mean of each channel."""
    unit = SqueezeExcite(8, reduction=4, dtype=torch.float64)
    x = torch.randn(batch, 8, *size, dtype=torch.float64)
    z = x.reshape(batch, 8, x[0, 0].numel() if batch else 1).mean(-1)
    inner = (z @ unit.reduce.weight.T + unit.reduce.bias).clamp(min=0)
    s = 1 / (1 + torch.exp(-(inner @ unit.expand.weight.T + unit.expand.bias)))
    output = unit(x)
    assert output.shape == x.shape
    for n in range(batch):
        for c in range(8):
            torch.testing.assert_close(output[n, c], x[n, c] * s[n, c])


def test_gradients() -> None:
    unit = SqueezeExcite(4, reduction=2, dtype=torch.float64)
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit, x)


def test_width_of_the_middle() -> None:
    assert SqueezeExcite(64).reduce.out_features == 4
    assert SqueezeExcite(8, reduction=16).reduce.out_features == 1
    assert sum(p.numel() for p in SqueezeExcite(64).parameters()) == 2 * 64 * 4 + 4 + 64
    assert repr(SqueezeExcite(64)).startswith("SqueezeExcite(\n  64, reduction=16\n")


@pytest.mark.parametrize(
    ("high", "low", "size"), [(6, 2, (7, 5)), (6, 2, (4,)), (0, 8, (6, 4)), (8, 0, (5, 3, 4))]
)
def test_a_pair_is_weighed_as_its_merged_map(high: int, low: int, size: tuple[int, ...]) -> None:
    unit = SqueezeExcite(8, reduction=2, dtype=torch.float64)
    halves = tuple((n + 1) // 2 for n in size)
    pair = OctavePair(
        torch.randn(2, high, *size, dtype=torch.float64) if high else None,
        torch.randn(2, low, *halves, dtype=torch.float64) if low else None,
    )
    output = unit(pair)
    assert isinstance(output, OctavePair)
    assert (output.high is None) == (high == 0)
    assert output.low is None or output.low.shape == pair.low.shape
    torch.testing.assert_close(output.merge(), unit(pair.merge()))


CONVS: dict[str, Any] = {
    "conv1d": (lambda: nn.Conv1d(3, 8, 3), (9,)),
    "conv2d": (lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), (9, 8)),
    "conv3d, no bias": (lambda: nn.Conv3d(3, 8, 3, bias=False), (5, 6, 7)),
    "reflecting": (lambda: nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), (9, 8)),
    "ours, same": (lambda: Conv2d(3, 8, 4, stride=3, padding="same", flip=True), (9, 8)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 8, 3, stride=2), (5, 4)),
    "flattened": (lambda: FlattenedConv2d(3, 8, 3), (9, 8)),
    "shuffled": (lambda: ShuffledGroupConv2d(3, 9, 3, groups=3), (9, 8)),
    "bfloat16": (lambda: nn.Conv2d(3, 8, 3).bfloat16(), (9, 8)),
}


@pytest.mark.parametrize("name", CONVS)
def test_starts_exactly_as_the_convolution(name: str) -> None:
    build, size = CONVS[name]
    conv = build().eval()
    before = copy.deepcopy(conv.state_dict())
    both = SqueezeExcite.after_conv(conv, reduction=2)
    x = torch.randn(2, 3, *size, dtype=next(conv.parameters()).dtype)
    assert torch.equal(both(x), conv(x))
    assert not both.training
    assert not both[1].training
    assert all(torch.equal(before[key], value) for key, value in conv.state_dict().items())
    # and learns: the last layer of the unit gets a gradient although it is zero
    both(x).square().sum().backward()
    assert both[1].expand.weight.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in both[0].parameters())


def test_behind_an_octave_convolution() -> None:
    conv = OctaveConv2d(8, 8, 3, padding=1, alpha_in=0.5, alpha_out=0.25)
    both = SqueezeExcite.after_conv(conv)
    pair = F.octave_split(torch.randn(2, 8, 7, 5), 0.5)
    expected, output = conv(pair), both(pair)
    assert torch.equal(output.high, expected.high)
    assert torch.equal(output.low, expected.low)


@pytest.mark.parametrize("module", [nn.Linear(3, 3), nn.ReLU()])
def test_only_behind_convolutions(module: nn.Module) -> None:
    with pytest.raises(TypeError, match="conv must be a convolution"):
        SqueezeExcite.after_conv(module)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 16"):
        SqueezeExcite(0)
    with pytest.raises(ValueError, match="must be at least 1, got 8 and 0"):
        SqueezeExcite(8, reduction=0)
    for shape in [(2, 4, 5, 5), (8, 5, 5), (8,)]:
        with pytest.raises(ValueError, match=r"shape \(N, 8, \*spatial\)"):
            SqueezeExcite(8)(torch.zeros(shape))


def test_traces_without_breaks() -> None:
    torch._dynamo.reset()
    both = SqueezeExcite.after_conv(nn.Conv2d(3, 8, 3), reduction=4)
    nn.init.normal_(both[1].expand.weight)
    x = torch.randn(2, 3, 6, 7)
    compiled = torch.compile(both, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), both(x))


def test_state_dict() -> None:
    unit, other = SqueezeExcite(8), SqueezeExcite(8)
    other.load_state_dict(unit.state_dict())
    x = torch.randn(2, 8, 5)
    assert torch.equal(unit(x), other(x))


@pytest.mark.parametrize(
    ("size", "layout"),
    [((5, 6), torch.channels_last), ((3, 4, 5), torch.channels_last_3d)],
)
def test_memory_format_stays(size: tuple[int, ...], layout: torch.memory_format) -> None:
    x = torch.randn(2, 8, *size).to(memory_format=layout)
    assert SqueezeExcite(8)(x).is_contiguous(memory_format=layout)
