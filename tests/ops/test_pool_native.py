"""The native kernels of pooling: against the composition and the definition, in every layout."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from pool_cases import Arguments, innermost, pools, same, values
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import juanji
from juanji import functional as F
from juanji.ops.native import native_status, vector_lanes
from juanji.ops.pool import composed, native, reference
from juanji.ops.pool.arguments import bind_pool, bind_unpool

pytestmark = pytest.mark.skipif(native_status().isa is None, reason=str(native_status()))


def transposed(x: Tensor) -> Tensor:
    """Axes in reverse order in memory, every second value of it."""
    wide = x.permute(*reversed(range(x.ndim))).repeat_interleave(2, dim=-1)
    return wide[..., ::2].permute(*reversed(range(x.ndim)))


def expanded(x: Tensor) -> Tensor:
    """One channel for all."""
    return x[:, :1].expand_as(x)


def sliced(x: Tensor) -> Tensor:
    """A part of a larger tensor with channels innermost."""
    wide = torch.nn.functional.pad(x, (1, 2) * (x.ndim - 2))
    inner = (..., *(slice(1, -2),) * (x.ndim - 2))
    return innermost(wide)[inner]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "innermost": innermost,
    "transposed": transposed,
    "expanded": expanded,
    "sliced": sliced,
}
layouts = st.sampled_from(sorted(LAYOUTS))


@st.composite
def large(draw: st.DrawFn) -> tuple[Tensor, Arguments]:
    """Maps that fill vectors and leave a rest, windows of every kind."""
    axes = draw(st.integers(1, 3))
    most = ((70,), (20, 60), (9, 9, 50))[axes - 1]  # rows long and short
    size = [draw(st.integers(1, longest)) for longest in most]
    kernel = [draw(st.integers(1, (9, 5, 3)[axes - 1])) for _ in range(axes)]
    stride = [draw(st.integers(1, 6 if axes == 1 else 3)) for _ in range(axes)]
    dilation = [draw(st.sampled_from([1, 1, 2, 3])) for _ in range(axes)]
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple((draw(st.integers(0, r)), draw(st.integers(0, r))) for r in reach)
    shape = (draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 5, 8, 19])), *size)
    arguments: Arguments = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
    }
    x = values(draw(st.integers(0, 2**16)), shape)
    try:
        bind_pool(x, **arguments)
    except ValueError:
        assume(False)
    return x, arguments


cases = pools() | large()


def leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


def numbered(y: Tensor) -> Tensor:
    """A direction laid out as y, with whole numbers so small that sums stay exact."""
    return torch.empty_like(y).copy_((torch.arange(y.numel()) % 13 - 6).view(y.shape))


def compare(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], x: Tensor, exact: bool
) -> None:
    """Compare values and gradients; with float64 and whole numbers these are exact."""
    found = []
    for call, start in ((ours, leaf(x)), (theirs, leaf(x.contiguous()))):
        y = call(start)
        for direction in (numbered(y), numbered(y)[..., :1].expand_as(y), innermost(numbered(y))):
            found.append((y.detach(), *torch.autograd.grad(y, start, direction, retain_graph=True)))
    for one, other in zip(found[:3], found[3:], strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0 if exact else 1e-14, atol=0 if exact else 1e-14)


@given(cases, layouts, st.sampled_from([0, 0.5, 1]), st.sampled_from([0, 0.2]))
def test_maximum_index_and_gradient_are_those_of_the_composition(
    case: tuple[Tensor, Arguments], layout: str, infinite: float, missing: float
) -> None:
    x, arguments = case
    torch.manual_seed(0)
    x[torch.rand(x.shape) < infinite] = float("-inf")
    x[torch.rand(x.shape) < missing] = float("nan")
    x = LAYOUTS[layout](x)
    bound = bind_pool(x, **arguments)
    expected = composed.max_pool_with_indices(x.contiguous(), bound)
    same(native.max_pool_with_indices(x, bound), expected)
    same(native.max_pool(x, bound), expected[0])
    x = x.nan_to_num()
    compare(
        lambda x: native.max_pool(x, bound), lambda x: composed.max_pool(x, bound), x, exact=True
    )


@given(cases, layouts, st.booleans(), st.sampled_from([None, None, 4, -8]))
def test_average_and_its_gradient_are_those_of_the_composition(
    case: tuple[Tensor, Arguments], layout: str, count_include_pad: bool, divisor: int | None
) -> None:
    x, arguments = case
    x = LAYOUTS[layout](x)
    bound = bind_pool(x, **arguments)
    options = (bound, count_include_pad, divisor)
    compare(
        lambda x: native.avg_pool(x, *options),
        lambda x: composed.avg_pool(x, *options),
        x,
        exact=divisor is not None,
    )


@given(large(), layouts)
def test_unpooling_and_its_gradient_are_those_of_the_composition(
    case: tuple[Tensor, Arguments], layout: str
) -> None:
    x, arguments = case
    window = {key: arguments[key] for key in ("kernel_size", "stride", "padding")}
    window["padding"] = tuple((min(low, k - 1), min(high, k - 1)) for (low, high), k in zip(
        window["padding"], window["kernel_size"], strict=True
    ))  # fmt: skip
    try:
        bound = bind_unpool(x, **window, output_size=None)
    except ValueError:
        assume(False)
    x = LAYOUTS[layout](x)
    compare(
        lambda x: native.avg_unpool(x, bound),
        lambda x: composed.avg_unpool(x, bound),
        x,
        exact=False,
    )
    cells = prod(axis.fine for axis in bound.axes)
    torch.manual_seed(1)
    for among in (cells, max(cells // 7, 1)):  # with few cells, many are written twice
        indices = LAYOUTS[layout](torch.randint(among, x.shape))
        compare(
            lambda x, indices=indices: native.max_unpool(x, indices, bound),
            lambda x, indices=indices: composed.max_unpool(x, indices, bound),
            x,
            exact=True,
        )


@given(large(), layouts, st.sampled_from([torch.float32, torch.float64]))
def test_drawing_is_that_of_the_definition(
    case: tuple[Tensor, Arguments], layout: str, dtype: torch.dtype
) -> None:
    x, arguments = case
    x = LAYOUTS[layout](x.relu().to(dtype))[:, :3]
    arguments = {key: arguments[key] for key in ("kernel_size", "stride", "padding")}
    try:
        bound = bind_pool(x, **arguments)
    except ValueError:
        assume(False)
    generator = torch.Generator().manual_seed(2)
    found = native.stochastic_pool_with_indices(x, bound, generator)
    same(native.stochastic_pool(x, bound, generator.manual_seed(2)), found[0])
    seed = int(torch.randint(2**63 - 1, (), generator=generator.manual_seed(2)))
    random = reference.uniforms(seed, found[0].shape, dtype)
    assume(random.numel() < 2000)  # the definition is slow
    expected = reference.stochastic_pool(
        x.contiguous(), **arguments, return_indices=True, random=random
    )
    same(found, expected)


@pytest.mark.parametrize("layout", ["contiguous", "innermost"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_are_the_rounded_answer(layout: str, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    x = LAYOUTS[layout](torch.randn(2, 19, 13, 21).to(dtype))
    for call in (
        lambda x: F.max_pool(x, 3, 2, 1),
        lambda x: F.avg_pool(x, 3, 2, 1),
        lambda x: F.avg_pool(x, 5),
        lambda x: F.avg_unpool(x, 3, 2),
        lambda x: F.stochastic_pool(x.abs(), 3, 2, training=False),
    ):
        narrow, wide = leaf(x), leaf(x.double())
        ys = call(narrow), call(wide)
        assert ys[0].dtype == dtype
        torch.testing.assert_close(ys[0], ys[1].to(dtype))
        gradients = [
            torch.autograd.grad(y, z, numbered(y)) for y, z in zip(ys, (narrow, wide), strict=True)
        ]
        torch.testing.assert_close(gradients[0][0], gradients[1][0].to(dtype))


CALLS: dict[str, Callable[[Tensor], Any]] = {
    "maximum": lambda x: F.max_pool(x, 3, 2, 1),
    "maximum, indices": lambda x: F.max_pool(x, 3, 2, 1, return_indices=True),
    "average": lambda x: F.avg_pool(x, 3, 2, 1, dilation=2, count_include_pad=False),
    "drawn": lambda x: F.stochastic_pool(x, 2, generator=torch.Generator().manual_seed(4)),
    "average, unpooled": lambda x: F.avg_unpool(x, 3, (3, 2)),
    "maximum, unpooled": lambda x: F.max_unpool(
        x, torch.arange(x.numel()).view(x.shape) * 7 % 40, 3, 2
    ),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
both = pytest.mark.parametrize("layout", ["contiguous", "innermost"])


def results(call: Callable[[Tensor], Any], x: Tensor) -> list[Tensor]:
    """Outputs, those of a call that records no gradient, and the gradient."""
    plain, y = call(x), call(x := leaf(x))
    ys, plains = ([*y], [*plain]) if isinstance(y, tuple) else ([y], [plain])
    return [*ys, *plains, *torch.autograd.grad(ys[0], x, numbered(ys[0]))]


def some(layout: str) -> Tensor:
    torch.manual_seed(5)
    return LAYOUTS[layout](torch.rand(3, 33, 30, 41) + 0.1)


@pytest.fixture
def _poisoned() -> Iterator[None]:
    """Memory that torch has not initialized reads as NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@calls
