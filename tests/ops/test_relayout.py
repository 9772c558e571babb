"""Copies from one layout to the other, and the convolution that goes through them."""

from __future__ import annotations

import pytest
import torch

from juanji import functional as F
from juanji.ops.dispatch import why
from juanji.ops.native import native_status
from juanji.ops.relayout import relayout

native = pytest.mark.skipif(native_status().isa is None, reason="the kernels are not loaded")
SHAPES = [(2, 17, 13, 9), (3, 5, 4, 6, 7), (1, 64, 30, 30), (2, 3, 5), (1, 1, 4, 4), (0, 3, 2, 2)]


def innermost(x: torch.Tensor) -> torch.Tensor:
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


@native
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_stay_and_strides_change(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape).to(dtype)
    there = relayout(x, innermost=True)
    assert torch.equal(there, x)
    assert there.movedim(1, -1).is_contiguous()
    back = relayout(there, innermost=False)
    assert torch.equal(back, x)
    assert back.is_contiguous()
    torch.library.opcheck(torch.ops.juanji.relayout.default, (x, True))


@native
@pytest.mark.parametrize(
    "x", [torch.randn(2, 8, 6, 5)[:, :, ::2], torch.randn(1, 4, 3).expand(2, 4, 3)]
)
def test_what_is_not_dense_is_refused(x: torch.Tensor) -> None:
    for target in (True, False):
        with pytest.raises(RuntimeError, match="input must be dense"):
            relayout(x, innermost=target)


@native
@pytest.mark.parametrize("bias", [None, torch.randn(24)])
def test_dense_convolution_takes_the_detour_and_gives_the_same(bias: torch.Tensor | None) -> None:
    x, weight = torch.randn(2, 16, 30, 31), torch.randn(24, 16, 3, 3)
    arguments = (x, weight, bias, 1, 1)
    assert "torch, channels last: taken" in str(why(F.conv, *arguments))
    output = F.conv(*arguments)
    assert output.is_contiguous()
    exact = torch.nn.functional.conv2d(
        x.double(), weight.double(), None if bias is None else bias.double(), 1, 1
    )
    torch.testing.assert_close(output.double(), exact, rtol=1e-5, atol=1e-4)


@native
def test_no_detour_where_it_does_not_pay() -> None:
    x, weight = torch.randn(1, 16, 30, 30), torch.randn(16, 16, 3, 3)
    for reason, arguments in {
        "the input is not contiguous": (innermost(x), weight),
        "a gradient is wanted": (x, weight.clone().requires_grad_()),
        "1 taps on": (x, weight[..., :1, :1].contiguous()),
        "9 taps on 36 output cells": (x[..., :6, :6].contiguous(), weight),
    }.items():
        assert f"torch, channels last: declined, {reason}" in str(
            why(F.conv, *arguments, None, 1, 1)
        )


def test_the_gradient_is_that_of_torch() -> None:
    """With a gradient wanted the plain way is taken: the same graph as ever."""
    x = torch.randn(1, 16, 30, 30, requires_grad=True)
    weight = torch.randn(16, 16, 3, 3)
    assert torch.equal(
        torch.autograd.grad(F.conv(x, weight).sum(), x)[0],
        torch.autograd.grad(torch.nn.functional.conv2d(x, weight).sum(), x)[0],
    )
