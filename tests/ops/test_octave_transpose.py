"""Transposed octave convolution: the adjoint of octave convolution, as operator and as layer."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch import nn as torch_nn

from juanji import functional as F
from juanji import nn
from juanji.ops.octave import OctavePair, low_channels

LAYERS = {1: nn.OctaveConvTranspose1d, 2: nn.OctaveConvTranspose2d, 3: nn.OctaveConvTranspose3d}
THEIRS = {1: torch_nn.ConvTranspose1d, 2: torch_nn.ConvTranspose2d, 3: torch_nn.ConvTranspose3d}
ALPHAS = (0, 0.25, 0.5, 1)
dimensional = pytest.mark.parametrize("dimensions", [1, 2, 3])


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def random_pair(channels: int, alpha: Any, spatial: tuple[int, ...], batch: int = 2) -> OctavePair:
    low = low_channels(alpha, channels)
    return OctavePair(
        randn(batch, channels - low, *spatial) if low < channels else None,
        randn(batch, low, *(-(-n // 2) for n in spatial)) if low else None,
        size=spatial,
    )


def inner(a: OctavePair, b: OctavePair) -> Tensor:
    products = [(x * y).sum() for x, y in zip(a, b, strict=True) if x is not None]  # type: ignore[operator]
    return torch.stack(products).sum()


def assert_adjoint(
    fine: tuple[int, ...],
    weight: Tensor,
    alphas: tuple[float, float],
    output_padding: tuple[int, ...],
    **call: Any,
) -> None:
    """Compare <f(x), y> with <x, transposed f(y)>; alphas are those of x and of f(x)."""
    x = random_pair(weight.shape[1] * call["groups"], alphas[0], fine)
    ahead = F.octave_conv(
        *x, weight, alpha_in=alphas[0], alpha_out=alphas[1], size=x.spatial, **call
    )
    y = random_pair(len(weight), alphas[1], ahead.spatial)
    back = F.octave_conv_transpose(
        *y, weight, alpha_in=alphas[1], alpha_out=alphas[0], size=y.spatial,
        output_padding=output_padding, **call,
    )  # fmt: skip
    assert back.spatial == fine
    assert [half is None for half in back] == [half is None for half in x]
    for half, other in zip(back, x, strict=True):
        assert half is None or half.shape == other.shape  # type: ignore[union-attr]
    torch.testing.assert_close(inner(ahead, y), inner(x, back), rtol=1e-10, atol=1e-9)


def unseen(fine: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Return the output padding that gives this fine size back."""
    return (fine + sum(pads) - dilation * (kernel - 1) - 1) % stride