@both
@pytest.mark.usefixtures("_poisoned")
def test_every_cell_of_every_result_is_written(call: Callable[[Tensor], Any], layout: str) -> None:
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()
    assert all(y.isfinite().all() for y in results(call, some(layout)))


@calls
@both
def test_threads_change_no_bit(call: Callable[[Tensor], Any], layout: str) -> None:
    x, before, found = some(layout), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 8):
            torch.set_num_threads(threads)
            found.append(results(call, x))
    finally:
        torch.set_num_threads(before)
    same(found[0], found[1])
    same(found[0], found[2])


@both
def test_calls_from_several_threads_at_once(layout: str) -> None:
    x = some(layout)
    expected = [results(call, x) for call in CALLS.values()]
    start = threading.Barrier(4)

    def work(_: int) -> list[list[Tensor]]:
        start.wait()
        return [results(call, x) for call in CALLS.values()]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, range(4)):
            same(found, expected)


@both
@calls
def test_the_layout_is_that_of_the_input(call: Callable[[Tensor], Any], layout: str) -> None:
    for y in results(call, some(layout)):
        wanted = torch.channels_last if layout == "innermost" else torch.contiguous_format
        assert y.is_contiguous(memory_format=wanted), y.stride()


@pytest.mark.parametrize("shape", [(0, 3, 5, 6), (2, 0, 5, 6)])
def test_nothing_in_nothing_out(shape: tuple[int, ...]) -> None:
    x = torch.empty(shape)
    for call in (CALLS["maximum, indices"], CALLS["average"], CALLS["drawn"]):
        *ys, gradient = results(call, x)
        assert {y.shape[:2] for y in ys} == {shape[:2]}
        assert gradient.shape == shape


