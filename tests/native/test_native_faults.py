"""What bad and extreme input gets from the operators when they are called directly.

The public functions check before; here is what stands behind them, and what they cannot check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji import native_status
from juanji.bench.cases import Layout
from juanji.bench.sides import lay_out

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")

OPS = torch.ops.juanji
X, W, G = torch.ones(1, 4, 6, 6), torch.ones(4, 1, 3, 3), torch.ones(1, 4, 4, 4)
ONE, NONE = [1, 1], [0, 0]
HUGE = (2**31, 2**62, 2**63 - 1)
TAPS = torch.zeros(1, 4, 3, 3, dtype=torch.uint8)


def flat(given: dict[str, list[int]], changed: dict[str, Any]) -> list[int]:
    """One list of what an operator is told of its axes; by kind, and some `changed`."""
    return [number for kind, numbers in given.items() for number in changed.get(kind, numbers)]


def steps(size: int, changed: dict[str, Any]) -> list[int]:
    """What the operators of convolution are told."""
    return flat({"o": [size, size], "s": ONE, "p": NONE, "d": ONE}, changed)


def conv(
    x: Tensor = X, w: Tensor = W, b: Tensor | None = None, g: int = 4, **changed: Any
) -> Tensor:
    return OPS.conv(x, w, b, steps(4, changed), g)


def input_gradient(
    y: Tensor = G, w: Tensor = W, b: Tensor | None = None, g: int = 4, **changed: Any
) -> Tensor:
    return OPS.conv_input_gradient(y, w, b, steps(6, changed), g, False)


def weight_gradient(y: Tensor = G, x: Tensor = X, g: int = 4, **changed: Any) -> Tensor:
    return OPS.conv_weight_gradient(y, x, steps(3, changed), g)


def pointwise(x: Tensor = X, w: Tensor | None = None, **changed: Any) -> Tensor:
    given = {"b": None, "g": 2, "before": 1, "after": 2, "t": False, "inner": False} | changed
    return OPS.pointwise_conv(x, torch.ones(4, 2, 1, 1) if w is None else w, *given.values())


def windows(size: int, changed: dict[str, Any]) -> list[int]:
    """What the operators of pooling are told."""
    given = {"o": [size, size], "k": [2, 2], "s": [2, 2], "p": NONE, "d": ONE, "h": NONE}
    return flat(given, changed)


def max_pool(x: Tensor = X, **changed: Any) -> Any:
    return OPS.max_pool_with_taps(x, windows(3, changed))


def place(x: Tensor | None = None, taps: Tensor = TAPS, **changed: Any) -> Tensor:
    return OPS.place_taps(torch.ones(1, 4, 3, 3) if x is None else x, taps, windows(6, changed))


def average(x: Tensor = X, **changed: Any) -> Tensor:
    return OPS.avg_pool(x, windows(3, changed), True, None)


WINDOWED: dict[str, Callable[..., Any]] = {
    "conv": conv,
    "conv_input_gradient": input_gradient,
    "conv_weight_gradient": weight_gradient,
    "max_pool": max_pool,
    "place_taps": place,
    "avg_pool": average,
}


@pytest.mark.parametrize("call", WINDOWED.values(), ids=WINDOWED)
def test_windows_that_are_none_are_refused(call: Callable[..., Any]) -> None:
    call()  # as it stands it works
    for name, bad in (("s", (0, -1, *HUGE)), ("d", (0, -1, *HUGE)), ("p", (-1, *HUGE))):
        for value in bad:
            with pytest.raises(RuntimeError, match=r"at least|below 2\*\*31"):
                call(**{name: [1, value]})
    for name in ("o", "s", "p", "d"):
        for wrong in ([], [1], [1, 1, 1]):
            with pytest.raises(RuntimeError, match=r"must have .*, got|must be at least"):
                call(**{name: wrong})
    for value in (-1, *HUGE):  # the size of the output, or of the kernel
        with pytest.raises(RuntimeError, match=r"at least|below 2\*\*31|memory|elements"):
            call(o=[3, value])


@pytest.mark.parametrize("call", WINDOWED.values(), ids=WINDOWED)
def test_tensors_that_do_not_fit_are_refused(call: Callable[..., Any]) -> None:
    for wrong in (torch.ones(4), torch.ones(1, 4), torch.ones(1, 4, 1, 1, 1, 1)):
        with pytest.raises(RuntimeError, match=r"must have|must be|dimensions|values"):
            call(wrong)
    for dtype in (torch.float16, torch.int64, torch.complex64, torch.bool):
        with pytest.raises(RuntimeError, match=r"dtype|shape"):
            call(torch.ones(1, 4, 6, 6).to(dtype))


@pytest.mark.parametrize(
    "call",
    [
        lambda: conv(w=W.double()),
        lambda: conv(b=torch.ones(4).double()),
        lambda: conv(b=torch.ones(3)),
        lambda: conv(b=torch.ones(4, 1)),
        lambda: conv(g=0),
        lambda: conv(g=-4),
        lambda: conv(g=3),
        lambda: conv(g=2**62),
        lambda: conv(w=torch.ones(5, 1, 3, 3)),
        lambda: conv(w=torch.ones(4, 2, 3, 3)),
        lambda: conv(w=torch.ones(4, 1, 3)),
        lambda: conv(w=torch.ones(0, 1, 3, 3)),
        lambda: conv(w=torch.ones(4, 1, 0, 3)),
        lambda: conv(x=torch.ones(1, 0, 6, 6)),
        lambda: input_gradient(g=0),
        lambda: input_gradient(g=2**62),
        lambda: input_gradient(torch.ones(1, 3, 4, 4)),
        lambda: input_gradient(b=torch.ones(5)),
        lambda: weight_gradient(g=0),
        lambda: weight_gradient(g=3),
        lambda: weight_gradient(torch.ones(2, 4, 4, 4)),
        lambda: weight_gradient(G.double()),
        lambda: weight_gradient(x=torch.ones(1, 4, 6)),
        lambda: pointwise(g=0),
        lambda: pointwise(g=3),
        lambda: pointwise(before=0),
        lambda: pointwise(after=-1),
        lambda: pointwise(after=3),
        lambda: pointwise(w=torch.ones(4, 3, 1, 1)),
        lambda: pointwise(w=torch.ones(4, 2, 1, 2)),
        lambda: pointwise(w=torch.ones(4, 2, 1)),
        lambda: pointwise(b=torch.ones(3)),
        lambda: pointwise(b=torch.ones(4).double()),
        lambda: OPS.pointwise_conv_weight_gradient(G, X, 2, 1, 1),
        lambda: OPS.channel_shuffle(X, 0),
        lambda: OPS.channel_shuffle(X, 2**62),
        lambda: max_pool(k=[0, 2]),
        lambda: max_pool(k=[2**31, 2]),
        lambda: max_pool(k=[2**62, 2**62]),
        lambda: max_pool(k=[257, 1]),
        lambda: place(taps=TAPS.int()),
        lambda: place(taps=TAPS[..., :2]),
        lambda: place(taps=TAPS[:, :3]),
        lambda: place(taps=TAPS[0]),
        lambda: OPS.take_taps(X, TAPS + 3, windows(3, {"p": [9, 9]})),
        lambda: OPS.stochastic_pool(X, torch.ones(()), windows(3, {})),
        lambda: OPS.stochastic_pool(-X, torch.ones(()).long(), windows(3, {})),
    ],
)
def test_other_arguments_that_do_not_fit_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match=r"must|divide|fit|at most"):
        call()


@pytest.mark.parametrize("bad", [-1, 36, 2**31, 2**32, -(2**32), 2**62, -(2**63)])
@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.mT, lambda x: x.movedim(-1, 1)])
def test_indices_are_checked_in_64_bits(bad: int, layout: Callable[[Tensor], Tensor]) -> None:
    indices = layout(torch.zeros(1, 3, 3, 3, dtype=torch.int64))
    indices[0, 2, 2, 2] = bad
    values = layout(torch.ones(1, 3, 3, 3))
    with pytest.raises(RuntimeError, match="indices must be at least 0 and below"):
        OPS.max_unpool(values, indices, [6, 6])
    with pytest.raises(RuntimeError, match="indices must be at least 0 and below"):
        OPS.max_unpool_gradient(torch.ones(1, 3, 6, 6), indices)
    with pytest.raises(IndexError, match=str(bad)):
        F.max_unpool(values, indices, (2, 2))


def test_empty_batches() -> None:
    x = torch.ones(0, 4, 6, 6, requires_grad=True)
    weight = torch.ones(4, 1, 3, 3, requires_grad=True)
    folded = torch.ones(4, 2, 1, 1, requires_grad=True)
    outputs = [
        F.conv(x, weight, groups=4),
        F.conv_transpose(x, weight, groups=4),
        F.shuffled_group_conv(x, folded, groups=2),
        F.channel_shuffle(x, 2),
        F.max_pool(x, (2, 2)),
        F.avg_pool(x, (2, 2)),
        F.stochastic_pool(x, (2, 2)),
        F.avg_unpool(x, (2, 2)),
        F.max_unpool(x, torch.zeros(0, 4, 6, 6, dtype=torch.int64), (2, 2)),
    ]
    sizes = [(4, 4), (8, 8), (6, 6), (6, 6), (3, 3), (3, 3), (3, 3), (12, 12), (12, 12)]
    assert [tuple(y.shape) for y in outputs] == [(0, 4, *size) for size in sizes]
    leaves = [x, weight, folded]
    for gradient, leaf in zip(
        torch.autograd.grad(sum(y.sum() for y in outputs), leaves), leaves, strict=True
    ):
        assert gradient.equal(torch.zeros_like(leaf))


def test_maps_without_cells_are_refused() -> None:
    """Sizes that the public functions never ask for."""
    nothing = torch.ones(1, 4, 0, 0)
    calls: list[Callable[[], Tensor]] = [
        lambda: OPS.avg_pool_gradient(nothing, windows(6, {"s": ONE}), True, None),
        lambda: OPS.avg_unpool(nothing, windows(6, {"s": ONE})),
        lambda: OPS.place_taps(nothing, TAPS[..., :0, :0], windows(6, {"s": ONE})),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="sizes must be at least 1"):
            call()
    unpooled = OPS.max_unpool(nothing, torch.ones(1, 4, 0, 0).long(), [6, 6])
    assert unpooled.eq(0).all()  # it knows of no windows


@pytest.mark.parametrize(
    ("call", "changed"),
    [
        (lambda x, w: F.conv(x, w, groups=4), "x"),
        (lambda x, w: F.conv(x, w, groups=4), "w"),
        (lambda x, w: F.conv_transpose(x, w, groups=4), "x"),
        (lambda x, w: F.shuffled_group_conv(x, w.repeat(1, 2, 1, 1), groups=2), "x"),
    ],
)
def test_changing_what_the_backward_pass_needs_is_an_error(
    call: Callable[..., Tensor], changed: str
) -> None:
    leaves = {"x": torch.ones(1, 4, 6, 6), "w": torch.ones(4, 1, 1, 1)}
    made = {name: leaf.requires_grad_() * 1 for name, leaf in leaves.items()}
    y = call(*made.values())
    made[changed].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_changing_the_input_of_a_pooling_does_not_change_its_gradient() -> None:
    leaf = torch.rand(1, 4, 6, 16, requires_grad=True)
    x = leaf * 1
    y = F.max_pool(x, (2, 2))
    (expected,) = torch.autograd.grad(y.sum(), leaf, retain_graph=True)
    x.neg_()  # the taps were recorded
    (found,) = torch.autograd.grad(y.sum(), leaf)
    assert found.equal(expected)


SPREAD = 2**24  # cells along each of two axes: a petabyte, were it not expanded


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.conv(x, torch.ones(4, 1, 1, 1), stride=SPREAD, groups=4),
        lambda x: F.max_pool(x, (1, 1), SPREAD),
        lambda x: F.avg_pool(x, (1, 1), SPREAD),
    ],
)
def test_out_of_memory_in_the_backward_pass(call: Callable[[Tensor], Tensor]) -> None:
    x = torch.ones(1, 4, 1, 1).expand(1, 4, SPREAD, SPREAD).requires_grad_()
    y = call(x)
    assert y.equal(torch.ones_like(y))
    with pytest.raises(MemoryError, match="not enough memory"):
        y.sum().backward()


@pytest.mark.parametrize("fine", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [4, 6, 9, 100])
def test_strides_beyond_the_cells(fine: int, stride: int) -> None:
    x, w = torch.rand(2, 4, fine, dtype=torch.float64), torch.rand(4, 1, 9, dtype=torch.float64)
    y = torch.nn.functional.conv1d(x, w, None, stride, 4, groups=4)
    to_x = torch.nn.functional.conv_transpose1d(
        y, w, None, stride, 4, fine - 1 - (y.shape[2] - 1) * stride, 4
    )
    found = OPS.conv_input_gradient(y, w, None, [fine, stride, 4, 1], 4, False)
    torch.testing.assert_close(found, to_x)


def test_windows_that_span_more_than_an_integer_tells_are_cut() -> None:
    x, w = torch.ones(1, 2, 3, 3, 3), torch.ones(2, 1, 2, 2, 2)
    y = OPS.conv(x, w, None, [3] * 3 + [2**29 - 1] * 3 + [2**29] * 3 + [1] * 3, 2)
    assert y.count_nonzero() == y.sum() == 2  # the middle windows meet the first cell


@pytest.mark.parametrize("channels", [16, 17, 144, 150])
@pytest.mark.parametrize("per_group", [1, 2, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_short_rows_of_many_channels(channels: int, per_group: int, stride: int) -> None:
    """Units of channels are not all alike, and the last vector is not full."""
    channels *= per_group
    torch.manual_seed(0)
    for size in ((7, 5), (40, 3), (2, 3, 4), (13,)):
        x = torch.rand(3, channels, *size, dtype=torch.float64)[1:].requires_grad_()
        w = torch.rand(channels, per_group, *(3,) * len(size), dtype=torch.float64)
        for leaf in (w.requires_grad_(), x):
            assert leaf.is_contiguous()
        ours = F.conv(x, w, None, stride, 1, 1, channels // per_group)
        conv_of = (torch.conv1d, torch.conv2d, torch.conv3d)[len(size) - 1]
        theirs = conv_of(x, w, None, stride, 1, 1, channels // per_group)
        torch.testing.assert_close(ours, theirs)
        direction = torch.rand_like(theirs)
        for found, expected in zip(
            torch.autograd.grad(ours, (x, w), direction),
            torch.autograd.grad(theirs, (x, w), direction),
            strict=True,
        ):
            torch.testing.assert_close(found, expected)


def assert_exact(
    size: tuple[int, ...],
    kernel: int,
    channels: tuple[int, int],
    groups: int,
    dtype: torch.dtype,
    innermost: bool,
    stride: int = 1,
) -> None:
    """Compare the three operators of a convolution, `channels` per group, on whole numbers."""
    axes = len(size)
    layout: Layout = "channels last" if innermost else "contiguous"
    torch.manual_seed(0)
    inputs, outputs = channels
    x = lay_out(torch.randint(-2, 3, (2, inputs * groups, *size)).to(dtype), layout)
    w = torch.randint(-1, 2, (outputs * groups, inputs, *(kernel,) * axes)).to(dtype)
    bias = torch.randint(-2, 3, (outputs * groups,)).to(dtype)
    padding = kernel // 2
    wide = [one.double().requires_grad_() for one in (x, w)]
    conv_of = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    expected = conv_of(*wide, bias.double(), stride, padding, 1, groups)
    g = lay_out(torch.randint(-1, 2, expected.shape).to(dtype), layout)
    to_x, to_w = torch.autograd.grad(expected, wide, g.double())
    steps = [stride] * axes + [padding] * axes + [1] * axes
    shape = list(expected.shape[2:])
    for found, exact in (
        (OPS.conv(x, w, bias, [*shape, *steps], groups), lay_out(expected, layout)),
        (
            OPS.conv_input_gradient(g, w, None, [*size, *steps], groups, innermost),
            lay_out(to_x, layout),
        ),
        (OPS.conv_weight_gradient(g, x, [kernel] * axes + steps, groups), to_w.contiguous()),
    ):
        torch.testing.assert_close(found, exact.to(dtype), rtol=0, atol=0, check_stride=True)


DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.mark.parametrize("per_group", [1, 2, 4])
@pytest.mark.parametrize("channels", [2, 3, 4, 5, 7, 8, 9, 15, 17, 24, 31, 40, 72])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_channels_side_by_side(dtype: torch.dtype, channels: int, per_group: int) -> None:
    for stride in (1, 2):
        assert_exact((9, 11), 3, (per_group, per_group), channels, dtype, True, stride)


@pytest.mark.parametrize("per_group", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("size", [(20,), (31,), (70,), (4, 17), (17, 19), (3, 5, 18)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_planes_and_those_whose_rows_end_in_a_vector(
    dtype: torch.dtype, size: tuple[int, ...], per_group: int
) -> None:
    for kernel, stride in ((3, 1), (5, 1), (3, 2), (2, 3), (5, 7)):
        groups = 40 // per_group + 1
        assert_exact(size, kernel, (per_group, per_group), groups, dtype, False, stride)


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize(
    "channels", [(1, 2), (1, 5), (2, 1), (3, 3), (4, 8), (5, 5), (6, 6), (12, 12)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_of_any_size_share_a_vector(
    dtype: torch.dtype, channels: tuple[int, int], innermost: bool
) -> None:
    for size, stride in (((9, 7), 1), ((9, 7), 2), ((4, 30), 1), ((50,), 1), ((3, 4, 5), 2)):
        assert_exact(size, 3, channels, 19, dtype, innermost, stride)


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize("channels", [16, 23, 128])
@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_windows_leave_out_the_cells_outside(
    dtype: torch.dtype, channels: int, innermost: bool
) -> None:
    """Windows larger than maps, tiles that are cut along both axes, channels that fill no unit."""
    for size, kernel in (((9, 7), 13), ((28, 20), 7), ((5, 90), 12), ((61, 75), 11), ((14, 2), 31)):
        assert_exact(size, kernel, (1, 1), channels, dtype, innermost)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kernel", "innermost"), [(7, True), (11, False)])
def test_wide_windows_that_leave_most_of_a_row_unread(
    dtype: torch.dtype, kernel: int, innermost: bool
) -> None:
    """A few outputs at the low border; sanitizers see what is read beyond their cells."""
    layout: Layout = "channels last" if innermost else "contiguous"
    x = lay_out(torch.randint(-2, 3, (1, 16, 9, 50)).to(dtype), layout)
    w = torch.randint(-1, 2, (16, 1, kernel, kernel)).to(dtype)
    whole = torch.conv2d(x.double(), w.double(), padding=3, groups=16)
    for outputs in (1, 3, 7):
        told = [2, outputs, 1, 1, 3, 3, 1, 1]
        found = OPS.conv(x, w, None, told, 16)
        torch.testing.assert_close(found.double(), whole[:, :, :2, :outputs].to(dtype).double())


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize("kernel", [7, 8, 12])
def test_wide_windows_over_a_flat_volume(kernel: int, innermost: bool) -> None:
    """One cell deep, and outputs of even kernels two."""
    assert_exact((1, 9, 8), kernel, (1, 1), 32, torch.float32, innermost)


@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize("channels", [(2, 2), (3, 5), (8, 8), (16, 16), (24, 40), (64, 33)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_tap_at_each_position_of_groups(
    dtype: torch.dtype, channels: tuple[int, int], innermost: bool
) -> None:
    for size in ((70,), (5, 7), (9, 11), (3, 4, 5)):
        assert_exact(size, 1, channels, 3, dtype, innermost)
        assert_exact(size, 1, channels, 2, dtype, innermost, stride=2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 70, 60, 53), (2, 300, 9, 7), (1, 3, 200, 31)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (5, 1)])
def test_gradients_of_maxima_in_bands(
    shape: tuple[int, ...],
    kernel: int,
    stride: int,
    dtype: torch.dtype,
    layout: torch.memory_format,
) -> None:
    """Windows that reach two bands, channels in parts: whole numbers, exact in every order."""
    torch.manual_seed(0)
    x = torch.rand(shape).to(dtype).contiguous(memory_format=layout).requires_grad_()
    wide = x.detach().double().requires_grad_()
    expected = torch.max_pool2d(wide, kernel, stride, kernel // 2)
    y = F.max_pool(x, kernel, stride, kernel // 2)
    g = torch.randint(-2, 3, y.shape).to(dtype).contiguous(memory_format=layout)
    (to_x,) = torch.autograd.grad(y, x, g)
    (to_wide,) = torch.autograd.grad(expected, wide, g.double())
    torch.testing.assert_close(to_x.double(), to_wide, rtol=0, atol=0)


def test_columns_that_each_have_many_sources() -> None:
    x = torch.rand(1, 3000, 8, dtype=torch.float64).transpose(1, 2).requires_grad_()
    (found,) = torch.autograd.grad(F.avg_pool(x, 1500, 1).sum(), x)
    cells = torch.arange(1, 3001, dtype=torch.float64)
    expected = cells.clamp(max=1500).minimum(cells.flip(0)) / 1500
    torch.testing.assert_close(found, expected.expand(1, 8, 3000))