@pytest.mark.parametrize("downsample", ["pool", "stride"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_adjoint_for_all_alphas_and_sizes(stride: int, downsample: str) -> None:
    torch.manual_seed(0)
    pads = (1, 2)
    for alphas, size in product(product(ALPHAS, ALPHAS), (6, 7, 8, 9)):
        extra = (unseen(size, 3, stride, 1, pads),)
        assert_adjoint(
            (size,), randn(8, 4, 3), alphas, extra,
            stride=stride, padding=(pads,), groups=2, downsample=downsample,
        )  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    dimensions = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(dimensions))

    kernel, stride, dilation = each(1, 3), each(1, 4), each(1, 2)
    padding = tuple(zip(each(0, 6), each(0, 3), strict=True))
    axes = list(zip(kernel, stride, dilation, padding, strict=True))
    fine = tuple(
        max(1, d * (k - 1) + 1 - sum(p)) + draw(st.integers(0, 5 if dimensions < 3 else 3))
        for k, _, d, p in axes
    )
    groups = draw(st.sampled_from([1, 2, 8]))
    first = draw(st.sampled_from(ALPHAS))
    return {
        "fine": fine,
        "weight": (8, 8 // groups, *kernel),
        "alphas": (first, first if groups == 8 else draw(st.sampled_from(ALPHAS))),
        "output_padding": tuple(unseen(n, *axis) for n, axis in zip(fine, axes, strict=True)),
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "downsample": draw(st.sampled_from(["pool", "stride"])),
    }


@settings(max_examples=150)
@given(cases())
def test_adjoint_with_every_option(case: dict[str, Any]) -> None:
    torch.manual_seed(0)
    assert_adjoint(**case | {"weight": randn(*case["weight"])})


def test_adjoint_of_a_depthwise_convolution_with_a_multiplier() -> None:
    for size, stride in product((6, 7), (1, 2, 3)):
        assert_adjoint(
            (size, size + 1), randn(16, 1, 1, 1), (0.25, 0.25),
            (unseen(size, 1, stride, 1, (0, 0)), unseen(size + 1, 1, stride, 1, (0, 0))),
            stride=stride, padding=0, groups=8,
        )  # fmt: skip


@pytest.mark.parametrize("alphas", [(0.5, 0.25), (0, 0.5), (0.5, 0), (1, 1)])
def test_bias_is_added_once_per_channel(alphas: tuple[float, float]) -> None:
    weight, bias, y = randn(8, 8, 3, 3), randn(8), random_pair(8, alphas[0], (5, 4))
    call: dict[str, Any] = {"alpha_in": alphas[0], "alpha_out": alphas[1], "stride": 2}
    bare = F.octave_conv_transpose(*y, weight, size=y.spatial, **call).merge()
    full = F.octave_conv_transpose(*y, weight, bias, size=y.spatial, **call).merge()
    torch.testing.assert_close(full - bare, bias.view(1, -1, 1, 1).expand_as(full))


@dimensional
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_alpha_0_is_the_transposed_convolution_bitwise(dimensions: int, stride: int) -> None:
    conv = THEIRS[dimensions](
        4, 6, 3, stride=stride, padding=1, output_padding=stride - 1, groups=2
    ).eval()
    layer = LAYERS[dimensions].from_conv(conv, alpha_in=0, alpha_out=0)
    x = torch.randn(2, 4, *(5, 4, 3)[:dimensions])
    ours = F.conv_transpose(
        x, conv.weight, conv.bias, stride, 1, output_padding=stride - 1, groups=2
    )
    assert torch.equal(layer(x), ours)
    torch.testing.assert_close(layer(x), conv(x))
    assert not layer.training
    assert list(layer.state_dict()) == list(conv.state_dict())
    assert layer.output_padding == conv.output_padding


@dimensional
def test_the_layer_is_the_operator_with_ordinary_weights(dimensions: int) -> None:
    conv = THEIRS[dimensions](8, 4, 3, stride=2, padding=1, output_padding=1, bias=False)
    own: dict[str, Any] = {"alpha_in": 0.25, "alpha_out": 0.5, "downsample": "stride"}
    layer = LAYERS[dimensions].from_conv(conv, **own)
    y = F.octave_split(torch.randn(2, 8, *(5, 4, 3)[:dimensions]), 0.25)
    expected = F.octave_conv_transpose(
        *y, conv.weight, stride=2, padding=1, output_padding=1, **own
    )
    assert torch.equal(layer(y).merge(), expected.merge())
    assert layer.extra_repr().endswith(
        f"bias=False, alpha_in=0.25, alpha_out=0.5, downsample='stride', "
        f"output_padding={(1,) * dimensions}"
    )


def test_gradients() -> None:
    torch.manual_seed(0)
    y, weight, bias = random_pair(4, 0.5, (3, 4), 1), randn(4, 4, 3, 2), randn(4)
    operands = [x.requires_grad_() for x in (y.high, y.low, weight, bias) if x is not None]

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            half
            for half in F.octave_conv_transpose(
                *tensors, alpha_in=0.5, alpha_out=0.25, stride=(2, 3), padding=1
            )
            if half is not None
        )

    assert torch.autograd.gradcheck(call, operands)
    assert torch.autograd.gradgradcheck(call, operands)


def test_compiles_to_one_graph() -> None:
    layer = nn.OctaveConvTranspose2d(8, 8, 4, 2, 1, alpha_in=0.25, alpha_out=0.5).double()
    y = random_pair(8, 0.25, (5, 6))
    torch._dynamo.reset()
    compiled = torch.compile(lambda h, n: tuple(layer((h, n))), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*y), tuple(layer(y)))


def test_an_empty_batch_keeps_its_shape() -> None:
    y = random_pair(8, 0.25, (5, 6), batch=0)
    x = F.octave_conv_transpose(*y, randn(8, 4, 3, 3), alpha_in=0.25, alpha_out=0.5, stride=2)
    assert x.shape == (0, 4, 11, 13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"alpha_in": 2}, "alpha_in must be a number in"),
        ({"alpha_in": 0.25}, "high and low must have 3 and 1 channels"),
        ({"padding": "same"}, "padding of a transposed convolution must be numbers"),
        ({"downsample": "max"}, "downsample must be"),
        ({"output_padding": 2}, "output_padding must be at least 0 and below the stride"),
        ({"padding": 9}, "padding must be smaller"),
        ({"groups": 2, "alpha_out": 0.75}, "got 1 high output channels with groups 2"),
    ],
)
def test_bad_arguments_are_told(call: dict[str, Any], message: str) -> None:
    call = {"alpha_in": 0.5, "alpha_out": 0.5} | call
    weight = randn(4, 4 // call.get("groups", 1), 3)
    with pytest.raises(ValueError, match=message):
        F.octave_conv_transpose(randn(1, 2, 4), randn(1, 2, 2), weight, **call)


def test_from_conv_wants_a_transposed_convolution() -> None:
    with pytest.raises(TypeError, match="conv must be a transposed convolution"):
        nn.OctaveConvTranspose1d.from_conv(torch_nn.Conv1d(2, 2, 1), alpha_in=0, alpha_out=0)
