"""Deformable layers: they start as the convolution that they replace, and learn to leave it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import juanji.nn as jnn
from juanji import functional as F
from juanji.nn import DeformConv1d, DeformConv2d, DeformConv3d

LAYERS = {1: DeformConv1d, 2: DeformConv2d, 3: DeformConv3d}
TORCH = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SIZES = {1: (11,), 2: (7, 6), 3: (4, 5, 3)}


def whole_numbers(conv: nn.Module) -> nn.Module:
    """Give a convolution small whole numbers, whose sums are exact in any order."""
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randint(-3, 4, parameter.shape))
    return conv


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_it_starts_as_the_convolution_it_replaces(dimensions, version, bias):
    torch.manual_seed(0)
    groups, out_channels = (6, 6) if version >= 3 else (2, 4)
    conv = whole_numbers(
        TORCH[dimensions](6, out_channels, 3, 2, 1, dilation=1, groups=groups, bias=bias)
    ).eval()
    layer = LAYERS[dimensions].from_conv(conv, version=version, offset_groups=3)
    x = torch.randint(-3, 4, (2, 6, *SIZES[dimensions])).float()
    assert torch.equal(layer(x), conv(x))  # every bit
    assert torch.equal(layer(x[0]), conv(x[0]))
    assert layer(x[:0]).shape == conv(x[:0]).shape
    assert not layer.training
    real = torch.randn(2, 6, *SIZES[dimensions])
    torch.testing.assert_close(layer(real), conv(real), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "window",
    [
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)},
        {"kernel_size": 4, "padding": "same"},
        {"kernel_size": (7, 7), "padding": 3},  # 49 * (1 / 49) is not 1 in floating point
        {"kernel_size": 1},
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_any_window(window, version):
    conv = whole_numbers(nn.Conv2d(4, 4, **window, groups=4))
    layer = DeformConv2d.from_conv(conv, version=version, offset_groups=2)
    x = torch.randint(-3, 4, (2, 4, 9, 8)).float()
    assert torch.equal(layer(x), conv(x))


def test_it_takes_paddings_that_torch_has_not():
    conv = whole_numbers(jnn.Conv2d(4, 4, 3, stride=2, padding=((0, 2), 1)))
    x = torch.randint(-3, 4, (2, 4, 9, 8)).float()
    assert torch.equal(DeformConv2d.from_conv(conv, version=2)(x), conv(x))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_filters_learn(version):
    """A signal that lies three cells away is found by moving the taps."""
    torch.manual_seed(0)
    layer = DeformConv1d(2, 2, 3, padding=1, version=version, dtype=torch.float64)
    moved = [name for name, _ in layer.named_parameters() if name.startswith(("offset", "mask"))]
    before = {name: t.clone() for name, t in layer.state_dict().items()}
    assert all(not before[name].any() for name in moved)
    x = torch.randn(4, 2, 16, dtype=torch.float64).cumsum(-1)
    target = x.roll(3, -1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(not torch.equal(layer.state_dict()[name], before[name]) for name in moved)
    layer.reset_parameters()
    assert all(not layer.state_dict()[name].any() for name in moved)


def test_modulation_of_each_version():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 4)
    assert DeformConv2d(6, 6, 3).modulation(x) is None
    for version in (2, 3, 4):
        layer = DeformConv2d(6, 6, (3, 2), padding=(1, 0), version=version, offset_groups=3)
        assert torch.equal(layer.modulation(x), torch.ones(2, 3 * 6, 5, 3))
        nn.init.normal_(layer.mask.weight, std=3)
        m, factor = layer.mask(x), layer.modulation(x)
        if version == 2:
            torch.testing.assert_close(factor, 2 * m.sigmoid())
        elif version == 3:
            m = m.view(2, 3, 6, 5, 3)
            torch.testing.assert_close(factor.view_as(m), 6 * m.softmax(2))
        else:
            torch.testing.assert_close(factor, 1 + m)
    nn.init.constant_(layer.mask.bias, 1e4)
    assert layer.modulation(x).isfinite().all()


@pytest.mark.parametrize("version", [3, 4])
def test_fresh_projected_layer_is_the_papers_operator(version):
    """sum_k m_k x(p + p_k + dp_k) per offset group, between two projections."""
    torch.manual_seed(0)
    layer = DeformConv2d(4, 5, 3, padding=1, version=version, offset_groups=2, dtype=torch.float64)
    for parameter in (*layer.offset.parameters(), *layer.mask.parameters(), layer.bias):
        nn.init.normal_(parameter)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    m = layer.mask(x).view(2, 2, 9, 6, 5)
    m = m.softmax(2) if version == 3 else (1 + m) / 9
    hidden = torch.einsum("nchw,dc->ndhw", x, layer.input_projection[..., 0, 0])
    hidden = F.deform_conv(
        hidden, layer.offset(x), torch.ones(4, 1, 3, 3).double(), padding=1, mask=m.flatten(1, 2)
    )
    expected = torch.einsum("nchw,dc->ndhw", hidden, layer.output_projection[..., 0, 0])
    torch.testing.assert_close(layer(x), expected + layer.bias[:, None, None])


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_state_dict_compile_autocast_and_second_derivatives(version):
    torch.manual_seed(0)
    layer = DeformConv2d(4, 4, 3, padding=1, version=version, offset_groups=2)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    twin = DeformConv2d(4, 4, 3, padding=1, version=version, offset_groups=2)
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 6, 5, requires_grad=True)
    output = layer(x)
    assert torch.equal(twin(x), output)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), output)
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(x)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - output).abs().mean() < 0.05 * output.abs().mean()
    (slope,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_weight_norm_and_dtype_are_taken_over():
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3).double())
    layer = DeformConv2d.from_conv(conv, version=2)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), conv(x))
    assert {parameter.dtype for parameter in layer.parameters()} == {torch.float64}


def test_description():
    layer = DeformConv2d(4, 8, 3, padding=1, version=2, offset_groups=2)
    assert layer.extra_repr() == ("4, 8, kernel_size=(3, 3), padding=1, version=2, offset_groups=2")
    weights = sum(parameter.numel() for parameter in layer.parameters())
    assert weights == (8 * 4 * 9 + 8) + (2 * 9 * 2) * (4 * 9 + 1) + (2 * 9) * (4 * 9 + 1)


def test_initialization_is_torchs():
    torch.manual_seed(3)
    weight = DeformConv2d(64, 64, 3).weight
    assert weight.abs().max() <= 1 / math.sqrt(64 * 9)
    assert abs(weight.std() * math.sqrt(3 * 64 * 9) - 1) < 0.02


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 5}, "version must be 1, 2, 3 or 4, got 5"),
        ({"offset_groups": 3}, "offset_groups must be at least 1 and divide in_channels, got 3"),
        ({"offset_groups": 0}, "offset_groups must be at least 1 and divide in_channels, got 0"),
        ({"version": 3, "groups": 4}, "groups must be 1 in version 3"),
        ({"groups": 3}, "groups must divide in_channels"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        DeformConv2d(4, 4, 3, **changes)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 8, 4), (4, 4, 2)])
def test_what_a_depthwise_window_cannot_stand_for(version, shape):
    in_channels, out_channels, groups = shape
    conv = nn.Conv2d(in_channels, out_channels, 3, groups=groups)
    with pytest.raises(ValueError, match="conv must be depthwise with one filter per channel"):
        DeformConv2d.from_conv(conv, version=version)


def test_only_convolutions_are_replaced():
    with pytest.raises(TypeError, match="conv must be a convolution"):
        DeformConv2d.from_conv(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="padding_mode"):
        DeformConv2d.from_conv(nn.Conv2d(3, 4, 3, padding_mode="reflect"))
    with pytest.raises(TypeError, match="conv must be a convolution"):
        DeformConv2d.from_conv(DeformConv2d(3, 4, 3))


def test_states_load_across_layers_that_mean_the_same() -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1)
    first = DeformConv2d(4, 6, 3, padding=1, version=1)
    first.load_state_dict(conv.state_dict())
    x = torch.randn(2, 4, 7, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first(x), conv(x))
    nn.init.normal_(first.offset.weight, std=0.1)
    second = DeformConv2d(4, 6, 3, padding=1, version=2)
    nn.init.normal_(second.mask.weight)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second(x), first(x))
