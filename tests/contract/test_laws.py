"""Laws of the operators, each on every case that it concerns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from scipy import stats
from torch import Tensor

from contract import assert_equal, cases, outputs
from juanji import functional as F
from juanji import nn
from juanji.bind import bind
from juanji.catalog import Case, Operator, tensors
from juanji.relation import receptive_field
from juanji.spec import Conv, windows

SIZES = {1: (9,), 2: (7, 10), 3: (5, 6, 7)}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}
DIMENSIONS = pytest.mark.parametrize("dimensions", [1, 2, 3])


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@cases()
def test_linear_operators_are_linear(operator: Operator, case: Case) -> None:
    for group in operator.linear:
        names = [name for name in group if name in case.arguments]
        if not names:  # an optional argument, which this case leaves out
            continue
        first, second = tensors(case, seed=0), tensors(case, seed=1)
        fixed = {name: x for name, x in first.items() if name not in group and name != "bias"}
        a, b = 0.75, -1.5

        def apply(tensors: dict[str, Any], fixed: dict[str, Any] = fixed) -> list[Tensor]:
            return outputs(operator.call, fixed | tensors, case)

        mixed = {name: a * first[name] + b * second[name] for name in names}
        ones = apply({name: first[name] for name in names})
        others = apply({name: second[name] for name in names})
        expected = [a * y + b * z for y, z in zip(ones, others, strict=True)]
        assert_equal(apply(mixed), expected)


def shift(x: Tensor, by: int) -> Tensor:
    """Move every cell by `by` along every axis, zeros coming in."""
    sides = [by, -by] * (x.ndim - 2)
    return torch_functional.pad(x, sides)


@DIMENSIONS
def test_what_slides_is_shift_equivariant(dimensions: int) -> None:
    """Away from the border, and where every operator sees its own zeros."""
    kernel = KERNELS[dimensions]
    weight = randn(6, 2, *kernel)
    depthwise, pointwise = randn(8, 1, *kernel), randn(6, 8, *(1,) * dimensions)
    primary, secondary = randn(4, 2, *kernel), randn(4, 2, *(1,) * dimensions)
    transposed = randn(4, 2, *kernel)
    operators = {
        "conv": lambda x: F.conv(x, weight, groups=2),
        "flip": lambda x: F.conv(x, weight, groups=2, flip=True),
        "transposed": lambda x: F.conv_transpose(x, transposed, groups=2),
        "separable": lambda x: F.depthwise_separable_conv(x, depthwise, pointwise),
        "shuffled": lambda x: F.shuffled_group_conv(x, weight, groups=2),
        "interleaved": lambda x: F.interleaved_group_conv(
            x, primary, secondary, primary_groups=2, secondary_groups=2
        ),
        "average": lambda x: F.avg_pool(x, kernel, 1),
        "maximum": lambda x: F.max_pool(x, kernel, 1),
        "stochastic mean": lambda x: F.stochastic_pool(x.abs(), kernel, 1, training=False),
    }
    inner = randn(2, 4, *(3,) * dimensions)
    x = torch_functional.pad(inner, [5, 5] * dimensions)
    for name, operator in operators.items():
        assert operator(x).count_nonzero(), name
        assert_equal([operator(shift(x, 2))], [shift(operator(x), 2)])


@DIMENSIONS
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_transposed_is_the_adjoint(dimensions: int, stride: int, dilation: int) -> None:
    kernel, size = KERNELS[dimensions], SIZES[dimensions]
    for padding in (0, ((1, 0),) * dimensions, ((0, 1),) * dimensions):
        weight = randn(6, 2, *kernel)
        x = randn(2, 4, *size)
        y = F.conv(x, weight, None, stride, padding, dilation, groups=2)
        back = F.conv_transpose(randn(*y.shape), weight, None, stride, padding, 0, 2, dilation)
        extra = [n - m for n, m in zip(size, back.shape[2:], strict=True)]
        if any(e >= max(stride, dilation) for e in extra):
            continue
        z = randn(*y.shape)
        back = F.conv_transpose(z, weight, None, stride, padding, extra, 2, dilation)
        torch.testing.assert_close((y * z).sum(), (x * back).sum())


@DIMENSIONS
def test_the_matrix_is_the_operator_and_its_transpose_the_adjoint(dimensions: int) -> None:
    kernel, size = KERNELS[dimensions], SIZES[dimensions]
    weight, x = randn(6, 2, *kernel), randn(1, 4, *size)
    arguments: dict[str, Any] = {"stride": 2, "padding": ((1, 0),) * dimensions, "groups": 2}
    matrix = F.conv_matrix(weight, size, **arguments).to_dense()
    y = F.conv(x, weight, **arguments)
    assert_equal([matrix @ x.flatten()], [y.flatten()])
    extra = [
        n - m for n, m in zip(size, F.conv_transpose(y, weight, **arguments).shape[2:], strict=True)
    ]
    back = F.conv_transpose(y, weight, output_padding=extra, **arguments)
    assert_equal([matrix.T @ y.flatten()], [back.flatten()])


@DIMENSIONS
def test_deformable_with_still_offsets_is_the_convolution(dimensions: int) -> None:
    kernel, size = KERNELS[dimensions], SIZES[dimensions]
    weight, bias, x = randn(6, 2, *kernel), randn(6), randn(2, 4, *size)
    arguments: dict[str, Any] = {"stride": 2, "padding": ((1, 0),) * dimensions}
    expected = F.conv(x, weight, bias, groups=2, **arguments)
    still = torch.zeros(2, dimensions * math.prod(kernel), *expected.shape[2:], dtype=x.dtype)
    assert_equal([F.deform_conv(x, still, weight, bias, **arguments)], [expected])
    moved = F.conv(shift(x, -1), weight, bias, groups=2, **arguments)
    inside = (slice(None), slice(None), *(slice(1, -1) for _ in size))
    found = F.deform_conv(x, still + 1, weight, bias, **arguments)
    assert_equal([found[inside]], [moved[inside]])


@DIMENSIONS
def test_average_unpooling_undoes_and_max_unpooling_keeps_the_maxima(dimensions: int) -> None:
    kernel = KERNELS[dimensions]
    x = randn(2, 3, *(3 * k for k in kernel))
    pooled, indices = F.max_pool(x, kernel, return_indices=True)
    spread = F.max_unpool(pooled, indices, kernel)
    assert (spread.eq(x) | spread.eq(0)).all()
    assert int(spread.ne(0).sum()) == pooled.numel()
    # <unpool(y), x> = <y, x at the indices>: unpooling is the adjoint of reading
    y = randn(*pooled.shape)
    read = x.flatten(2).gather(2, indices.flatten(2)).reshape(pooled.shape)
    torch.testing.assert_close((F.max_unpool(y, indices, kernel) * x).sum(), (y * read).sum())
    assert_equal([F.avg_pool(F.avg_unpool(y, kernel), kernel)], [y])
    ones = torch.ones(1, 1, *(4,) * dimensions, dtype=torch.float64)
    assert_equal(
        [F.avg_unpool(ones, kernel, 1)],
        [torch.ones(1, 1, *(3 + k for k in kernel), dtype=torch.float64)],
    )


@DIMENSIONS
def test_full_convolution_is_commutative(dimensions: int) -> None:
    a, b = randn(1, 1, *SIZES[dimensions]), randn(1, 1, *KERNELS[dimensions])
    flip = F.conv(a, b, padding="full", flip=True)
    reach = [n - 1 for n in a.shape[2:]]
    assert_equal([flip], [F.conv(b, a, padding=reach, flip=True)])
    # and without flip up to a flip of the result
    axes = list(range(2, a.ndim))
    assert_equal([F.conv(a, b, padding="full")], [F.conv(b, a, padding=reach).flip(axes)])


def test_separable_is_its_outer_product() -> None:
    x, column, row = randn(2, 1, 7, 8), randn(3), randn(2)
    kernel = torch.outer(column, row).reshape(1, 1, 3, 2)
    passes = [column.reshape(1, 1, 3, 1), row.reshape(1, 1, 1, 2)]
    for padding in (0, 1, "same", "full"):
        expected = F.conv(x, kernel, padding=padding)
        assert_equal([F.spatially_separable_conv(x, passes, padding=padding)], [expected])
        lateral = torch.ones(1, 1, 1, 1, dtype=x.dtype)
        assert_equal([F.flattened_conv(x, lateral, passes, padding=padding)], [expected])


@DIMENSIONS
def test_dilated_is_the_kernel_with_zeros_between(dimensions: int) -> None:
    kernel = KERNELS[dimensions]
    dilation = (3, 2, 4)[:dimensions]
    weight, x = randn(2, 3, *kernel), randn(2, 3, *(12,) * dimensions)
    wide = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    stuffed = torch.zeros(2, 3, *wide, dtype=x.dtype)
    index: Any = (..., *(slice(None, None, d) for d in dilation))
    stuffed[index] = weight
    for padding in ("valid", "same", "full"):
        expected = F.conv(x, stuffed, padding=padding)
        assert_equal([F.conv(x, weight, padding=padding, dilation=dilation)], [expected])


@DIMENSIONS
def test_one_group_is_dense_and_groups_are_blocks(dimensions: int) -> None:
    kernel = KERNELS[dimensions]
    x, weight = randn(2, 4, *SIZES[dimensions]), randn(6, 4, *kernel)
    assert F.conv(x, weight, groups=1).equal(F.conv(x, weight))
    assert F.shuffled_group_conv(x, weight, groups=1).equal(F.conv(x, weight))
    blocks = randn(6, 2, *kernel)
    halves = [F.conv(x[:, :2], blocks[:3]), F.conv(x[:, 2:], blocks[3:])]
    assert_equal([F.conv(x, blocks, groups=2)], [torch.cat(halves, 1)])


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
def test_shuffle_then_its_inverse_is_the_identity(groups: int) -> None:
    x = randn(2, 12, 3, 2)
    shuffled = F.channel_shuffle(x, groups)
    assert F.channel_shuffle(shuffled, 12 // groups).equal(x)
    assert shuffled.equal(x) == (groups in (1, 12))


def test_stochastic_frequencies_follow_the_values() -> None:
    """Chi-square over 4000 draws for windows of 2 x 3 in every place, at 1 in 1000."""
    values = torch.tensor([[1.0, 5.0, 2.0], [0.0, 0.5, 3.0]]).double().repeat(40, 100)
    _, indices = F.stochastic_pool(
        values[None, None], (2, 3), generator=torch.Generator().manual_seed(7), return_indices=True
    )
    columns = values.shape[1]
    within = (indices // columns % 2) * 3 + indices % columns % 3
    counts = torch.bincount(within.flatten(), minlength=6)
    assert counts[3] == 0  # a zero is never drawn
    weights = values[:2, :3].flatten()
    expected = weights / weights.sum() * counts.sum()
    keep = weights > 0
    assert stats.chisquare(counts[keep].numpy(), expected[keep].numpy()).pvalue > 1e-3


def test_stochastic_mean_is_exact() -> None:
    x = torch.rand(2, 3, 6, 8, dtype=torch.float64)
    blocks = x.unfold(2, 2, 2).unfold(3, 4, 4).flatten(-2)
    expected = (blocks**2).sum(-1) / blocks.sum(-1)
    assert_equal([F.stochastic_pool(x, (2, 4), training=False)], [expected])
    zero = torch.zeros(1, 1, 4)
    for training in (False, True):
        y, indices = F.stochastic_pool(zero, 2, training=training, return_indices=True)
        assert y.equal(torch.zeros(1, 1, 2))
        assert indices.tolist() == [[[0, 2]]]


def test_stochastic_pooling_is_reproducible_compiled_too() -> None:
    x = torch.rand(2, 3, 9, 8)

    def draw(graph: Any) -> Tensor:
        torch.manual_seed(3)
        y: Tensor = graph(x, 2)
        return y

    eager = draw(F.stochastic_pool)
    assert eager.equal(draw(F.stochastic_pool))
    torch._dynamo.reset()
    compiled = torch.compile(F.stochastic_pool, fullgraph=True, backend="eager")
    assert eager.equal(draw(compiled))


@DIMENSIONS
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("downsample", ["pool", "stride"])
def test_alpha_0_is_the_ordinary_layer_bit_for_bit(
    dimensions: int, stride: int, downsample: str
) -> None:
    conv = getattr(nn, f"Conv{dimensions}d")(4, 6, 3, stride, 1, groups=2)
    layer = getattr(nn, f"OctaveConv{dimensions}d").from_conv(
        conv, alpha_in=0, alpha_out=0, downsample=downsample
    )
    results = []
    for module in (conv, layer):
        torch.manual_seed(0)
        x = torch.randn(2, 4, *SIZES[dimensions], requires_grad=True)
        y = module(x)
        y.square().sum().backward()
        results.append([y, x.grad, module.weight.grad, module.bias.grad])
    assert all(a.equal(b) for a, b in zip(*results, strict=True))


@DIMENSIONS
def test_the_parts_of_a_frequency_split_add_up(dimensions: int) -> None:
    x = randn(2, 3, *SIZES[dimensions])
    high, low = F.frequency_split(x)
    assert_equal([high + low], [x])
    # the low part has no detail left, the high part no mean in any whole block
    assert_equal([F.frequency_split(low)[1]], [low])
    assert_equal([F.frequency_split(low)[0]], [torch.zeros_like(low)])
    means = F.avg_pool(high, 2)
    assert_equal([means], [torch.zeros_like(means)])
    assert_equal([F.octave_merge(F.octave_split(x, 1))], [low])


def test_two_3x3_see_5x5_for_fewer_weights() -> None:
    three = Conv(windows((3, 3)), 1, 1)
    assert receptive_field([three, three]) == receptive_field([Conv(windows((5, 5)), 1, 1)])
    assert bind(three, bind(three, (9, 9)).output_size).output_size == (5, 5)
    layers = [torch.nn.Conv2d(1, 1, 3, bias=False), torch.nn.Conv2d(1, 1, 3)]
    assert sum(p.numel() for layer in layers for p in layer.parameters()) == 3 * 3 * 2 + 1
    assert sum(p.numel() for p in torch.nn.Conv2d(1, 1, 5).parameters()) == 5 * 5 + 1