@pytest.mark.parametrize("size", [(6,), (4, 5), (3, 4, 3)])
@both
def test_derivatives_of_first_and_second_order(size: tuple[int, ...], layout: str) -> None:
    torch.manual_seed(6)
    distinct = torch.randperm(4 * prod(size)).double().view(2, 2, *size) / 7
    x = leaf(LAYOUTS[layout](distinct))
    kernel = (2,) * len(size)
    indices = F.max_pool(x, kernel, 1, return_indices=True)[1]
    for function in (
        lambda x: F.max_pool(x, kernel, 1, "same") ** 2,
        lambda x: F.avg_pool(x, kernel, 1, "same", count_include_pad=False) ** 2,
        lambda x: F.avg_unpool(x, kernel, 1) ** 2,
        lambda x: F.max_unpool(F.max_pool(x, kernel, 1), indices, kernel, 1) ** 2,
    ):
        assert gradcheck(function, x)
        assert gradgradcheck(function, x)


WINDOW = (3, 2, 2, 1, 1, 0, 1, 2, 0, 1)  # kernel, stride, padding, dilation, high padding
POOL, UNPOOL = [3, 4, *WINDOW], [5, 6, *WINDOW]
DENSE = (*WINDOW[:6], 1, 1, 0, 0)


def registered() -> dict[str, Callable[[Tensor, Tensor], tuple[Any, ...]]]:
    """Arguments of every operator, from maps of (2, 3, 5, 6) and, pooled, of (2, 3, 3, 4)."""
    taps = torch.arange(72, dtype=torch.uint8).view(2, 3, 3, 4) % 2 + 2
    indices = torch.arange(72).view(2, 3, 3, 4) * 5 % 30
    return {
        "max_pool": lambda x, y: (x, POOL),
        "max_pool_with_taps": lambda x, y: (x, POOL),
        "stochastic_pool": lambda x, y: (x, torch.tensor(7), [3, 5, *DENSE]),
        "stochastic_pool_with_taps": lambda x, y: (x, torch.tensor(7), [3, 5, *DENSE]),
        "place_taps": lambda x, y: (y, taps, UNPOOL),
        "take_taps": lambda x, y: (x, taps, POOL),
        "tap_indices": lambda x, y: (taps, UNPOOL),
        "avg_pool": lambda x, y: (x, POOL, False, None),
        "avg_pool_gradient": lambda x, y: (y, UNPOOL, False, None),
        "avg_unpool": lambda x, y: (y, [5, 6, *DENSE]),
        "avg_unpool_gradient": lambda x, y: (x, [3, 4, *DENSE]),
        "max_unpool": lambda x, y: (y, indices, [5, 6]),
        "max_unpool_gradient": lambda x, y: (x, indices),
    }


