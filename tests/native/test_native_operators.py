"""Every registered operator: schema, fake, gradient, as torch wants them, on calls of the fuzz."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fuzz import KINDS, Draw
from torch import Tensor

from juanji import functional as F
from juanji import native_status

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")

OPERATORS = (
    "conv", "conv_input_gradient", "conv_weight_gradient",
    "channel_shuffle", "pointwise_conv", "pointwise_conv_weight_gradient",
    "max_pool", "max_pool_with_taps", "stochastic_pool", "stochastic_pool_with_taps",
    "place_taps", "take_taps", "tap_indices",
    "avg_pool", "avg_pool_gradient", "avg_unpool", "avg_unpool_gradient",
    "max_unpool", "max_unpool_gradient",
)  # fmt: skip


def drawn(operator: str, count: int) -> list[list[Any]]:
    """Return the arguments of the first calls that the fuzz makes of an operator, in float64."""
    if operator == "place_taps":  # those of the fuzz may lead out of the input; its adjoint refuses
        return [
            [
                *torch.ops.juanji.max_pool_with_taps(x, windows),
                [*x.shape[2:], *windows[x.ndim - 2 :]],
            ]
            for x, windows in drawn("max_pool_with_taps", count)
        ]
    found: list[list[Any]] = []
    number = 0
    while len(found) < count:
        draw = Draw(number)
        draw.dtype = torch.float64
        kind = KINDS[number % len(KINDS)]
        calls = [arguments for name, arguments, _ in kind(draw) if name == operator]
        found += [a for a in calls if a[0].shape[0] and a[0].is_floating_point()][:1]
        found += [a for a in calls if operator == "tap_indices" and a[0].shape[0]][:1]
        number += 1
    return found[:count]


def test_no_operator_is_forgotten() -> None:
    names = torch._C._dispatch_get_all_op_names()
    kernels = {
        name.removeprefix("juanji::")
        for name in names
        if name.startswith("juanji::")
        and torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU")
    }
    again = {name for name in kernels if name.startswith("again_")}
    remember = {name.replace("again_", "remember_") for name in again}
    assert kernels - again - remember == set(OPERATORS)
    assert remember <= kernels


@pytest.mark.parametrize("operator", OPERATORS)
def test_opcheck(operator: str) -> None:
    for arguments in drawn(operator, 2):
        given = [
            x.contiguous().requires_grad_(x.is_floating_point()) if isinstance(x, Tensor) else x
            for x in arguments
        ]
        torch.library.opcheck(getattr(torch.ops.juanji, operator).default, tuple(given))


class Cut(torch.autograd.Function):
    """Passes a tensor on, and no gradient back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        return None


def test_where_no_gradient_arrives_none_goes_on() -> None:
    x = torch.ones(1, 4, 4, 4, requires_grad=True)
    for output in (F.conv(x, torch.ones(4, 1, 2, 2), groups=4), F.max_pool(x, 2), F.avg_pool(x, 2)):
        assert torch.autograd.grad(Cut.apply(output).sum(), x, allow_unused=True) == (None,)
