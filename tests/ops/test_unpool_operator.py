"""`max_unpool` and `avg_unpool` against their definition, torch, and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from hypothesis import given
from hypothesis import strategies as st
from pool_cases import Arguments, innermost, is_innermost, pools, same, values
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from juanji import functional as F
from juanji.ops.pool import reference

MAX_UNPOOL = {d: getattr(torch_functional, f"max_unpool{d}d") for d in (1, 2, 3)}

windows = pools(dilated=False)


def without_ceil_mode(arguments: Arguments) -> Arguments:
    """Unpooling infers it from the output size."""
    return {name: value for name, value in arguments.items() if name != "ceil_mode"}


@given(windows)
def test_maxima_go_back_to_where_they_were(case: tuple[Tensor, Arguments]) -> None:
    x, arguments = case
    x = x + 5  # above zero, so that a maximum shows among what was not written
    pooled, indices = F.max_pool(x, **arguments, return_indices=True)
    options = without_ceil_mode(arguments) | {"output_size": x.shape}
    restored = F.max_unpool(pooled, indices, **options)
    same(restored, reference.max_unpool(pooled, indices, **options))
    kept = torch.zeros_like(x).flatten(2).scatter(-1, indices.flatten(2), 1).view_as(x)
    same(restored, x * kept)
    same(F.max_pool(restored, **arguments), pooled)


@given(windows, st.integers(0, 99))
def test_any_indices_and_their_duplicates_equal_reference(
    case: tuple[Tensor, Arguments], seed: int
) -> None:
    x, arguments = case
    pooled = F.max_pool(x, **arguments)
    options = without_ceil_mode(arguments) | {"output_size": x.shape[2:]}
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(0, x[0, 0].numel(), pooled.shape, generator=generator)
    restored = F.max_unpool(pooled, indices, **options)
    same(restored, reference.max_unpool(pooled, indices, **options))
    same(F.max_unpool(innermost(pooled), innermost(indices), **options), restored)


@given(windows, st.booleans())
def test_averages_equal_reference(case: tuple[Tensor, Arguments], given_size: bool) -> None:
    x, arguments = case
    pooled = F.avg_pool(x, **arguments)
    options = without_ceil_mode(arguments)
    if given_size or options["padding"] == "same":
        options["output_size"] = x.shape
    spread = F.avg_unpool(pooled, **options)
    torch.testing.assert_close(spread, reference.avg_unpool(pooled, **options))


@pytest.mark.parametrize("size", [(7,), (6, 7), (4, 5, 6)])
@pytest.mark.parametrize("output_size", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
def test_values_and_gradient_equal_torch(
    size: tuple[int, ...], output_size: bool, padding: int
) -> None:
    dimensions = len(size)
    x = torch.randperm(2 * 3 * torch.Size(size).numel()).double().view(2, 3, *size)
    pooled, indices = F.max_pool(x, (2,) * dimensions, 2, padding, return_indices=True)
    if not output_size:  # other cells, each of them once
        indices = torch.arange(indices[0, 0].numel()).view(indices.shape[2:]).expand_as(indices)
    pooled.requires_grad_()
    wanted = size if output_size else None
    ours = F.max_unpool(pooled, indices, 2, 2, padding, wanted)
    theirs = MAX_UNPOOL[dimensions](pooled, indices.contiguous(), 2, 2, padding, wanted)
    same(ours, theirs)
    direction = torch.arange(1.0, ours.numel() + 1).double().view_as(ours)
    gradients = [torch.autograd.grad(y, pooled, direction) for y in (ours, theirs)]
    same(gradients[0], gradients[1])


# Laws


@pytest.mark.parametrize("kernel", [(2,), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("gap", [0, 1])
def test_average_pooling_undoes_unpooling_without_overlap(
    kernel: tuple[int, ...], gap: int
) -> None:
    x = values(0, (2, 3, *(3,) * len(kernel)))
    stride = [k + gap for k in kernel]
    spread = F.avg_unpool(x, kernel, stride)
    torch.testing.assert_close(F.avg_pool(spread, kernel, stride), x)
    if gap == 0:  # every value is copied to its whole window
        nearest = x
        for axis, factor in enumerate(kernel, start=2):
            nearest = nearest.repeat_interleave(factor, axis)
        same(spread, nearest)
    padded = F.avg_unpool(x, kernel, stride, [k - 1 for k in kernel])
    pooled = F.avg_pool(padded, kernel, stride, [k - 1 for k in kernel], count_include_pad=False)
    torch.testing.assert_close(pooled, x)


@pytest.mark.parametrize("padding", [0, 1, "full", ((1, 0), (0, 2))])
def test_average_unpooling_keeps_constants(padding: Any) -> None:
    spread = F.avg_unpool(torch.full((1, 2, 4, 5), 3.0), 3, 2, padding)
    torch.testing.assert_close(spread, torch.full_like(spread, 3))


def test_unpooling_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0]]])
    same(F.avg_unpool(x, 3, 2), torch.tensor([[[1.0, 1.0, 2.0, 3.0, 3.0]]]))
    same(F.avg_unpool(x, 2, 3), torch.tensor([[[1.0, 1.0, 0.0, 3.0, 3.0]]]))
    same(F.avg_unpool(x, 2, output_size=[3]), torch.tensor([[[1.0, 1.0, 3.0]]]))
    same(F.avg_unpool(x, 2, output_size=(1, 1, 5)), torch.tensor([[[1.0, 1.0, 3.0, 3.0, 0.0]]]))
    indices = torch.tensor([[[3, 0]]])
    same(F.max_unpool(x, indices, 2), torch.tensor([[[3.0, 0.0, 0.0, 1.0]]]))


def test_the_last_of_duplicates_is_written_and_has_the_gradient() -> None:
    x = torch.tensor([[[5.0, 2.0, 1.0], [1.0, 2.0, 3.0]]], requires_grad=True)
    indices = torch.tensor([[[2, 2, 0], [1, 1, 1]]])
    restored = F.max_unpool(x, indices, 2, 1)
    same(restored, torch.tensor([[[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0]]]))
    (gradient,) = torch.autograd.grad(restored.sum(), x)
    same(gradient, torch.tensor([[[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]]))


def test_nan_and_infinity_pass_and_stay_alone() -> None:
    x = torch.tensor([[[float("nan"), float("inf"), 1.0]]], requires_grad=True)
    restored = F.max_unpool(x, torch.tensor([[[4, 0, 0]]]), 2)
    same(restored, torch.tensor([[[1.0, 0.0, 0.0, 0.0, float("nan"), 0.0]]]))
    (gradient,) = torch.autograd.grad(restored.sum(), x)
    same(gradient, torch.tensor([[[1.0, 0.0, 1.0]]]))


# What is refused


@pytest.mark.parametrize(
    "index", [-1, 16, 2**31, 2**32, 2**32 + 3, -(2**32) + 3, 2**63 - 1, -(2**63)]
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_an_index_outside_is_refused_on_64_bits(index: int, channels_last: bool) -> None:
    x, indices = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2, dtype=torch.int64)
    indices[1, 2, 1, 0] = index
    if channels_last:
        x, indices = innermost(x), innermost(indices)
    message = rf"at least 0 and below 16, the cells of output size \[4, 4\], got {index}$"
    with pytest.raises(IndexError, match=message):
        F.max_unpool(x, indices, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, i: F.max_unpool(x.long(), i, 2), TypeError, r"floating-point, got torch\.int64"),
        (lambda x, i: F.avg_unpool(x.long(), 2), TypeError, r"floating-point, got torch\.int64"),
        (lambda x, i: F.max_unpool(x, i.int(), 2), TypeError, r"indices must be int64, got torch"),
        (
            lambda x, i: F.max_unpool(x, i.to("meta"), 2),
            TypeError,
            "device of input, cpu, got meta",
        ),
        (
            lambda x, i: F.max_unpool(x, i[:1], 2),
            ValueError,
            r"shape of input, \(2, 3, 4, 5\), got",
        ),
        (lambda x, i: F.avg_unpool(x, 0), ValueError, "kernel must be at least 1"),
        (lambda x, i: F.avg_unpool(x, 2, -1), ValueError, "stride must be at least 1"),
        (lambda x, i: F.avg_unpool(x, 2, 1, 2), ValueError, r"below the 2 cells .*got 2 \+ 2"),
        (lambda x, i: F.avg_unpool(x[..., :1], 2, 1, 1), ValueError, "leaves 0 output cells"),
        (lambda x, i: F.avg_unpool(x, 2, 2**31 - 1), ValueError, "output size must be below"),
        (lambda x, i: F.avg_unpool(x, 2, 2, "same"), ValueError, '"same" needs output_size'),
        (lambda x, i: F.avg_unpool(x[..., :0], 2), ValueError, "at least one cell"),
        (lambda x, i: F.avg_unpool(x, 2, output_size=(8,)), ValueError, "per spatial axis .*2"),
        (
            lambda x, i: F.avg_unpool(x, 2, output_size=(8, 12)),
            ValueError,
            "5 cells; 12 pools to 6",
        ),
        (lambda x, i: F.avg_unpool(x, 2, output_size=(8, 8)), ValueError, "5 cells; 8 pools to 4"),
        (lambda x, i: F.avg_unpool(x, 2, output_size=(8, 0)), ValueError, "at least 1, got 0"),
        (lambda x, i: F.avg_unpool(x, 2, output_size=(8, 9.5)), TypeError, "integers, got 9.5"),
    ],
)
def test_a_bad_argument_is_named(
    call: Callable[[Tensor, Tensor], Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(torch.ones(2, 3, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.int64))


# Corners and transformations


@pytest.mark.parametrize("size", [(4,), (3, 4), (2, 3, 4)])
def test_layouts_batches_and_precisions(size: tuple[int, ...]) -> None:
    kernel = (2,) * len(size)
    x = values(1, (2, 3, *size))
    indices = values(2, tuple(x.shape)).abs().long()
    expected = F.max_unpool(x, indices, kernel), F.avg_unpool(x, kernel, 1)
    for lay in (innermost, lambda y: torch.stack([y, y], dim=-1)[..., 0]):
        same(
            (F.max_unpool(lay(x), lay(indices), kernel), F.avg_unpool(lay(x), kernel, 1)), expected
        )
    outputs = F.max_unpool(innermost(x), innermost(indices), kernel), F.avg_unpool(innermost(x), 2)
    assert all(is_innermost(y) for y in outputs)
    single = F.max_unpool(x[0], indices[0], kernel), F.avg_unpool(x[0], kernel, 1)
    same(single, (expected[0][0], expected[1][0]))
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        lower = F.max_unpool(x.to(dtype), indices, kernel), F.avg_unpool(x.to(dtype), kernel, 1)
        torch.testing.assert_close(lower, tuple(y.to(dtype) for y in expected))
    for lead in ((0, 3), (2, 0)):
        empty = torch.zeros(*lead, *size, requires_grad=True)
        twice = tuple(2 * n for n in size)
        assert F.max_unpool(empty, empty.long(), kernel).shape == (*lead, *twice)
        spread = F.avg_unpool(empty, kernel)
        assert spread.shape == (*lead, *twice)
        spread.sum().backward()


def test_the_number_of_threads_changes_nothing() -> None:
    x = torch.rand(2, 16, 40, 40)
    indices = torch.randint(0, 50, x.shape)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = F.max_unpool(x, indices, 2)
        torch.set_num_threads(3)
        same(F.max_unpool(x, indices, 2), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("size", [(4,), (3, 2), (2, 3, 2)])
def test_derivatives_of_first_and_second_order(size: tuple[int, ...]) -> None:
    kernel = (3,) * len(size)
    x = values(3, (2, 2, *size)).requires_grad_()
    indices = values(4, tuple(x.shape)).abs().long()
    for function in (
        lambda x: F.max_unpool(x, indices, kernel, 2) ** 2,
        lambda x: F.avg_unpool(x, kernel, 2, 1) ** 2,
    ):
        assert gradcheck(function, x)
        assert gradgradcheck(function, x)


def test_average_unpooling_under_vmap_and_maximum_refused() -> None:
    x = values(5, (4, 2, 3, 5))
    spread = torch.vmap(lambda row: F.avg_unpool(row, (3,), 2))(x)
    same(spread, torch.stack([F.avg_unpool(row, (3,), 2) for row in x]))
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        torch.vmap(lambda row: F.max_unpool(row, row.long(), (3,), 2))(x.abs())


def around(x: Tensor) -> Tensor:
    pooled, indices = F.max_pool(x, 2, return_indices=True)
    restored = F.max_unpool(pooled, indices, 2, output_size=x.shape)
    return restored + F.avg_unpool(pooled, 2, output_size=x.shape)


def test_compiles_in_one_graph_that_asserts_the_indices() -> None:
    torch.compiler.reset()
    compiled = torch.compile(around, fullgraph=True, backend="aot_eager", dynamic=True)
    for shape in ((2, 3, 7, 9), (4, 3, 9, 11)):
        x = values(6, shape).requires_grad_()
        outputs = compiled(x), around(x)
        torch.testing.assert_close(*outputs)
        gradients = [torch.autograd.grad(y.square().sum(), x) for y in outputs]
        torch.testing.assert_close(*gradients)
    unpool = torch.compile(F.max_unpool, fullgraph=True, backend="aot_eager")
    x, indices = torch.ones(1, 1, 4), torch.arange(4).view(1, 1, 4)
    same(unpool(x, indices, 2), F.max_unpool(x, indices, 2))
    with pytest.raises(RuntimeError, match="indices must be at least 0"):
        unpool(x, indices - 1, 2)


def test_exports_with_open_sizes() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pooled, indices = F.max_pool(x, 3, 2, 1, return_indices=True)
            return F.max_unpool(pooled, indices, 4, 2, 1) + F.avg_unpool(pooled, 4, 2, 1)

    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(Model(), (values(7, (3, 2, 8, 10)),), dynamic_shapes=(sizes,))
    x = values(8, (2, 2, 12, 16))
    torch.testing.assert_close(program.module()(x), Model()(x))
