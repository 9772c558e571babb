"""Sizes: torch's wherever torch has the operation, and the laws of the modes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as torch_functional
from hypothesis import assume, given
from hypothesis import strategies as st

from juanji.bind import Bound, bind, bind_window, extent, resolve_padding
from juanji.spec import Conv, Pool, Window, windows
from strategies import bounds

KERNEL, STEP = st.integers(1, 5), st.integers(1, 4)


@given(st.integers(1, 12), KERNEL, STEP, STEP, st.integers(0, 6))
def test_sizes_of_convolution_are_torchs(
    size: int, kernel: int, stride: int, dilation: int, padding: int
) -> None:
    window = Window(kernel, stride, dilation, (padding, padding))
    x, w = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    if size + 2 * padding < extent(window):
        with pytest.raises(ValueError, match="padding or input must be larger"):
            bind_window(window, size)
        with pytest.raises(RuntimeError):
            torch_functional.conv1d(x, w, None, stride, padding, dilation)
        return
    theirs = torch_functional.conv1d(x, w, None, stride, padding, dilation)
    assert bind_window(window, size).coarse == theirs.shape[-1]


@given(st.integers(1, 6), KERNEL, STEP, STEP, st.integers(0, 4), st.integers(0, 3))
def test_sizes_of_transposed_convolution_are_torchs(
    size: int, kernel: int, stride: int, dilation: int, padding: int, extra: int
) -> None:
    assume(extra < max(stride, dilation))
    spec = Conv(
        windows((kernel,), stride, padding, dilation), 1, 1,
        transposed=True, output_padding=(extra,),
    )  # fmt: skip
    x, w = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    if (size - 1) * stride + dilation * (kernel - 1) + 1 + extra <= 2 * padding:
        with pytest.raises(ValueError, match="padding must be smaller"):
            bind(spec, (size,))
        with pytest.raises(RuntimeError):
            torch_functional.conv_transpose1d(x, w, None, stride, padding, extra, 1, dilation)
        return
    ours = bind(spec, (size,)).output_size
    theirs = torch_functional.conv_transpose1d(x, w, None, stride, padding, extra, 1, dilation)
    assert ours == tuple(theirs.shape[2:])


@given(st.integers(1, 12), KERNEL, STEP, STEP, st.integers(0, 2), st.booleans())
def test_sizes_of_pooling_are_torchs(
    size: int, kernel: int, stride: int, dilation: int, padding: int, ceil_mode: bool
) -> None:
    assume(padding <= kernel // 2)
    spec = Pool(windows((kernel,), stride, padding, dilation), ceil_mode=ceil_mode)
    x = torch.zeros(1, 1, size)
    calls = [
        lambda: torch_functional.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode),
    ]
    if dilation == 1:
        calls.append(lambda: torch_functional.avg_pool1d(x, kernel, stride, padding, ceil_mode))
    try:
        ours = bind(spec, (size,)).output_size
    except ValueError:
        for call in calls:
            with pytest.raises(RuntimeError):
                call()
        return
    assert [tuple(call().shape[2:]) for call in calls] == [ours] * len(calls)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(st.integers(1, 12), KERNEL, STEP)
def test_same_without_stride_is_torchs_same(size: int, kernel: int, dilation: int) -> None:
    """Also which side an even kernel's odd cell goes to: seen in the values."""
    low, high = resolve_padding(Window(kernel, dilation=dilation, padding="same"), size)
    x = torch.arange(1.0, size + 1).view(1, 1, -1)
    w = torch.arange(1.0, kernel + 1).view(1, 1, -1)
    theirs = torch_functional.conv1d(x, w, padding="same", dilation=dilation)
    ours = torch_functional.conv1d(torch_functional.pad(x, (low, high)), w, dilation=dilation)
    assert torch.equal(ours, theirs)


@given(bounds())
def test_the_modes_give_the_sizes_that_they_promise(bound: Bound) -> None:
    for window, axis in zip(bound.spec.windows, bound.axes, strict=True):
        if window.padding == "same":
            assert axis.coarse == -(-axis.fine // window.stride)
            assert 0 <= axis.pad_high - axis.pad_low <= 1
        if window.padding == "full":
            assert axis.coarse == (axis.fine + extent(window) - 2) // window.stride + 1
        if window.padding == "valid":
            assert (axis.pad_low, axis.pad_high) == (0, 0)


@given(bounds(transposed=True))
def test_binding_forth_and_back_is_the_identity(bound: Bound) -> None:
    """The transposed operator's output convolves to its input's size, whatever output_padding."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    forth = bind(Conv(spec.windows, 1, 1), bound.output_size)
    if all(extra < w.stride for extra, w in zip(spec.output_padding, spec.windows, strict=True)):
        assert forth.output_size == bound.input_size
    assert bound.output_size == tuple(axis.fine for axis in bound.axes)


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        (
            Conv(windows((3,), dilation=4, padding=1), 1, 1),
            (5,),
            "the kernel spans 9 cells (kernel 3, dilation 4) and the padded input has 7 "
            "(input 5, padding 1 + 1)",
        ),
        (
            Conv(windows((3, 3)), 1, 1),
            (5,),
            "input_size must have one value per axis (2), got (5,)",
        ),
        (Conv(windows((1, 1), padding=1), 1, 1), (3, 0), "input size must be at least 1 along"),
        (Conv(windows((1,), padding=1), 1, 1), (-1,), "at least 1 along every axis, got (-1,)"),
        (
            Conv(windows((1,), padding=2**30), 1, 1),
            (5,),
            "input size plus padding must be below 2**31, got 5 + 2147483648",
        ),
        (
            Conv(windows((3,), padding="same"), 1, 1, transposed=True),
            (5,),
            "padding of a transposed convolution must be numbers, got 'same'",
        ),
        (
            Conv(windows((2,), padding=3), 1, 1, transposed=True),
            (5,),
            "padding must be smaller: an input of 5 with stride 1, extent 2 and padding 3 + 3 "
            "leaves 0 output cells",
        ),
        (
            Conv(windows((2,), stride=2**30), 1, 1, transposed=True),
            (5,),
            "the output size must be below 2**31, got 4294967298",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_the_numbers(
    spec: Conv, size: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=r"size|padding|kernel") as caught:
        bind(spec, size)
    assert message in str(caught.value)