@pytest.mark.parametrize("name", registered())
@both
def test_opcheck(name: str, layout: str) -> None:
    torch.manual_seed(8)
    x, y = (leaf(LAYOUTS[layout](torch.rand(2, 3, *size))) for size in ((5, 6), (3, 4)))
    torch.library.opcheck(getattr(torch.ops.juanji, name).default, registered()[name](x, y))


def test_what_does_not_fit_is_refused_by_the_operators_themselves() -> None:
    x, y, operators = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 3, 4), torch.ops.juanji
    wide = torch.rand(1, 1, 300, 300)
    taps = torch.zeros(2, 3, 3, 4, dtype=torch.uint8)
    indices = torch.zeros(2, 3, 3, 4, dtype=torch.int64)
    for call, message in (
        (
            lambda: operators.max_pool(x, POOL[1:]),
            "4 to 6 numbers for each of 2 axes, got 11",
        ),
        (lambda: operators.max_pool(x, [3, 4, 0, *WINDOW[1:]]), "kernel, stride"),
        (lambda: operators.max_pool(x, [3, 4, 2**40, *WINDOW[1:]]), "below 2"),
        (lambda: operators.max_pool(wide, [1, 1, 300, 300, *WINDOW[2:]]), "window is too large"),
        (lambda: operators.max_pool_with_taps(x, [3, 4, 17, 16, *WINDOW[2:]]), "at most 256"),
        (lambda: operators.max_pool(x.int(), POOL), "dtype must be float32"),
        (lambda: operators.max_pool(x[0, 0], POOL), r"shape \(N, C"),
        (lambda: operators.avg_pool(x, [*POOL[:-1], -1], True, None), "high padding"),
        (lambda: operators.avg_unpool(y, UNPOOL), "no dilation"),
        (lambda: operators.place_taps(y, taps[:1], UNPOOL), "taps must have the shape"),
        (lambda: operators.place_taps(y, indices, UNPOOL), "taps must be uint8"),
        (lambda: operators.take_taps(x, taps + 255, POOL), "taps must lie in the input"),
        (lambda: operators.max_unpool(y, indices[:1], [5, 6]), "indices must have the shape"),
        (lambda: operators.max_unpool(y, indices - 1, [5, 6]), "indices must be at least 0"),
        (lambda: operators.max_unpool(y, indices + 30, [5, 6]), "indices must be at least 0"),
        (lambda: operators.max_unpool_gradient(x, indices + 2**40), "indices must be at least 0"),
        (lambda: operators.stochastic_pool(-x, torch.tensor(1), [3, 5, *DENSE]), "at least 0"),
        (lambda: operators.stochastic_pool(x, torch.rand(1), [3, 5, *DENSE]), "seed must be"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()


def test_a_value_that_no_window_holds_is_checked_too() -> None:
    for layout in LAYOUTS.values():
        for cell in ((3, 3), (6, 0), (0, 2), (6, 6)):
            x = torch.ones(1, 2, 7, 7)
            x[(0, 0, *cell)] = -1
            with pytest.raises(ValueError, match=r"got -1\.0"):
                F.stochastic_pool(layout(x), 2, 3)


def test_what_is_declined_and_why() -> None:
    x = torch.rand(1, 2, 40, 40)
    assert "native: taken" in juanji.why(F.max_pool, x, 17, 1)
    assert "the window has more than 256 cells" in juanji.why(F.max_pool, leaf(x), 17)
    for pool in (F.max_pool, F.avg_pool, F.avg_unpool):
        assert "native: taken" in juanji.why(pool, torch.rand(1, 2, 40, 5), 5)
    assert "native: taken" in juanji.why(F.stochastic_pool, x, 17)
    for special in (
        juanji.why(F.stochastic_pool, x, 17, return_indices=True),
        juanji.why(F.stochastic_pool, leaf(x), 17),
    ):
        assert "the window has more than 256 cells" in special
    wide = torch.rand(1, 1, 200, 200)
    assert "the window is too large" in juanji.why(F.avg_pool, wide, 200)
    assert "the dtype is torch.float16" in juanji.why(F.avg_pool, x.half(), 2)
    line = torch.rand(1, 2, 40)
    assert "torch takes the maximum along lines" in juanji.why(F.max_pool, line, 3)
    for taken in (line.bfloat16(), leaf(line)):
        assert "native: taken" in juanji.why(F.max_pool, taken, 3)
    assert "native: taken" in juanji.why(F.max_pool, line, 2)
    torch.testing.assert_close(F.avg_pool(wide, 200), wide.mean((2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("pool", "axes", "channels", "gradient", "torchs"),
    [
        (F.avg_pool, 1, 3, False, True),
        (F.avg_pool, 2, 3, True, True),
        (F.avg_pool, 2, 12, False, True),
        (F.avg_pool, 3, 3, False, True),
        (F.avg_pool, 3, 12, False, False),
        (F.avg_pool, 2, 16, False, False),
        (F.max_pool, 1, 3, False, True),
        (F.max_pool, 1, 3, True, False),
        (F.max_pool, 1, 16, False, False),
        (F.max_pool, 2, 3, False, False),
        (F.max_pool, 2, 12, False, True),
        (F.max_pool, 3, 12, True, False),
        (F.max_pool, 3, 12, False, False),
        (F.max_pool, 3, 16, True, False),
    ],
)
def test_channels_side_by_side_that_fill_no_vector_are_left_to_torch(
    pool: Any, axes: int, channels: int, gradient: bool, torchs: bool
) -> None:
    x = torch.rand(1, *(6,) * axes, channels).movedim(-1, 1)
    torchs &= channels < vector_lanes()
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        told = juanji.why(pool, x.to(dtype).detach().requires_grad_(gradient), 2)
        declined = f"{channels} channels side by side fill no vector" in told
        assert declined == (torchs and dtype != torch.bfloat16)
        assert ("native: taken" in told) != declined


def test_the_largest_windows_are_taken_whole() -> None:
    x = values(9, (1, 9, 400))
    for arguments in ((1500, 1, 1499), (2, 1, 200, 250), (300, 7, 150), (31, 90, 30)):
        bound = bind_pool(x, *arguments)
        for ours, theirs in (
            (native.max_pool(x, bound), composed.max_pool(x, bound)),
            (native.avg_pool(x, bound, True, 1), composed.avg_pool(x, bound, True, 1)),
        ):
            same(ours, theirs)


@pytest.mark.parametrize("last", [False, True])
def test_one_repeated_index_among_others_has_one_gradient(last: bool) -> None:
    x = torch.randn(2, 3, 8, 40)
    values, indices = F.max_pool(x, 2, return_indices=True)
    indices[1, 2, 3, 7] = indices[1, 2, 0, 0]  # a later output takes the cell of the first
    grad = torch.randn(x.shape)
    if last:
        grad = grad.to(memory_format=torch.channels_last)
    values.requires_grad_()
    F.max_unpool(values, indices, 2, output_size=x.shape[2:]).backward(grad)
    expected = grad.flatten(2).gather(2, indices.flatten(2)).view(values.shape)
    expected[1, 2, 0, 0] = 0
    assert torch.equal(values.grad, expected)


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "innermost"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "dilation"),
    [
        ((1, 2, 40011), 5, 2, 2, 1),
        ((1, 1, 150, 131), 5, 3, 2, 1),
        ((1, 1, 3, 5000), (2, 3), (1, 2), 0, (1, 7)),
        ((9, 2, 200, 190), 3, 2, 1, 1),
        ((1, 1, 17, 33, 31), 3, 2, 1, 1),
        ((2, 5, 5, 47, 41), 2, (3, 1, 1), 0, 1),
        ((2, 70, 20, 18), 5, (1, 2), 2, 1),
        ((1, 2, 8193), 3, 4, 0, 1),  # no window reaches the last band
        ((1, 1, 3, 4097), (3, 2), 3, 0, 1),
        ((9, 70, 7, 5), 3, 2, 1, 1),  # many planes in a run
        ((3, 300, 7, 7), 7, 7, 0, 1),
        ((2, 5, 3, 600), (3, 2), (1, 3), 1, 1),
        ((2, 67, 3, 4, 5), 2, 2, 1, 1),
    ],
)
def test_a_gradient_put_together_of_bands_is_that_of_torch(
    layout: str,
    dtype: torch.dtype,
    shape: tuple[int, ...],
    kernel: Any,
    stride: Any,
    padding: int,
    dilation: Any,
) -> None:
    axes = len(shape) - 2
    x = leaf(LAYOUTS[layout](torch.randperm(prod(shape)).reshape(shape).remainder(251).to(dtype)))
    y = F.max_pool(x, kernel, stride, padding, dilation)
    grad = LAYOUTS[layout](torch.randint(-4, 5, y.shape).to(dtype))  # sums are exact
    expected = getattr(torch.nn.functional, f"max_pool{axes}d")(
        x, kernel, stride, padding, dilation
    )
    for got, wanted in zip(
        torch.autograd.grad(y, x, grad), torch.autograd.grad(expected, x, grad), strict=True
    ):
        assert got.equal(wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    ("size", "window", "options"),
    [
        ((150, 57), (3, 2, 1), {}),  # blocks of rows
        ((11, 58), (3, 2, 1), {"count_include_pad": False}),
        ((12, 61), ((5, 3), (3, 1), (2, 1)), {"ceil_mode": True, "count_include_pad": False}),
        ((9, 70), ((2, 7), (1, 2), (1, 3)), {"divisor_override": 3}),
        ((20, 64), ((3, 3), (4, 1), 0), {}),  # rows that no window reaches
        ((5, 14, 60), (3, 2, 1), {}),
        ((3, 8, 67), ((2, 4, 3), (1, 3, 2), (1, 2, 0)), {"count_include_pad": False}),
    ],
)
def test_averages_of_overlapping_windows_are_given_back_as_torch_does(
    size: tuple[int, ...], window: tuple[Any, ...], options: dict[str, Any], dtype: torch.dtype
) -> None:
    x = torch.zeros(2, 3, *size, dtype=torch.float64, requires_grad=True)
    pooled = (torch.nn.functional.avg_pool2d, torch.nn.functional.avg_pool3d)[len(size) - 2]
    output = pooled(x, *window, **options)
    upstream = torch.randn(output.shape).to(dtype)
    (wanted,) = torch.autograd.grad(output, x, upstream.double())
    ours = torch.zeros(2, 3, *size, dtype=dtype, requires_grad=True)
    told = juanji.why(F.avg_pool, ours, *window, **options)
    (given,) = torch.autograd.grad(F.avg_pool(ours, *window, **options), ours, upstream)
    assert "native: taken" in told
    close = {torch.float32: 1e-6, torch.float64: 1e-14, torch.bfloat16: 2**-8}[dtype]
    torch.testing.assert_close(given.double(), wanted, rtol=close, atol=close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("innermost", [False, True])
def test_values_without_order_in_memory_are_placed_like_others(
    innermost: bool, dtype: torch.dtype
) -> None:
    shape = (3, 5, 4, 21)
    taps = torch.randint(15, shape, dtype=torch.uint8)
    if innermost:
        taps = taps.contiguous(memory_format=torch.channels_last)
    numbers = (11, 45, 3, 5, 2, 2, 0, 0)  # the size, the kernel, the strides, the padding
    one = torch.tensor(3.0, dtype=dtype)
    some = torch.randint(-4, 5, (3, 10, 8, 42)).to(dtype)
    for upstream in (one.expand(shape), some[:, ::2, ::2, ::2], some[:, :5, ::2, :21]):
        dense = upstream.clone(memory_format=torch.contiguous_format)
        if innermost:
            dense = dense.contiguous(memory_format=torch.channels_last)
        got = torch.ops.juanji.place_taps(upstream, taps, numbers)
        assert got.equal(torch.ops.juanji.place_taps(dense, taps, numbers))


@pytest.mark.parametrize("innermost", [False, True])
def test_what_is_no_tap_leads_nowhere(innermost: bool) -> None:
    upstream = torch.arange(1.0, 13.0).view(1, 3, 2, 2)
    taps = torch.full((1, 3, 2, 2), 14, dtype=torch.uint8)  # those of 2 x 7 cells are 0 to 13
    taps[0, 1, 0, 0] = 0
    taps[0, 2, 1, 1] = 255
    if innermost:
        upstream, taps = (x.contiguous(memory_format=torch.channels_last) for x in (upstream, taps))
    placed = torch.ops.juanji.place_taps(upstream, taps, (5, 4, 2, 7, 3, 1, 0, 0))
    expected = torch.zeros(1, 3, 5, 4)
    expected[0, 1, 0, 0] = 5
    assert placed.equal(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_taps_may_be_further_apart_than_32_bits_count(channels: int) -> None:
    upstream = torch.arange(1.0, 1.0 + 8 * channels).view(1, channels, 2, 4)
    taps = torch.zeros(1, channels, 2, 4, dtype=torch.uint8)
    taps[..., 1::2] = 1  # leads out of the input, 2**32 cells from where the window begins
    placed = torch.ops.juanji.place_taps(upstream, taps, (3, 4, 2, 1, 1, 1, 0, 0, 2**30, 1))
    expected = torch.zeros(1, channels, 3, 4)
    expected[..., :2, ::2] = upstream[..., ::2]
    assert placed.equal(expected)
