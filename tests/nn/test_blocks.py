"""The blocks by their laws, and against pytorchcv where it has one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorchcv.models.preresnet import PreResUnit
from pytorchcv.models.seresnet import SEResUnit
from torch import Tensor, nn

from juanji.analysis import analyze
from juanji.nn import (
    BasicBlock,
    BigLittleBlock,
    BottleneckBlock,
    Branches,
    Conv2d,
    ConvUnit,
    DenseBlock,
    DenseLayer,
    DepthwiseConv2d,
    ElasticBlock,
    HighwayBlock,
    InceptionBlock,
    NaiveInceptionBlock,
    PreActivationBlock,
    PreActivationBottleneckBlock,
    ResNeXtBlock,
    SqueezeExcite,
    StackedBlock,
    TransitionBlock,
    WeightedResidualBlock,
)


def weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def randomized(module: nn.Module) -> nn.Module:
    """Give every parameter and statistic a value of its own, in float64, for evaluation."""
    generator = torch.Generator().manual_seed(0)
    module = module.double().eval()
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(0.5 + torch.rand(value.shape, generator=generator, dtype=value.dtype))
    return module


def pair(ours: nn.Module, theirs: nn.Module) -> tuple[Tensor, Tensor]:
    """Return both outputs for the same image and weights, in the order of registration."""
    randomized(theirs)
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    ours.double().eval()
    ours.load_state_dict({name: value.reshape(shapes[name]) for name, value in state.items()})
    x = torch.randn(2, 8, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return ours(x), theirs(x)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out_channels", [8, 16])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_pre_activation_computes_what_pytorchcv_does(
    stride: int, out_channels: int, bottleneck: bool
) -> None:
    ours = (
        PreActivationBottleneckBlock(8, out_channels // 4, stride)
        if bottleneck
        else PreActivationBlock(8, out_channels, stride)
    )
    theirs = PreResUnit(8, out_channels, stride, bottleneck=bottleneck)
    got, expected = pair(ours, theirs)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_residual_block_with_squeeze_and_excitation_computes_what_pytorchcv_does(
    stride: int, bottleneck: bool
) -> None:
    ours: nn.Module = (
        BottleneckBlock(8, 16, stride, reduction=16)
        if bottleneck
        else BasicBlock(8, 64, stride, reduction=16)
    )
    theirs = SEResUnit(8, 64, stride, bottleneck, conv1_stride=False)
    got, expected = pair(ours, theirs)
    torch.testing.assert_close(got, expected)


def test_weighted_residual_begins_as_the_basic_block_and_learns_to_leave_it() -> None:
    torch.manual_seed(0)
    block = WeightedResidualBlock(8, 8)
    plain = BasicBlock(8, 8)
    missing, unexpected = plain.load_state_dict(block.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ["branch_weight", "skip_weight"])
    x = torch.randn(2, 8, 9, 7)
    assert torch.equal(block(x), plain(x))
    block(x).square().sum().backward()
    for weight in (block.branch_weight, block.skip_weight):
        assert weight.grad is not None
        assert weight.grad.abs() > 0
    with torch.no_grad():
        block.branch_weight.zero_()
        block.skip_weight.fill_(2)
        torch.testing.assert_close(block(x), 2 * x.relu())


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (-1e4, lambda block, x: x),
        (1e4, lambda block, x: block.transform(x).relu()),
        (0.0, lambda block, x: (block.transform(x).relu() + x) / 2),
    ],
)
def test_highway_gate_lets_through_or_transforms(
    gate: float, expected: Callable[[HighwayBlock, Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    block = HighwayBlock(4, gate_bias=gate)
    nn.init.zeros_(block.gate.weight)
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(block(x), expected(block, x))


def test_highway_refuses_an_even_kernel() -> None:
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        HighwayBlock(4, 4)


@pytest.mark.parametrize(("depth", "large"), [(2, 5), (3, 7)])
def test_stacked_3x3_sees_a_larger_kernel_at_less_cost(depth: int, large: int) -> None:
    block = StackedBlock(8, 8, depth, normalize=False)
    view = analyze(block, torch.ones(1, 8, 9, 9), time=False).total.view.value
    assert view is not None
    assert view.size == (large, large)
    assert weights(block) < weights(Conv2d(8, 8, large))
    # the article's count, for one channel: 3 * 3 * 2 + 1 against 5 * 5 + 1, one bias each
    one = StackedBlock(1, 1, depth, normalize=False)
    assert weights(one) - (depth - 1) == 9 * depth + 1


def test_inception_concatenates_its_branches_in_order() -> None:
    torch.manual_seed(0)
    block = InceptionBlock(6, 2, 3, 4, 1, 2, 3).eval()
    x = torch.randn(1, 6, 9, 7)
    parts = block(x).split([2, 4, 2, 3], dim=1)
    for part, branch in zip(parts, block.children(), strict=True):
        torch.testing.assert_close(part, branch(x))
    view = analyze(block, x, time=False).total.view.value
    assert view is not None
    assert view.size == (5, 5)


def test_reductions_make_inception_cheap() -> None:
    naive = NaiveInceptionBlock(192, 64, 128, 32)
    reduced = InceptionBlock(192, 64, 96, 128, 16, 32, 32)
    assert (naive.out_channels, reduced.out_channels) == (64 + 128 + 32 + 192, 256)
    assert weights(reduced) < weights(naive) / 2


def test_branches_of_another_size_are_refused_by_torch() -> None:
    sides = Branches({"same": nn.Identity(), "halved": nn.MaxPool2d(2)})
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        sides(torch.ones(1, 1, 4, 4))


def test_dense_layers_keep_what_they_are_given() -> None:
    torch.manual_seed(0)
    block = DenseBlock(6, 3, 2).eval()
    x = torch.randn(1, 6, 9, 7)
    y = block(x)
    assert y.shape[1] == block.out_channels == 12
    for index, layer in enumerate(block):
        assert isinstance(layer, DenseLayer)
        x = layer(x)
        assert torch.equal(y[:, : 8 + 2 * index], x)
    assert TransitionBlock(12, 6, ceil_mode=True)(y).shape == (1, 6, 5, 4)


def test_resnext_is_a_bottleneck_with_groups() -> None:
    grouped, plain = ResNeXtBlock(256, 64), BottleneckBlock(256, 64)
    assert grouped.conv2.groups == 32
    assert weights(grouped) == 256 * 128 * 2 + 128 * 128 * 9 // 32 + 2 * (128 + 128 + 256)
    assert abs(weights(grouped) / weights(plain) - 1) < 0.03  # the paper: about the same
    with pytest.raises(ValueError, match="groups"):
        ResNeXtBlock(8, 8, cardinality=5, group_width=3)


def test_one_group_of_64_makes_resnext_the_bottleneck() -> None:
    torch.manual_seed(0)
    one, plain = ResNeXtBlock(16, 8, 2, 1, 64).eval(), BottleneckBlock(16, 8, 2).eval()
    plain.load_state_dict(one.state_dict())
    x = torch.randn(1, 16, 9, 7)
    assert torch.equal(one(x), plain(x))


@pytest.mark.parametrize("elastic", [True, False])
def test_elastic_adds_its_two_paths(elastic: bool) -> None:
    torch.manual_seed(0)
    block = ElasticBlock(8, 4, 8, elastic=elastic).eval()
    for x in (torch.randn(1, 8, 8, 6), torch.randn(1, 8, 9, 7)):
        whole = block(x)
        with torch.no_grad():
            kept = block.low[-1].weight.clone()
            block.low[-1].weight.zero_()
            torch.testing.assert_close(block(x), (block.norm(block.full(x)) + x).relu())
            block.low[-1].weight.copy_(kept)
        assert not torch.equal(whole, (block.norm(block.full(x)) + x).relu())


def test_a_constant_image_is_the_same_at_half_the_size() -> None:
    torch.manual_seed(0)
    elastic = ElasticBlock(8, 4, 8).eval()
    plain = ElasticBlock(8, 4, 8, elastic=False).eval()
    plain.load_state_dict(elastic.state_dict())
    x = torch.ones(1, 8, 11, 13) * torch.randn(8, 1, 1)
    inner = (..., slice(5, 7), slice(5, 7))  # away from the borders, whose zeros differ
    torch.testing.assert_close(elastic(x)[inner], plain(x)[inner])


@pytest.mark.parametrize("depth", [2, 3, 12])
@pytest.mark.parametrize("stride", [1, 2])
def test_big_little_has_its_branches(depth: int, stride: int) -> None:
    block = BigLittleBlock(8, 32, depth, stride, alpha=2, beta=4).eval()
    assert len(block.big) == depth - 1
    assert len(block.little) - 1 == max(1, depth // 4 - 1)
    x = torch.randn(1, 8, 9, 7)
    assert block.big(x).shape == (1, 32, 5, 4)
    assert block.little(x).shape == (1, 32, 9, 7)
    assert block(x).shape == ((1, 32, 9, 7) if stride == 1 else (1, 32, 5, 4))


def test_big_little_refuses_a_single_bottleneck() -> None:
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        BigLittleBlock(8, 32, 1)


def test_conv_unit_keeps_the_size_whatever_its_kernel_and_dilation() -> None:
    x = torch.ones(1, 4, 9, 7)
    for options in ({}, {"dilation": 2}, {"groups": 2}, {"layer": DepthwiseConv2d}):
        for kernel in (1, 3, (1, 7), (5, 3)):
            assert ConvUnit(4, 4, kernel, **options)(x).shape == x.shape
    assert ConvUnit(4, 8, 3, normalize=False).conv.bias is not None
    assert len(ConvUnit(4, 8, 3, activation=None)) == 2


def test_any_block_takes_squeeze_and_excitation_behind_it() -> None:
    block = InceptionBlock(8, 4, 4, 4, 2, 4, 4)
    excited = nn.Sequential(block, SqueezeExcite(block.out_channels, reduction=4))
    x = torch.randn(2, 8, 9, 7)
    excited(x).sum().backward()
    assert all(parameter.grad is not None for parameter in excited.parameters())
