"""`max_pool` and `avg_pool` against their definition, torch and SciPy, and in every corner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scipy.ndimage
import torch
import torch.nn.functional as torch_functional
from hypothesis import given
from hypothesis import strategies as st
from pool_cases import Arguments, innermost, is_innermost, pools, same, values
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from juanji import functional as F
from juanji.ops.octave import OctavePair
from juanji.ops.pool import reference

MAXIMUM = {d: getattr(torch_functional, f"max_pool{d}d") for d in (1, 2, 3)}
AVERAGE = {d: getattr(torch_functional, f"avg_pool{d}d") for d in (1, 2, 3)}


# The definition


@given(pools(), st.sampled_from([0, 0.5, 1]), st.sampled_from([0, 0.3]), st.booleans())
def test_maximum_equals_reference(
    case: tuple[Tensor, Arguments], infinite: float, missing: float, channels_last: bool
) -> None:
    x, arguments = case
    torch.manual_seed(0)
    x[torch.rand(x.shape) < infinite] = float("-inf")
    x[torch.rand(x.shape) < missing] = float("nan")
    expected = reference.max_pool(x, **arguments, return_indices=True)
    x = innermost(x) if channels_last else x
    same(F.max_pool(x, **arguments, return_indices=True), expected)
    same(F.max_pool(x, **arguments), expected[0])


@given(pools(), st.booleans(), st.sampled_from([None, None, 3, -2]))
def test_average_equals_reference(
    case: tuple[Tensor, Arguments], count_include_pad: bool, divisor: int | None
) -> None:
    x, arguments = case
    options = {"count_include_pad": count_include_pad, "divisor_override": divisor}
    expected = reference.avg_pool(x, **arguments, **options)
    torch.testing.assert_close(F.avg_pool(x, **arguments, **options), expected)


def test_reference_of_a_window_that_can_be_checked_by_eye() -> None:
    x = torch.tensor([[[3.0, 1.0, 4.0, 1.0, 5.0]]])
    arguments: Arguments = {"kernel_size": 2, "stride": 3, "padding": ((1, 1),), "dilation": 2}
    # windows: (-1, 1), (2, 4)
    same(reference.max_pool(x, **arguments), torch.tensor([[[1.0, 5.0]]]))
    same(reference.avg_pool(x, **arguments), torch.tensor([[[0.5, 4.5]]]))
    uncounted = reference.avg_pool(x, **arguments, count_include_pad=False)
    same(uncounted, torch.tensor([[[1.0, 4.5]]]))


# Third parties


@given(pools(symmetric=True), st.booleans())
def test_maximum_its_index_and_gradient_equal_torch(
    case: tuple[Tensor, Arguments], missing: bool
) -> None:
    x, arguments = case
    if missing:
        x[x == 3] = float("nan")
        x[x < 0] = float("-inf")
    x.requires_grad_()
    theirs = MAXIMUM[x.ndim - 2](x, **arguments, return_indices=True)
    ours = F.max_pool(x, **arguments, return_indices=True)
    same(ours, theirs)
    same(F.max_pool(x, **arguments), theirs[0])
    direction = torch.arange(1.0, theirs[0].numel() + 1).double().view_as(theirs[0])
    gradients = [torch.autograd.grad(y[0], x, direction) for y in (ours, theirs)]
    same(gradients[0], gradients[1])


@given(pools(symmetric=True, dilated=False), st.booleans(), st.sampled_from([None, 5]))
def test_average_and_its_gradient_equal_torch(
    case: tuple[Tensor, Arguments], count_include_pad: bool, divisor: int | None
) -> None:
    x, arguments = case
    dimensions = x.ndim - 2
    if dimensions == 3 and any(
        k > n for k, n in zip(arguments["kernel_size"], x.shape[2:], strict=True)
    ):
        return  # torch refuses it
    x.requires_grad_()
    options: Arguments = {"count_include_pad": count_include_pad}
    theirs = AVERAGE[dimensions](
        x, **arguments, **options, **({"divisor_override": divisor} if dimensions > 1 else {})
    )
    if dimensions > 1:
        options["divisor_override"] = divisor
    ours = F.avg_pool(x, **arguments, **options)
    same(ours, theirs)
    direction = torch.arange(1.0, theirs.numel() + 1).double().view_as(theirs)
    gradients = [torch.autograd.grad(y, x, direction) for y in (ours, theirs)]
    same(gradients[0], gradients[1])


@pytest.mark.parametrize("kernel", [(3,), (5, 3), (1, 3, 3)])
def test_same_padding_equals_scipy(kernel: tuple[int, ...]) -> None:
    x = values(1, (1, 1, *(6, 7, 8)[: len(kernel)]))
    plane = x[0, 0].numpy()
    highest = scipy.ndimage.maximum_filter(plane, kernel, mode="constant", cval=-99)
    same(F.max_pool(x, kernel, 1, "same")[0, 0], torch.from_numpy(highest))
    average = scipy.ndimage.uniform_filter(plane, kernel, mode="constant")
    ours = F.avg_pool(x, kernel, 1, "same")[0, 0]
    torch.testing.assert_close(ours, torch.from_numpy(average))


@given(pools(ceil=False))
def test_average_is_the_convolution_with_a_constant(case: tuple[Tensor, Arguments]) -> None:
    x, arguments = case
    kernel = arguments.pop("kernel_size")
    weight = torch.ones(3, 1, *kernel, dtype=x.dtype)
    expected = F.conv(x, weight / weight[0].numel(), groups=3, **arguments)
    torch.testing.assert_close(F.avg_pool(x, kernel, **arguments), expected)


@pytest.mark.parametrize("size", [(5,), (3, 4), (2, 3, 2)])
def test_global_pooling_is_one_window(size: tuple[int, ...]) -> None:
    x = values(2, (2, 3, *size))
    adaptive = getattr(torch_functional, f"adaptive_avg_pool{len(size)}d")
    torch.testing.assert_close(F.global_avg_pool(x), adaptive(x, 1))
    torch.testing.assert_close(F.global_avg_pool(x), reference.global_avg_pool(x))
    same(F.global_max_pool(x), reference.global_max_pool(x))
    x[0, 0, ..., 1] = float("nan")
    assert F.global_max_pool(x)[0, 0].isnan().all()


# Extreme values and shapes


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("channels", [3, 35])  # whole vectors of a CPU, and what remains
@pytest.mark.parametrize("size", [(6,), (5, 6), (4, 5, 6)])
@pytest.mark.parametrize("padding", [0, 1, "same", "full"])
def test_a_window_of_negative_infinity_has_its_first_cell(
    size: tuple[int, ...], channels: int, channels_last: bool, padding: Any
) -> None:
    x = torch.full((2, channels, *size), float("-inf"), requires_grad=True)
    x = innermost(x) if channels_last else x
    values, indices = F.max_pool(x, (3,) * len(size), 2, padding, return_indices=True)
    cells = torch.arange(float(x[0, 0].numel())).view(1, 1, *size)
    first = -F.max_pool(-cells, (3,) * len(size), 2, padding)
    same(indices, first.long().expand_as(indices).contiguous())
    assert (values == float("-inf")).all()
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert gradient.sum() == values.numel()  # no output is lost in the padding


def test_nan_comes_out_with_an_index_in_the_window() -> None:
    x = values(3, (1, 1, 6, 7))
    x[0, 0, 2, 3] = float("nan")
    for padding in (1, "same", "full"):
        output, indices = F.max_pool(x, 3, 2, padding, return_indices=True)
        assert output.isnan().any()
        assert (indices[output.isnan()] == 2 * 7 + 3).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.max_pool(x.long(), 2), TypeError, "floating-point, got torch.int64"),
        (lambda x: F.avg_pool(x.long(), 2), TypeError, "floating-point, got torch.int64"),
        (lambda x: F.global_avg_pool(x.long()), TypeError, "floating-point, got torch.int64"),
        (lambda x: F.global_max_pool(x[0, 0]), ValueError, r"\(N, C, \*spatial\).*got \(5, 6\)"),
        (lambda x: F.max_pool(x, 0), ValueError, "kernel must be at least 1 .* got 0"),
        (lambda x: F.max_pool(x, 2.5), TypeError, "kernel_size must be an integer, got 2.5"),
        (lambda x: F.max_pool(x, 2, 0), ValueError, "stride must be at least 1 .* got 0"),
        (lambda x: F.max_pool(x, 2, dilation=-1), ValueError, "dilation must be .* got -1"),
        (lambda x: F.avg_pool(x, 2, dilation=2**62), ValueError, "dilation must .*4611686018"),
        (lambda x: F.max_pool(x, 2, padding=-1), ValueError, "padding must be at least 0"),
        (lambda x: F.max_pool(x, 2, padding=2), ValueError, r"below the 2 cells .*got 2 \+ 2"),
        (lambda x: F.max_pool(x, 2, padding=2**31), ValueError, "padding must .* below 2"),
        (lambda x: F.avg_pool(x, 3, padding=((0, 3), 0)), ValueError, r"got 0 \+ 3"),
        (lambda x: F.max_pool(x, 2, padding="half"), ValueError, "padding must be one of"),
        (lambda x: F.max_pool(x, (2,)), ValueError, r"input must have 3 .*or 2 .*\(2, 3, 5, 6\)"),
        (lambda x: F.max_pool(x, ()), ValueError, "kernel_size must have 1 to 3 values"),
        (lambda x: F.max_pool(x, (2,) * 4), ValueError, "kernel_size must have 1 to 3 values"),
        (lambda x: F.max_pool(x[0, 0], 2), ValueError, "kernel_size must have 1 to 3 values"),
        (lambda x: F.max_pool(x, 2, (1,)), ValueError, "stride must .*one value per axis"),
        (lambda x: F.avg_pool(x, 7), ValueError, "spans 7 cells .* padded input has 5"),
        (lambda x: F.avg_pool(x[..., :0], 1), ValueError, "at least 1 along every axis"),
        (lambda x: F.avg_pool(x, 2, divisor_override=0), ValueError, "divisor_override must not"),
    ],
)
def test_a_bad_argument_is_named(
    call: Callable[[Tensor], Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(values(0, (2, 3, 5, 6)))


@pytest.mark.parametrize("pool", [F.max_pool, F.avg_pool, F.stochastic_pool])
def test_a_window_without_a_cell_is_refused(pool: Callable[..., Tensor]) -> None:
    x = torch.ones(1, 1, 2)
    if pool is not F.stochastic_pool:
        with pytest.raises(ValueError, match="window at -1 steps over all 2 cells"):
            pool(x, 2, 1, ((1, 2),), dilation=3)
    with pytest.raises(ValueError, match="below the 1 cells"):
        pool(x, 1, 1, 1)


CALLS: dict[str, Callable[[Tensor], Any]] = {
    "max": lambda x: F.max_pool(x, 2),
    "max, indices": lambda x: F.max_pool(x, 3, 2, 1, return_indices=True),
    "max, same": lambda x: F.max_pool(x, 3, 2, "same", return_indices=True),
    "max, full, dilated": lambda x: F.max_pool(x, 2, 2, "full", 2),
    "max, ceil": lambda x: F.max_pool(x, 3, 2, 1, 1, True, True),
    "average": lambda x: F.avg_pool(x, 2),
    "average, same": lambda x: F.avg_pool(x, 3, 2, "same", count_include_pad=False),
    "average, dilated": lambda x: F.avg_pool(x, 2, 1, 1, dilation=2),
    "global average": F.global_avg_pool,
    "global maximum": F.global_max_pool,
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
sizes = pytest.mark.parametrize("size", [(6,), (5, 6), (3, 5, 4)])


def as_tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


@calls
@sizes
def test_layouts_give_the_contiguous_answer(
    call: Callable[[Tensor], Any], size: tuple[int, ...]
) -> None:
    x = values(4, (2, 3, *size))
    expected = call(x)
    strided = torch.stack([x, x], dim=-1)[..., 1]
    same(call(strided), expected)
    same(call(innermost(x)), expected)
    assert all(is_innermost(y) for y in as_tuple(call(innermost(x))))
    assert all(y.is_contiguous() for y in as_tuple(expected))
    one = x[:, :1].expand(-1, 4, *size)
    same(call(one), call(one.contiguous()))


@calls
@sizes
@pytest.mark.parametrize("lead", [(0, 3), (2, 0), (0, 0)])
def test_an_empty_batch_and_no_channels(
    call: Callable[[Tensor], Any], size: tuple[int, ...], lead: tuple[int, int]
) -> None:
    x = torch.zeros(*lead, *size, requires_grad=True)
    for y, full in zip(as_tuple(call(x)), as_tuple(call(torch.zeros(1, 1, *size))), strict=True):
        assert y.shape == (*lead, *full.shape[2:])
    as_tuple(call(x))[0].sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


@sizes
def test_a_kernel_with_one_value_per_axis_takes_an_unbatched_input(size: tuple[int, ...]) -> None:
    x = values(5, (3, *size))
    kernel = (2,) * len(size)
    for pool in (F.max_pool, F.avg_pool):
        for padding in (0, "same"):
            same(pool(x, kernel, 1, padding), pool(x[None], kernel, 1, padding)[0])


@calls
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@sizes
def test_half_precision_computes_in_single(
    call: Callable[[Tensor], Any], dtype: torch.dtype, size: tuple[int, ...]
) -> None:
    x = values(6, (2, 3, *size)).to(dtype)
    for y, exact in zip(as_tuple(call(x)), as_tuple(call(x.double())), strict=True):
        assert y.dtype in (dtype, torch.int64)
        torch.testing.assert_close(y, exact.to(y.dtype))


# Derivatives and transformations


@pytest.mark.parametrize("size", [(6,), (4, 5), (3, 4, 3)])
@pytest.mark.parametrize("padding", [1, "same", "full"])
def test_derivatives_of_first_and_second_order(size: tuple[int, ...], padding: Any) -> None:
    cells = 2 * torch.Size(size).numel()
    x = torch.randperm(cells, generator=torch.Generator().manual_seed(0)).double()
    x = x.view(1, 2, *size).requires_grad_()
    kernel = (3,) * len(size)
    for function in (
        lambda x: F.max_pool(x, kernel, 2, padding) ** 2,
        lambda x: F.avg_pool(x, kernel, 2, padding, count_include_pad=False) ** 2,
    ):
        assert gradcheck(function, x, fast_mode=True)
        assert gradgradcheck(function, x, fast_mode=True)


@calls
def test_transformations_of_torch_func(call: Callable[[Tensor], Any]) -> None:
    x = values(7, (4, 2, 3, 6, 5))
    expected = [torch.stack(y) for y in zip(*(as_tuple(call(row)) for row in x), strict=True)]
    same(as_tuple(torch.vmap(call)(x)), tuple(expected))
    x = x[0].requires_grad_()
    gradient = torch.func.grad(lambda x: as_tuple(call(x))[0].square().sum())(x)
    (eager,) = torch.autograd.grad(as_tuple(call(x))[0].square().sum(), x)
    # transforms take another kernel, which sums in another order
    torch.testing.assert_close(gradient, eager, rtol=1e-14, atol=1e-14)


@calls
def test_compiles_in_one_graph(call: Callable[[Tensor], Any]) -> None:
    torch.compiler.reset()
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=True)
    for shape in ((2, 3, 7, 9), (4, 3, 10, 8)):
        x = values(8, shape).requires_grad_()
        ours, theirs = as_tuple(compiled(x)), as_tuple(call(x))
        same(ours, theirs)
        gradients = [torch.autograd.grad(y[0].square().sum(), x) for y in (ours, theirs)]
        torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"max, ceil"}))
def test_exports_with_open_sizes(name: str) -> None:
    call = CALLS[name]

    class Model(torch.nn.Module):
        def forward(self, x: Tensor) -> Any:
            return call(x)

    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(Model(), (values(9, (3, 2, 8, 9)),), dynamic_shapes=(sizes,))
    for shape in ((2, 2, 7, 10), (5, 2, 12, 12)):
        x = values(10, shape)
        torch.testing.assert_close(program.module()(x), call(x))


def test_octave_pairs_and_graphs_of_torch_fx_pass() -> None:
    pair = OctavePair(values(11, (1, 3, 8, 12)), values(12, (1, 1, 4, 6)))
    for call in (
        lambda x: F.max_pool(x, 2),
        lambda x: F.avg_pool(x, 3, padding="same"),
        lambda x: F.stochastic_pool(x, 2, training=False),
    ):
        pooled = call(pair.map(torch.abs))  # a window slides over each half
        same((pooled.high, pooled.low), (call(pair.high.abs()), call(pair.low.abs())))
    whole = F.max_pool(pair, (6, 8))  # one that spans all of the low half, over the merged map
    same(whole, F.max_pool(pair.merge(), (6, 8)))

    class Model(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool(x, 2)

    graph = torch.fx.symbolic_trace(Model()).graph
    assert [node.target for node in graph.nodes if node.op == "call_function"] == [F.max_pool]


def test_sizes_of_padding_modes() -> None:
    x = values(13, (1, 1, 9))
    assert F.max_pool(x, 4, 1, "full").shape[-1] == 9 + 4 - 1
    assert F.max_pool(x, 4, 2, "same").shape[-1] == 5
    assert F.avg_pool(x, 4, 1, "same", dilation=2).shape[-1] == 9
    assert F.avg_pool(x, 2, ceil_mode=True).shape[-1] == 5
    assert F.max_pool(x, 3, padding="valid").shape[-1] == 3
