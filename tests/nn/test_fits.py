"""from_conv: exact where the weight has the form, else the nearest; numpy's SVD is the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.testing import assert_close

from juanji import nn as variants
from juanji.nn import fit_error

TORCH = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 4)}
SIZES = {1: (9,), 2: (7, 8), 3: (5, 7, 9)}
GEOMETRY = {
    1: {"stride": 2, "padding": 1, "dilation": 2},
    2: {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
    3: {"stride": (1, 2, 1), "padding": (0, 1, 2), "dilation": (2, 1, 1)},
}

# name, in and out channels, keywords of the layer, keywords of from_conv, dimensions
LAYERS: list[tuple[str, int, int, dict[str, Any], dict[str, Any], tuple[int, ...]]] = [
    ("DepthwiseConv", 4, 8, {}, {}, (1, 2, 3)),
    ("DepthwiseSeparableConv", 5, 7, {}, {}, (1, 2, 3)),
    ("DepthwiseSeparableConv", 5, 7, {"multiplier": 2}, {"multiplier": 2}, (1, 2, 3)),
    ("SpatiallySeparableConv", 6, 8, {"rank": 5}, {"rank": 5}, (2, 3)),
    ("SpatiallySeparableConv", 6, 8, {}, {}, (2, 3)),
    ("SpatiallySeparableConv", 6, 8, {"rank": 4, "groups": 2}, {"rank": 4}, (2, 3)),
    ("FlattenedConv", 6, 8, {}, {}, (1, 2, 3)),
    ("FlattenedConv", 6, 8, {"groups": 2}, {}, (1, 2, 3)),
    ("ShuffledGroupConv", 6, 12, {"groups": 3}, {"groups": 3}, (1, 2, 3)),
    ("InterleavedGroupConv", 6, 6, {"primary_groups": 2}, {"primary_groups": 2}, (1, 2, 3)),
    (
        "InterleavedGroupConv", 9, 12,
        {"primary_groups": 3, "secondary_groups": 2}, {"primary_groups": 3, "secondary_groups": 2},
        (1, 2, 3),
    ),
]  # fmt: skip
CASES = [(*entry[:5], d) for entry in LAYERS for d in entry[5]]


def label(case: Any) -> str:
    return f"{case[0]}{case[5]}d-{'-'.join(case[3])}"


def layer_class(case: Any) -> Any:
    return getattr(variants, f"{case[0]}{case[5]}d")


def conv(in_channels: int, out_channels: int, dimensions: int, **keywords: Any) -> Any:
    return TORCH[dimensions](
        in_channels, out_channels, KERNELS[dimensions], dtype=torch.float64, **keywords
    )


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def dense_of(ordinary: Any) -> Tensor:
    weight, groups = ordinary.weight.detach(), ordinary.groups
    rows, columns = len(weight) // groups, weight.shape[1]
    dense = weight.new_zeros(len(weight), columns * groups, *weight.shape[2:])
    for o in range(len(weight)):
        dense[o, o // rows * columns : (o // rows + 1) * columns] = weight[o]
    return dense


def groups_of(case: Any) -> int:
    """Groups of the ordinary convolution: only some layers keep them."""
    keeps = case[0] in ("SpatiallySeparableConv", "FlattenedConv")
    return case[3].get("groups", 1) if keeps else 1


@pytest.mark.parametrize("case", CASES, ids=label)
@pytest.mark.parametrize("bias", [True, False])
def test_a_weight_of_the_form_is_recovered(case: Any, bias: bool) -> None:
    _, in_channels, out_channels, keywords, fitting, dimensions = case
    geometry, groups = GEOMETRY[dimensions] | {"bias": bias}, groups_of(case)
    source = layer_class(case)(
        in_channels, out_channels, KERNELS[dimensions],
        **geometry, **keywords, dtype=torch.float64,
    )  # fmt: skip
    ordinary = conv(in_channels, out_channels, dimensions, groups=groups, **geometry).eval()
    with torch.no_grad():
        rows = source.dense_weight().chunk(groups, dim=0)
        ordinary.weight.copy_(
            torch.cat([row.chunk(groups, dim=1)[g] for g, row in enumerate(rows)])
        )
        if bias:
            ordinary.bias.copy_(source.dense_bias())
    layer = layer_class(case).from_conv(ordinary, **fitting)
    assert fit_error(ordinary, layer) < 1e-12
    x = torch.randn(2, in_channels, *SIZES[dimensions], dtype=torch.float64)
    assert_close(layer(x), ordinary(x), rtol=1e-10, atol=1e-10)
    assert not layer.training
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        name: p.shape for name, p in source.named_parameters()
    }


@pytest.mark.parametrize("case", CASES, ids=label)
def test_no_random_candidate_is_nearer(case: Any) -> None:
    """Each candidate at its best scale a: min over a of ||W - a D|| is by projection."""
    _, in_channels, out_channels, keywords, fitting, dimensions = case
    ordinary = conv(in_channels, out_channels, dimensions, groups=groups_of(case))
    layer = layer_class(case).from_conv(ordinary, **fitting)
    error = fit_error(ordinary, layer)
    assert 0 < error < 1
    candidate = layer_class(case)(
        in_channels, out_channels, KERNELS[dimensions], **keywords, dtype=torch.float64
    )
    weight = dense_of(ordinary)
    for _ in range(20):
        candidate.reset_parameters()
        dense = candidate.dense_weight().detach()
        scale = (weight * dense).sum() / dense.square().sum()
        assert error < float((weight - scale * dense).norm() / weight.norm())


# the tensor train of three passes is near the best, not the best: see its own test
BEST = [case for case in CASES if (case[0], case[5]) != ("SpatiallySeparableConv", 3)]


@pytest.mark.parametrize("case", BEST, ids=label)
def test_no_small_step_comes_nearer(case: Any) -> None:
    """The gradient of the error vanishes; it is about 0.1 at the weights of a random layer."""
    _, in_channels, out_channels, _, fitting, dimensions = case
    ordinary = conv(in_channels, out_channels, dimensions, groups=groups_of(case))
    layer = layer_class(case).from_conv(ordinary, **fitting)
    loss = (layer.dense_weight() - dense_of(ordinary)).square().sum()
    parameters = [p for name, p in layer.named_parameters() if name != "bias"]
    for gradient in torch.autograd.grad(loss, parameters):
        assert gradient.abs().max() < 1e-4


def tail(matrix: Tensor, rank: int) -> float:
    """Least squared error of any matrix of this rank (Eckart and Young), by numpy."""
    values = np.linalg.svd(matrix.numpy(), compute_uv=False)
    return float(np.square(values[rank:]).sum())


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_depthwise_separable_error_is_the_least(multiplier: int) -> None:
    ordinary = conv(5, 7, 2)
    layer = variants.DepthwiseSeparableConv2d.from_conv(ordinary, multiplier=multiplier)
    weight = ordinary.weight.detach()
    least = sum(tail(weight[:, c].flatten(1), multiplier) for c in range(5))
    expected = (least / float(weight.square().sum())) ** 0.5
    assert fit_error(ordinary, layer) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("groups", [1, 2])
def test_spatially_separable_error_is_the_least(order: tuple[int, int], groups: int) -> None:
    ordinary = conv(6, 8, 2, groups=groups)
    layer = variants.SpatiallySeparableConv2d.from_conv(ordinary, rank=4, order=order)
    assert layer.order == order
    least = 0.0
    for block in ordinary.weight.detach().chunk(groups):
        # (C_in, k of the first pass) x (k of the second, C_out)
        matrix = block.permute(1, order[0] + 2, order[1] + 2, 0).flatten(2).flatten(0, 1)
        least += tail(matrix, 4 // groups)
    expected = (least / float(ordinary.weight.detach().square().sum())) ** 0.5
    assert fit_error(ordinary, layer) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_tensor_train_error_is_within_its_bound(order: tuple[int, int, int]) -> None:
    """Between the worst cut, which no train beats, and the root of the sum over both cuts."""
    ordinary = conv(6, 8, 3)
    layer = variants.SpatiallySeparableConv3d.from_conv(ordinary, rank=(5, 6), order=order)
    assert layer.rank == (5, 6)
    weight = ordinary.weight.detach().permute(1, *(axis + 2 for axis in order), 0)
    cuts = [
        tail(weight.flatten(2).flatten(0, 1), 5),
        tail(weight.flatten(3).flatten(0, 2), 6),
    ]
    square = (fit_error(ordinary, layer) * float(weight.norm())) ** 2
    assert max(cuts) * (1 - 1e-10) <= square <= sum(cuts) * (1 + 1e-10)


def test_interleaved_error_is_the_least() -> None:
    """By blocks of (secondary partition of the output) x (primary partition of the input)."""
    L, M, ordinary = 3, 2, conv(9, 12, 2)
    layer = variants.InterleavedGroupConv2d.from_conv(
        ordinary, primary_groups=L, secondary_groups=M
    )
    weight = ordinary.weight.detach()
    # output channel j was row (index, l) = (j % 4, j // 4) of 4 x 3 before the permutation back
    partition = [(j % 4 * L + j // 4) // 6 for j in range(12)]
    least = 0.0
    for m in range(M):
        rows = weight[[j for j in range(12) if partition[j] == m]]
        least += sum(tail(block.flatten(1), 12 // (L * M)) for block in rows.chunk(L, dim=1))
    expected = (least / float(weight.square().sum())) ** 0.5
    assert fit_error(ordinary, layer) == pytest.approx(expected, rel=1e-10)


def test_flattened_error_in_1d_is_the_least() -> None:
    ordinary = conv(5, 7, 1)
    layer = variants.FlattenedConv1d.from_conv(ordinary)
    weight = ordinary.weight.detach()
    expected = (sum(tail(w, 1) for w in weight) / float(weight.square().sum())) ** 0.5
    assert fit_error(ordinary, layer) == pytest.approx(expected, rel=1e-8)


def test_flattened_is_deterministic_and_takes_zeros() -> None:
    ordinary = conv(5, 7, 2)
    with torch.no_grad():
        ordinary.weight[3] = 0
    first, second = (variants.FlattenedConv2d.from_conv(ordinary) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.isfinite().all()
    assert not first.dense_weight()[3].any()
    # the channel can still learn: its lateral filter is zero, those behind it are not
    first.dense_weight()[3].sum().backward()
    assert first.lateral_weight.grad[3].any()


FULL: dict[str, tuple[Callable[[Any], Any], dict[int, Any], tuple[int, ...]]] = {
    "depthwise separable": (
        lambda c: getattr(variants, f"DepthwiseSeparableConv{c.weight.ndim - 2}d").from_conv(
            c, multiplier=1000
        ),
        {1: 3, 2: 6, 3: 8},
        (1, 2, 3),
    ),
    "spatially separable": (
        lambda c: getattr(variants, f"SpatiallySeparableConv{c.weight.ndim - 2}d").from_conv(
            c, rank=1000
        ),
        {2: (15,), 3: (10, 30)},
        (2, 3),
    ),
}


@pytest.mark.parametrize(
    ("name", "dimensions"), [(name, d) for name, case in FULL.items() for d in case[2]]
)
def test_more_than_full_rank_is_full_rank_and_exact(name: str, dimensions: int) -> None:
    fit, ranks, _ = FULL[name]
    ordinary = conv(5, 8, dimensions)
    layer = fit(ordinary)
    rank = layer.rank if name.startswith("spatially") else layer.multiplier
    assert rank == ranks[dimensions]
    assert fit_error(ordinary, layer) < 1e-12


def test_a_rank_is_not_above_what_the_rank_before_it_lets_through() -> None:
    layer = variants.SpatiallySeparableConv3d.from_conv(conv(5, 8, 3), rank=(2, 1000))
    assert layer.rank == (2, 2 * 3)


def test_factors_share_the_scale() -> None:
    """Equal norms on both sides of every channel between two weights: training goes on evenly."""
    flattened = variants.FlattenedConv2d.from_conv(conv(5, 7, 2))
    lateral, *kernels = (p.detach().flatten(1).norm(dim=1) for p in flattened.weights())
    for norm in kernels:
        assert_close(norm, lateral)
    first, second = (
        p.detach() for p in variants.SpatiallySeparableConv2d.from_conv(conv(5, 7, 2)).weights()
    )
    assert_close(vector_norm(first, dim=(1, 2, 3)), vector_norm(second, dim=(0, 2, 3)))
    first, second = (
        p.detach() for p in variants.DepthwiseSeparableConv2d.from_conv(conv(5, 7, 2)).weights()
    )
    assert_close(vector_norm(first, dim=(1, 2, 3)), vector_norm(second, dim=(0, 2, 3)))


def test_default_rank_is_the_output_channels_or_full() -> None:
    assert variants.SpatiallySeparableConv2d.from_conv(nn.Conv2d(16, 8, 3)).rank == (8,)
    assert variants.SpatiallySeparableConv2d.from_conv(nn.Conv2d(1, 8, 3)).rank == (3,)
    depthwise = nn.Conv2d(8, 8, 3, groups=8)
    assert variants.SpatiallySeparableConv2d.from_conv(depthwise).rank == (8,)


def test_shuffled_keeps_each_output_channels_own_weights() -> None:
    ordinary = conv(6, 12, 2).requires_grad_(False)
    layer = variants.ShuffledGroupConv2d.from_conv(ordinary, groups=3).requires_grad_(False)
    dense = layer.dense_weight()
    for j in range(12):
        seen = [c for c in range(6) if dense[j, c].any()]
        assert seen == [2 * (j % 3), 2 * (j % 3) + 1]
        assert torch.equal(dense[j, seen], ordinary.weight[j, seen])
    x = torch.zeros(1, 6, 4, 4, dtype=torch.float64)
    assert torch.equal(layer(x), ordinary(x))  # the biases
    kept = ordinary.weight.square().sum() - dense.square().sum()
    expected = float((kept / ordinary.weight.square().sum()).sqrt())
    assert fit_error(ordinary, layer) == pytest.approx(expected, rel=1e-12)


def test_depthwise_keeps_the_diagonal_and_depthwise_layers_whole() -> None:
    ordinary = conv(3, 6, 2)
    layer = variants.DepthwiseConv2d.from_conv(ordinary)
    assert layer.multiplier == 2
    for j in range(6):
        assert torch.equal(layer.weight[j, 0], ordinary.weight[j, j // 2])
    depthwise = conv(3, 6, 2, groups=3)
    again = variants.DepthwiseConv2d.from_conv(depthwise, groups=3)
    assert fit_error(depthwise, again) == 0.0
    partly = conv(4, 8, 2, groups=2)
    apart = variants.DepthwiseConv2d.from_conv(partly)
    assert torch.equal(apart.weight[5, 0], partly.weight[5, 0])  # channel 2: first of group 1
    assert torch.equal(apart.weight[6, 0], partly.weight[6, 1])


@pytest.mark.parametrize("case", [case for case in CASES if case[5] == 2], ids=label)
def test_padding_modes_and_dtype_are_taken_over(case: Any) -> None:
    """The fit is made in float64 and rounded once."""
    _, in_channels, out_channels, _, fitting, _ = case
    ordinary = variants.Conv2d(
        in_channels, out_channels, 3, stride=2, padding="same", groups=groups_of(case)
    )
    exact = fit_error(ordinary.double(), layer_class(case).from_conv(ordinary, **fitting))
    layer = layer_class(case).from_conv(ordinary.bfloat16(), **fitting)
    assert {parameter.dtype for parameter in layer.parameters()} == {torch.bfloat16}
    assert fit_error(ordinary, layer) == pytest.approx(exact, rel=1e-2)
    assert layer(torch.randn(2, in_channels, 7, 8).bfloat16()).shape == (2, out_channels, 4, 4)


def test_fit_error_of_convolutions() -> None:
    ordinary = conv(4, 8, 2)
    grouped = variants.Conv2d.from_conv(ordinary, groups=2)
    weight = ordinary.weight.detach()
    lost = torch.cat([weight[:4, 2:], weight[4:, :2]])
    assert fit_error(ordinary, grouped) == pytest.approx(float(lost.norm() / weight.norm()))
    assert fit_error(ordinary, ordinary) == 0.0
    assert fit_error(grouped, ordinary) > 0.5
    nothing = nn.Conv2d(4, 8, (3, 2))
    nn.init.zeros_(nothing.weight)
    assert fit_error(nothing, nothing) == 0.0
    assert fit_error(nothing, ordinary) == float("inf")
    with pytest.raises(ValueError, match=r"of shape \(4, 4, 3, 2\), got \(8, 4, 3, 2\)"):
        fit_error(nn.Conv2d(4, 4, (3, 2)), ordinary)
    with pytest.raises(TypeError, match="must be a convolution"):
        fit_error(ordinary, nn.ReLU())
