"""`conv` and `conv_transpose` against their definition, SciPy and torch, and in every corner."""

# One refusal a line, with its message: these lines may be long.
# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as torch_functional
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from juanji import functional as F
from juanji.bind import Bound
from juanji.ops.conv import reference
from juanji.spec import Conv
from strategies import arguments, bounds, tensors

THEIRS = {
    1: (torch_functional.conv1d, torch_functional.conv_transpose1d),
    2: (torch_functional.conv2d, torch_functional.conv_transpose2d),
    3: (torch_functional.conv3d, torch_functional.conv_transpose3d),
}


def apply(bound: Bound, *operands: Tensor) -> Tensor:
    """Call the public operator that the bound specification describes."""
    return (F.conv_transpose if bound.transposed else F.conv)(*operands, **arguments(bound))


# The definition


@given(bounds() | bounds(transposed=True))
def test_operator_equals_reference_exactly_on_whole_numbers(bound: Bound) -> None:
    operands = tensors(bound)
    output = apply(bound, *operands)
    assert output.shape[2:] == bound.output_size
    assert torch.equal(output, reference.convolve(*operands, bound))
    assert torch.equal(apply(bound, *operands[:2]), reference.convolve(*operands[:2], None, bound))


@settings(max_examples=30)
@given(bounds(dimensions=2) | bounds(transposed=True, dimensions=2))
def test_gradients_of_the_operator_equal_those_of_the_reference(bound: Bound) -> None:
    torch.manual_seed(0)
    operands = [torch.randn_like(x, requires_grad=True) for x in tensors(bound)]
    outputs = apply(bound, *operands), reference.convolve(*operands, bound)
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
    direction = torch.randn_like(outputs[0])
    ours, theirs = (torch.autograd.grad(y, operands, direction) for y in outputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@given(bounds(transposed=True))
def test_conv_transpose_is_the_adjoint_of_conv(bound: Bound) -> None:
    """<conv(x, w), y> = <x, conv_transpose(y, w)> with one weight and one padding."""
    y, w, _ = tensors(bound)
    call = arguments(bound)
    back = F.conv_transpose(y, w, **call)
    torch.manual_seed(0)
    x = torch.randint(-4, 5, back.shape).to(y)
    extra = call.pop("output_padding")
    forth = F.conv(x, w, **call)
    # an output_padding of a whole stride or more adds outputs whose windows lie beyond y
    inside = tuple(slice(0, n) for n in y.shape[2:])
    if any(extra):
        forth = forth[(..., *inside)]
    assert (forth * y).sum() == (x * back).sum()


@given(bounds(dimensions=2))
def test_shift_equivariance(bound: Bound) -> None:
    """An input moved by the stride gives the output moved by one, in a full convolution."""
    x, w, _ = tensors(bound)
    call = arguments(bound) | {"padding": "full", "stride": 1}
    moved = torch_functional.pad(x, (1, 0))
    expected = torch_functional.pad(F.conv(x, w, **call), (1, 0))
    assert torch.equal(F.conv(moved, w, **call), expected)


# Third parties


@given(bounds())
def test_scipy_agrees(bound: Bound) -> None:
    """Correlate on the padded input with the holes of dilation written into the kernel."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    x, w, _ = (tensor.numpy() for tensor in tensors(bound))
    spread = np.zeros(
        (*w.shape[:2], *(axis.dilation * (axis.kernel - 1) + 1 for axis in bound.axes))
    )
    spread[(..., *(slice(None, None, axis.dilation) for axis in bound.axes))] = w
    pads = [(axis.pad_low, axis.pad_high) for axis in bound.axes]
    act = scipy.signal.convolve if spec.flip else scipy.signal.correlate
    image, f = 1, spec.out_channels - 1  # the last filter of the last image
    start = f // (spec.out_channels // spec.groups) * w.shape[1]
    expected = sum(
        act(np.pad(x[image, start + c], pads), spread[f, c], "valid", "direct")
        for c in range(w.shape[1])
    )
    expected = expected[tuple(slice(None, None, axis.stride) for axis in bound.axes)]
    output = F.conv(torch.tensor(x), torch.tensor(w), **arguments(bound))
    assert np.array_equal(output[image, f].numpy(), expected)


@pytest.mark.parametrize("shape", [(7,), (6, 7), (4, 6, 5)])
@pytest.mark.parametrize("side", [2, 3, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_the_three_modes_are_scipys(shape: tuple[int, ...], side: int, flip: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(-4, 5, shape).astype(float)
    k = generator.integers(-4, 5, (side,) * len(shape)).astype(float)

    def ours(mode: Any) -> Any:
        return F.conv(
            torch.tensor(x)[None, None], torch.tensor(k)[None, None], padding=mode, flip=flip
        )[0, 0].numpy()

    act = scipy.signal.convolve if flip else scipy.signal.correlate
    assert np.array_equal(ours("full"), act(x, k, "full", "direct"))
    assert np.array_equal(ours("valid"), act(x, k, "valid", "direct"))
    # SciPy's signal module centres even kernels elsewhere; ndimage lets us say where
    kernel = np.flip(k) if flip else k
    same = scipy.ndimage.correlate(x, kernel, mode="constant", origin=-1 if side % 2 == 0 else 0)
    assert np.array_equal(ours("same"), same)


@given(bounds() | bounds(transposed=True), st.integers(0, 1))
def test_torch_agrees_bitwise_where_it_has_the_operation(bound: Bound, pad: int) -> None:
    x, w, b = tensors(bound, dtype=torch.float32)
    call = arguments(bound) | {"padding": [pad] * len(bound.axes)}
    call.pop("flip", None)
    theirs = THEIRS[len(bound.axes)][bound.transposed]
    try:
        expected = theirs(x, w, b, **call)
    except RuntimeError:  # nothing left of the output, or nothing to slide over
        with pytest.raises(ValueError, match="must be"):
            (F.conv_transpose if bound.transposed else F.conv)(x, w, b, **call)
        return
    ours = (F.conv_transpose if bound.transposed else F.conv)(x, w, b, **call)
    assert torch.equal(ours, expected)


# Second derivatives

CORNERS: list[tuple[Callable[..., Tensor], tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    (F.conv, (2, 4, 5, 4), (6, 2, 3, 2), {"stride": (2, 1), "padding": ((2, 0), 1), "groups": 2}),
    (F.conv, (1, 1, 6), (2, 1, 2), {"dilation": 2, "padding": "same", "flip": True}),
    (F.conv, (1, 2, 2, 3, 2), (2, 1, 2, 1, 2), {"padding": "full", "groups": 2}),
    (F.conv, (0, 2, 4), (3, 2, 2), {}),
    (F.conv, (2, 0, 4), (3, 0, 2), {}),
    (
        F.conv_transpose,
        (2, 4, 3, 2),
        (4, 2, 2, 3),
        {"stride": (3, 2), "padding": ((0, 1), (2, 1)), "output_padding": (2, 0), "groups": 2},
    ),
    (F.conv_transpose, (1, 1, 3), (1, 2, 2), {"dilation": 3}),
    (F.conv_transpose, (2, 0, 3), (0, 2, 2), {}),
]


@pytest.mark.parametrize(("function", "input_shape", "weight_shape", "call"), CORNERS)
def test_first_and_second_derivatives(
    function: Callable[..., Tensor],
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    call: dict[str, Any],
) -> None:
    torch.manual_seed(0)
    groups = call.get("groups", 1)
    outputs = weight_shape[0] if function is F.conv else weight_shape[1] * groups
    operands = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in (input_shape, weight_shape, (outputs,))
    ]
    assert torch.autograd.gradcheck(lambda *a: function(*a, **call), operands)
    assert torch.autograd.gradgradcheck(lambda *a: function(*a, **call), operands)


# Shapes and layouts


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
def test_unbatched_and_empty_batch(function: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    x, w = torch.randn(3, 4, 5, 6), torch.randn(4, 4, 3, 2)
    call: dict[str, Any] = {"padding": ((1, 0), (0, 2)), "stride": (2, 1)}
    batched = function(x, w, **call)
    torch.testing.assert_close(function(x[1], w, **call), batched[1])
    parameter = w.clone().requires_grad_()
    empty = function(x[:0], parameter, **call)
    assert empty.shape == (0, *batched.shape[1:])
    empty.sum().backward()
    assert torch.equal(parameter.grad, torch.zeros_like(w))


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
@pytest.mark.parametrize("batch", [(), (0,), (2,)])
def test_without_input_channels_the_output_is_the_bias(
    function: Callable[..., Tensor], batch: tuple[int, ...]
) -> None:
    weight = torch.randn(5, 0, 3, 2) if function is F.conv else torch.randn(0, 5, 3, 2)
    bias = torch.randn(5, requires_grad=True)
    shape = function(torch.randn(*batch, 5, 7, 6), torch.randn(5, 5, 3, 2), stride=(2, 1)).shape
    x = torch.randn(*batch, 0, 7, 6, requires_grad=True)
    output = function(x, weight, bias, stride=(2, 1))
    assert torch.equal(output, bias[:, None, None].expand(shape))
    assert torch.equal(function(x, weight, stride=(2, 1)), torch.zeros(shape))
    gradients = torch.autograd.grad(output.sum(), [x, bias])
    assert gradients[0].shape == x.shape
    assert torch.equal(gradients[1], torch.full((5,), output[..., 0, :, :].numel() * 1.0))


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
def test_without_output_channels_the_output_is_empty(function: Callable[..., Tensor]) -> None:
    weight = torch.randn(0, 4, 3) if function is F.conv else torch.randn(4, 0, 3)
    x, weight = torch.randn(2, 4, 6, requires_grad=True), weight.requires_grad_()
    output = function(x, weight, torch.randn(0), padding=1)
    assert output.shape == (2, 0, 6)
    output.sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 4, 6))
    assert weight.grad.shape == weight.shape


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "strided": lambda x: x.repeat_interleave(2, 1)[:, ::2],
    "expanded": lambda x: x[:1].expand(x.shape),
    "overlapping": lambda x: x.flatten()[:39].as_strided(x.shape, (4, 2, 5, 1)),
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_contiguous_answer(
    function: Callable[..., Tensor], layout: str
) -> None:
    torch.manual_seed(0)
    x = LAYOUTS[layout](torch.randint(-4, 5, (3, 4, 5, 6)).double())
    w = torch.randint(-4, 5, (4, 4, 3, 2)).double()
    for weight in (w, w.transpose(0, 1), w.flip(0)[:, :, :, :1].expand(4, 4, 3, 2)):
        expected = function(x.contiguous(), weight.contiguous(), padding=((1, 0), 1))
        assert torch.equal(function(x, weight, padding=((1, 0), 1)), expected)


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
@pytest.mark.parametrize("padding", [1, ((1, 0), (0, 2)), "full"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_layout_of_the_output_is_that_of_the_input(
    function: Callable[..., Tensor], padding: Any, dimensions: int
) -> None:
    last = {2: torch.channels_last, 3: torch.channels_last_3d}[dimensions]
    if dimensions == 3 and not isinstance(padding, int | str):
        padding = (*padding, 1)
    if function is F.conv_transpose and padding == "full":
        padding = 0
    x, w = torch.randn(2, 4, *(6, 5, 4)[:dimensions]), torch.randn(4, 4, *(3, 2, 3)[:dimensions])
    assert function(x, w, padding=padding).is_contiguous()
    output = function(x.to(memory_format=last), w, padding=padding)
    assert output.is_contiguous(memory_format=last)


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("size", "kernel", "options"),
    [
        ((5, 4), (3, 2), {"stride": (70, 5)}),
        ((2, 3), (2, 3), {"stride": (3, 90), "padding": (1, 20), "output_padding": (2, 80)}),
        ((4, 5), (1, 2), {"stride": 2, "dilation": 2, "output_padding": (1, 1)}),
        ((1, 1), (2, 1), {"stride": (3, 4), "padding": (2, 0), "dilation": (4, 1)}),
        ((2, 1), (1, 1), {"stride": 100, "padding": (45, 0)}),  # no output meets a tap
        ((2, 2, 3), (2, 1, 3), {"stride": (66, 2, 4), "output_padding": (1, 1, 2)}),
    ],
    ids=str,
)
def test_outputs_between_large_strides_are_the_bias(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    options: dict[str, Any],
    dtype: torch.dtype,
    last: bool,
) -> None:
    torch.manual_seed(0)
    x, bias = torch.randint(-4, 5, (2, 12, *size)).to(dtype), torch.arange(12).to(dtype)
    w = torch.randint(-4, 5, (12, 1, *kernel)).to(dtype)
    if last:
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    theirs = (torch.conv_transpose2d, torch.conv_transpose3d)[len(size) - 2]
    for added in (bias, None):
        expected = theirs(
            x.double(), w.double(), None if added is None else added.double(), groups=12, **options
        )
        assert F.conv_transpose(x, w, added, groups=12, **options).equal(expected.to(dtype))


# Dtypes


@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((2, 1024, 3, 11), 256),  # cells of a row that are 4 KiB apart,
        ((1, 1024, 4, 10), 1024),
        ((1, 512, 5, 13), 64),  # 2 KiB
        ((1, 512, 7, 7), 128),
        ((1, 512, 3, 3, 9), 128),
        ((1, 2048, 2, 9), 256),  # more weights than are read where they are
        ((3, 96, 14, 14), 24),
        ((2, 64, 40, 9), 8),  # sums that rows share
        ((1, 64, 800, 32), 4),
    ],
)
def test_groups_side_by_side_are_exact_wherever_their_cells_lie(
    shape: tuple[int, ...], groups: int
) -> None:
    axes = len(shape) - 2
    channels_last = torch.channels_last if axes == 2 else torch.channels_last_3d
    x = torch.randint(-3, 4, shape).float().to(memory_format=channels_last).requires_grad_()
    weight = torch.randint(-3, 4, (shape[1], shape[1] // groups, *(3,) * axes)).float()
    weight.requires_grad_()
    output = F.conv(x, weight, padding=1, groups=groups)
    wanted = THEIRS[axes][0](x.double(), weight.double(), padding=1, groups=groups)
    upstream = torch.randint(-3, 4, output.shape).float().to(memory_format=channels_last)
    assert torch.equal(output.double(), wanted)
    ours = torch.autograd.grad(output, (x, weight), upstream)
    theirs = torch.autograd.grad(wanted, (x, weight), upstream.double())
    for mine, their in zip(ours, theirs, strict=True):
        assert torch.equal(mine, their)


def test_float32_and_bfloat16_stay_within_the_bound_of_their_rounding() -> None:
    """|error| <= n u sum |w| |x| for a sum of n products and u the unit roundoff, 2**-24.

    In bfloat16 the sum is carried in float32; rounding the output adds 2**-8 of its size.
    """
    torch.manual_seed(0)
    for dtype, unit in ((torch.float32, 0.0), (torch.bfloat16, 2.0**-8)):
        x, w = torch.randn(2, 16, 9, 9).to(dtype), torch.randn(8, 16, 3, 3).to(dtype)
        exact = F.conv(x.double(), w.double(), padding=1)
        carried = 16 * 9 * 2.0**-24 * F.conv(x.double().abs(), w.double().abs(), padding=1)
        output = F.conv(x, w, padding=1)
        assert output.dtype == dtype
        error = (output.double() - exact).abs()
        assert (error <= carried + unit * (exact.abs() + carried)).all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("width", [9, 21, 40])
def test_infinity_and_nan_reach_the_weights_that_they_meet(
    width: int, layout: torch.memory_format
) -> None:
    def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
        weight = torch.ones(4, 1, 2, 3, requires_grad=True)
        F.conv(x.contiguous(memory_format=layout), weight, groups=4).backward(
            gradient.contiguous(memory_format=layout)
        )
        assert weight.grad is not None
        return weight.grad

    x, gradient = torch.ones(2, 4, 6, width + 2), torch.ones(2, 4, 5, width)
    for column in range(width):
        infinite = gradient.clone()
        infinite[..., column] = torch.inf
        assert weight_gradient(x, infinite).isposinf().all()
    for column in range(width + 2):
        missing = x.clone()
        missing[..., column] = torch.nan
        met = torch.tensor([0 <= column - tap < width for tap in range(3)])
        assert (weight_gradient(missing, gradient).isnan() == met).all()


@pytest.mark.parametrize("function", [F.conv, F.conv_transpose])
def test_autocast_casts_as_torch_does(function: Callable[..., Tensor]) -> None:
    x, w = torch.randn(1, 4, 6), torch.randn(4, 4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        output = function(x, w)
        assert torch.equal(function(x.bfloat16(), w), output)
        with pytest.raises(TypeError, match=r"torch.float64, got torch.float32"):
            function(x.double(), w)  # torch leaves float64 alone
    assert output.dtype == torch.bfloat16
    assert torch.equal(output, function(x.bfloat16(), w.bfloat16()))


def test_complex_numbers() -> None:
    x, w = (torch.randn(1, 1, 5, dtype=torch.complex128) for _ in range(2))
    expected = np.convolve(x.flatten().numpy(), w.flatten().numpy())
    output = F.conv(x, w, padding="full", flip=True)
    np.testing.assert_allclose(output.flatten().numpy(), expected, rtol=1e-12)


# Faults

X, W = torch.randn(2, 4, 7, 9), torch.randn(6, 4, 3, 3)
WT = torch.randn(4, 6, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.conv(X, W.double()), TypeError, "weight must have the dtype of input, torch.float32, got torch.float64"),
        (lambda: F.conv(X, W, torch.zeros(6).half()), TypeError, "bias must have the dtype of input, torch.float32, got torch.float16"),
        (lambda: F.conv(X.long(), W.long()), TypeError, "input must be floating-point, got torch.int64"),
        (lambda: F.conv_transpose(X.int(), WT), TypeError, "input must be floating-point, got torch.int32"),
        (lambda: F.conv(X, W.bool()), TypeError, "weight must be floating-point, got torch.bool"),
        (lambda: F.conv(X, W.to("meta")), TypeError, "weight must be on the device of input, cpu, got meta"),
        (lambda: F.conv(X, W, torch.zeros(5)), ValueError, "bias must have shape (6,), one per output channel, got (5,)"),
        (lambda: F.conv_transpose(X, WT, torch.zeros(4)), ValueError, "bias must have shape (6,), one per output channel, got (4,)"),
        (lambda: F.conv(X[0, 0], W), ValueError, "input must have 4 dimensions (N, C, *spatial), or 3 unbatched, for a 2-D operator; got shape (7, 9)"),
        (lambda: F.conv(X[:, :3], W), ValueError, "input must have 4 channels, got 3 (shape (2, 3, 7, 9))"),
        (lambda: F.conv_transpose(X[:, :3], WT), ValueError, "input must have 4 channels, got 3"),
        (lambda: F.conv(X, W[0, 0]), ValueError, "weight must have at least 3 dimensions, (C_out, C_in / groups, *kernel), got shape (3, 3)"),
        (lambda: F.conv(torch.ones(1, 1, 2, 2, 2, 2), torch.ones(1, 1, 1, 1, 1, 1)), ValueError, "weight must have 1 to 3 spatial axes, got 4"),
        (lambda: F.conv(X, W[:, :, :0]), ValueError, "kernel must be at least 1 and below 2**31, got 0"),
        (lambda: F.conv(X, W, stride=0), ValueError, "stride must be at least 1 and below 2**31, got 0"),
        (lambda: F.conv(X, W, dilation=(1, -1)), ValueError, "dilation must be at least 1 and below 2**31, got -1"),
        (lambda: F.conv(X, W, dilation=2**62), ValueError, f"dilation must be at least 1 and below 2**31, got {2**62}"),
        (lambda: F.conv(X, W, dilation=2**31 - 1), ValueError, "dilation * (kernel - 1) must be below 2**31, got dilation 2147483647 and kernel 3"),
        (lambda: F.conv(X, W, padding=-1), ValueError, "padding must be at least 0 and below 2**31, got (-1, -1)"),
        (lambda: F.conv(X, W, padding=2**62), ValueError, "padding must be at least 0 and below 2**31"),
        (lambda: F.conv(X, W, padding=2**31 - 1), ValueError, "input size plus padding must be below 2**31, got 7 + 4294967294"),
        (lambda: F.conv(X, W, padding=(1,)), ValueError, "padding must be an int, a mode, or have one int or (low, high) pair per axis (2), got 1 values: (1,)"),
        (lambda: F.conv(X, W, stride=(1,)), ValueError, "stride must be an int or have one value per axis (2), got 1 values: (1,)"),
        (lambda: F.conv(X, W, stride=(1, 2, 3)), ValueError, "got 3 values: (1, 2, 3)"),
        (lambda: F.conv(X, W, padding="SAME"), ValueError, "padding must be one of ('valid', 'same', 'full') or numbers, got 'SAME'"),
        (lambda: F.conv(X, W, groups=0), ValueError, "groups must be at least 1, got 0"),
        (lambda: F.conv(X, W, groups=-2), ValueError, "groups must be at least 1, got -2"),
        (lambda: F.conv(X, W, groups=4), ValueError, "groups must divide out_channels: 6 % 4 != 0"),
        (lambda: F.conv(X, W, groups=2), ValueError, "input must have 8 channels, got 4"),
        (lambda: F.conv(X, W, groups=2**62), ValueError, "groups must divide out_channels: 6 %"),
        (lambda: F.conv(X, W, groups=1.0), TypeError, "groups must be an integer, got 1.0"),
        (lambda: F.conv(X, W, stride=2.0), TypeError, "stride must be an integer, got 2.0"),
        (lambda: F.conv(X, W, dilation=4), ValueError, "the kernel spans 9 cells (kernel 3, dilation 4) and the padded input has 7 (input 7, padding 0 + 0)"),
        (lambda: F.conv(X[:, :, :0], W, padding=3), ValueError, "input size must be at least 1 along every axis, got (0, 9)"),
        (lambda: F.conv_transpose(X, WT, padding="same"), ValueError, "padding of a transposed convolution must be numbers, got 'same'"),
        (lambda: F.conv_transpose(X, WT, padding=9), ValueError, "padding must be smaller: an input of 7 with stride 1, extent 3 and padding 9 + 9 leaves -9 output cells"),
        (lambda: F.conv_transpose(X, WT, output_padding=1), ValueError, "output_padding must be at least 0 and below the stride or the dilation, got 1 with stride 1 and dilation 1"),
        (lambda: F.conv_transpose(X, WT, stride=2, output_padding=(1,)), ValueError, "output_padding must be an int or have one value per axis (2), got 1 values: (1,)"),
        (lambda: F.conv_transpose(X, WT, stride=2, output_padding=-1), ValueError, "got -1 with stride 2 and dilation 1"),
        (lambda: F.conv_transpose(X, WT, stride=2**31 - 1), ValueError, "the output size must be below 2**31, got"),
        (lambda: F.conv_transpose(X, WT, groups=3), ValueError, "groups must divide in_channels: 4 % 3 != 0"),
        (lambda: F.conv_transpose(X, WT[:, :, :0]), ValueError, "kernel must be at least 1"),
    ],
)  # fmt: skip
def test_faults_are_told_before_anything_is_computed(
    call: Callable[[], Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_a_saved_tensor_that_was_changed_is_noticed() -> None:
    w = W.clone().requires_grad_()
    x = X.clone().requires_grad_()
    output = F.conv(x * 1, w)
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


# Compilers and transforms


def strided(x: Tensor, w: Tensor) -> Tensor:
    return F.conv(x, w, stride=(2, 1), padding="same", groups=2, flip=True)


def widened(x: Tensor, w: Tensor) -> Tensor:
    return F.conv_transpose(x, w, stride=2, padding=((1, 0), 1), output_padding=(1, 0))


@pytest.mark.parametrize(("function", "channels"), [(strided, 2), (widened, 6)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiles_without_graph_breaks(
    function: Callable[..., Tensor], channels: int, dynamic: bool
) -> None:
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    for size in (7, 9):
        x = torch.randn(2, 4, size, 8, requires_grad=True)
        w = torch.randn(4, channels, 3, 2, requires_grad=True)
        expected, output = function(x, w), compiled(x, w)
        torch.testing.assert_close(output, expected)
        torch.testing.assert_close(
            torch.autograd.grad(output.sum(), [x, w]), torch.autograd.grad(expected.sum(), [x, w])
        )


@pytest.mark.parametrize(("function", "channels"), [(strided, 2), (widened, 6)])
def test_exports(function: Callable[..., Tensor], channels: int) -> None:
    class Wrapped(torch.nn.Module):
        def forward(self, x: Tensor, w: Tensor) -> Tensor:
            return function(x, w)

    w = torch.randn(4, channels, 3, 2)
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        Wrapped(), (torch.randn(2, 4, 7, 8), w), dynamic_shapes={"x": {0: batch}, "w": None}
    )
    x = torch.randn(5, 4, 7, 8)
    torch.testing.assert_close(program.module()(x, w), function(x, w))


@pytest.mark.parametrize(("function", "channels"), [(strided, 2), (widened, 6)])
def test_vmap_and_grad_of_torch_func(function: Callable[..., Tensor], channels: int) -> None:
    x = torch.randn(3, 2, 4, 6, 5, dtype=torch.float64)
    w = torch.randn(3, 4, channels, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(
        torch.func.vmap(function)(x, w),
        torch.stack([function(a, b) for a, b in zip(x, w, strict=True)]),
    )
    gradient = torch.func.grad(lambda b: function(x[0], b).square().sum())
    per_model = torch.func.vmap(torch.func.grad(lambda a, b: function(a, b).square().sum()))
    assert per_model(x, w).shape == x.shape
    leaf = w[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(function(x[0], leaf).square().sum(), leaf)
    torch.testing.assert_close(gradient(w[0]), expected)
