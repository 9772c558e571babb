"""The relation against brute force: pairs, counts, matrix, receptive field."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from juanji import functional as F
from juanji.bind import Axis, Bound, bind
from juanji.cost import MultiplyAdds, multiply_adds, traffic, weights
from juanji.relation import count_pairs, matrix, pairs, receptive_field, tap_range
from juanji.spec import Conv, Pool, windows
from strategies import arguments, bounds, tensors


def brute_pairs(axis: Axis) -> list[tuple[int, int, int]]:
    """Try every output position, tap and input position."""
    return [
        (o, k, i)
        for o in range(axis.coarse)
        for k in range(axis.kernel)
        for i in range(axis.fine)
        if i == o * axis.stride + k * axis.dilation - axis.pad_low
    ]


@given(bounds() | bounds(transposed=True))
def test_pairs_are_those_of_a_triple_loop(bound: Bound) -> None:
    for axis in bound.axes:
        expected = brute_pairs(axis)
        found = list(zip(*(column.tolist() for column in pairs(axis)), strict=True))
        assert found == expected
        assert count_pairs(axis) == len(expected)
        for tap in range(axis.kernel):
            assert list(tap_range(axis, tap)) == [o for o, k, _ in expected if k == tap]


@given(bounds() | bounds(transposed=True))
def test_multiply_adds_are_the_products_that_a_loop_computes(bound: Bound) -> None:
    spec = bound.spec
    assert isinstance(spec, Conv)
    channel_pairs = spec.out_channels * spec.in_channels // spec.groups
    touched = prod(len(brute_pairs(axis)) for axis in bound.axes) * channel_pairs
    dense = prod(axis.coarse * axis.kernel for axis in bound.axes) * channel_pairs
    assert multiply_adds(bound, batch=3) == MultiplyAdds(3 * dense, 3 * touched)
    x, w, _ = tensors(bound)
    assert weights(spec) == w.numel()
    assert weights(spec, bias=True) == w.numel() + spec.out_channels
    outputs = 2 * spec.out_channels * prod(bound.output_size)
    assert traffic(bound, batch=2, itemsize=8) == 8 * (x.numel() + w.numel() + outputs)


def test_multiply_adds_add_up() -> None:
    assert MultiplyAdds(3, 2) + MultiplyAdds(10, 7) == MultiplyAdds(13, 9)
    assert sum([MultiplyAdds(1, 1)] * 3, MultiplyAdds()) == MultiplyAdds(3, 3)


@given(bounds())
def test_matrix_times_input_is_the_convolution(bound: Bound) -> None:
    x, w, _ = tensors(bound)
    call = arguments(bound)
    c = F.conv_matrix(w, bound.input_size, **call)
    y = F.conv(x, w, **call)
    assert torch.equal((c @ x.flatten(1).T).T.reshape(y.shape), y)


@given(bounds(transposed=True))
def test_matrix_times_input_is_the_transposed_convolution(bound: Bound) -> None:
    x, w, _ = tensors(bound)
    c = matrix(bound, w)
    y = F.conv_transpose(x, w, **arguments(bound))
    assert torch.equal((c @ x.flatten(1).T).T.reshape(y.shape), y)


@given(bounds())
def test_the_matrix_of_the_transposed_operator_is_the_transpose(bound: Bound) -> None:
    spec = bound.spec
    assert isinstance(spec, Conv)
    _, w, _ = tensors(bound)
    back = replace(
        spec, transposed=True, in_channels=spec.out_channels, out_channels=spec.in_channels
    )
    forth = matrix(bound, w).to_dense()
    assert torch.equal(matrix(Bound(back, bound.axes), w).to_dense(), forth.T)


@given(bounds() | bounds(transposed=True))
def test_the_matrix_is_sorted_without_duplicates_and_torch_finds_it_valid(bound: Bound) -> None:
    _, w, _ = tensors(bound)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing that torch says about its sparse beta comes out
        c = matrix(bound, w)
    torch._validate_sparse_csr_tensor_args(
        c.crow_indices(), c.col_indices(), c.values(), tuple(c.shape)
    )
    starts, columns = c.crow_indices().tolist(), c.col_indices()
    for first, last in pairwise(starts):
        assert (columns[first:last].diff() > 0).all()
    assert c._nnz() == multiply_adds(bound).touched  # one entry per product


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_the_matrix_has_the_dtype_of_the_weight_and_no_gradient(dtype: torch.dtype) -> None:
    c = F.conv_matrix(torch.ones(2, 1, 3, dtype=dtype, requires_grad=True), (5,), groups=2)
    assert c.dtype == dtype
    assert c.shape == (6, 10)
    assert not c.requires_grad


def test_the_matrix_of_four_axes_and_of_no_channels() -> None:
    assert F.conv_matrix(torch.ones(1, 1, 2, 2, 2, 2), (3, 3, 3, 3)).shape == (16, 81)
    assert F.conv_matrix(torch.ones(0, 2, 3), (5,)).shape == (0, 10)
    assert F.conv_matrix(torch.ones(2, 0, 3), (5,)).shape == (6, 0)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((5,), "input_size must be an int or have one value per axis (2), got 1 values: (5,)"),
        ((5, 0), "input size must be at least 1 along every axis, got (5, 0)"),
        ((5, 2), "the kernel spans 3 cells"),
    ],
)
def test_a_bad_size_is_told(size: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"size|kernel") as caught:
        F.conv_matrix(torch.ones(1, 1, 3, 3), size)
    assert message in str(caught.value)


LINK = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.booleans())


def brute_view(chain: list[Bound], size: int) -> tuple[list[set[int]], int]:
    """Return the input cells that every output position sees, and the size of the input."""
    seen = [{cell} for cell in range(size)]
    for bound in chain:
        (axis,) = bound.axes
        links: dict[int, set[int]] = {}
        for o, _, i in brute_pairs(axis):
            write, read = (i, o) if bound.transposed else (o, i)
            links.setdefault(write, set()).update(seen[read])
        seen = [links.get(cell, set()) for cell in range(bound.output_size[0])]
    return seen, size


@given(st.lists(LINK, min_size=1, max_size=3))
def test_the_receptive_field_is_the_widest_support_of_a_position(links: list[Any]) -> None:
    size, chain, now = 60, [], (60,)
    for kernel, stride, padding, transposed in links:
        spec = Conv(windows((kernel,), stride, padding), 1, 1, transposed=transposed)
        assume(now[0] >= kernel and now[0] * stride < 300)
        chain.append(bind(spec, now))
        now = chain[-1].output_size
    seen, size = brute_view(chain, size)
    # positions that see neither border, so that nothing is cut off; enough of them for every phase
    inner = [cells for cells in seen if cells and min(cells) > 8 and max(cells) < size - 8]
    assume(len(inner) >= prod(stride for _, stride, _, transposed in links if transposed))
    assume(len(inner) >= 1)
    widest = max(max(cells) - min(cells) + 1 for cells in inner)
    assert receptive_field(chain) == (widest,)


def test_the_receptive_field_of_known_networks() -> None:
    def conv(k: int, s: int = 1, d: int = 1) -> Conv:
        return Conv(windows((k, k), s, "same", d), 1, 1)

    assert receptive_field([conv(3), conv(3)]) == receptive_field([conv(5)]) == (5, 5)
    assert receptive_field([conv(3, d=1), conv(3, d=2)]) == (7, 7)
    # VGG-16, at its last convolution and its last pooling
    pool = Pool(windows((2, 2), 2))
    vgg = [conv(3), conv(3), pool] * 2 + [conv(3)] * 3 + [pool] + [conv(3)] * 3 + [pool]
    assert receptive_field([*vgg, *[conv(3)] * 3]) == (196, 196)
    assert receptive_field([*vgg, *[conv(3)] * 3, pool]) == (212, 212)


def test_the_receptive_field_is_where_a_gradient_arrives() -> None:
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    w = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    layers: list[dict[str, Any]] = [{"stride": (2, 1)}, {"dilation": (1, 3)}, {"stride": (1, 2)}]
    y, chain = x, []
    for layer in layers:
        chain.append(bind(Conv(windows((3, 3), **layer), 1, 1), tuple(y.shape[2:])))
        y = F.conv(y, w, **layer)
    (gradient,) = torch.autograd.grad(y[0, 0, y.shape[2] // 2, y.shape[3] // 2], x)
    support = gradient[0, 0].nonzero()
    assert tuple((support.max(0).values - support.min(0).values + 1).tolist()) == (
        receptive_field(chain)
    )


@pytest.mark.parametrize("flip", [False, True])
def test_matrix_entries_by_a_loop_over_everything(flip: bool) -> None:
    """Groups, flip, asymmetric padding and stride at once, entry by entry."""
    w = torch.arange(1.0, 25).view(4, 2, 3)
    got = F.conv_matrix(w, (6,), stride=2, padding=((2, 1),), groups=2, flip=flip).to_dense()
    expected = np.zeros_like(got.numpy())
    outputs = 4
    for f, c, o, k in product(range(4), range(2), range(outputs), range(3)):
        i = 2 * o + k - 2
        if 0 <= i < 6:
            channel = 2 * (f // 2) + c
            expected[f * outputs + o, channel * 6 + i] = w[f, c, 2 - k if flip else k]
    assert np.array_equal(got.numpy(), expected)
