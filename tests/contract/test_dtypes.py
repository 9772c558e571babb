"""Single and bfloat16 precision, with and without autocast, within stated bounds.

The error is measured against the definition in float64 on the same, rounded, arguments, in units of
the dtype's epsilon times the largest value of that result.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from contract import cases, gradients, outputs
from juanji.catalog import Case, Operator, tensors

# A sum of some fifty products, rounded at each step in float32; once or, in compositions, a few
# times in bfloat16, which accumulates in float32.
BOUND = {torch.float32: 8.0, torch.bfloat16: 4.0}
GRADIENT_BOUND = {torch.float32: 16.0, torch.bfloat16: 8.0}


def assert_within(found: list[Tensor], expected: list[Tensor], bound: float, eps: float) -> None:
    for y, exact in zip(found, expected, strict=True):
        scale = float(exact.abs().max()) or 1.0
        error = float((y.double().cpu() - exact).abs().max()) / (eps * scale)
        assert error <= bound, f"{error:.1f} epsilon, bound {bound}"


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@cases("gradient")
def test_values_and_gradients_are_within_bounds(
    operator: Operator, case: Case, dtype: torch.dtype, device: str
) -> None:
    arguments = tensors(case, dtype=dtype, device=device)
    exact = pytree.tree_map(
        lambda x: x.cpu().double() if x.is_floating_point() else x.cpu(), arguments
    )
    eps = torch.finfo(dtype).eps
    found_values, found_gradients = gradients(operator.call, arguments, case)
    values, expected_gradients = gradients(operator.reference, exact, case)
    assert all(x.dtype == dtype for x in (*found_values, *found_gradients))
    assert_within(found_values, values, BOUND[dtype], eps)
    assert_within(found_gradients, expected_gradients, GRADIENT_BOUND[dtype], eps)


@cases("gradient", "autocast")
def test_autocast_rounds_no_more_than_bfloat16(operator: Operator, case: Case, device: str) -> None:
    arguments = tensors(case, dtype=torch.float32, device=device)
    exact = pytree.tree_map(
        lambda x: x.cpu().double() if x.is_floating_point() else x.cpu(), arguments
    )
    eps = torch.finfo(torch.bfloat16).eps
    with torch.autocast(device, dtype=torch.bfloat16):
        found_values, found_gradients = gradients(operator.call, arguments, case)
    values, expected_gradients = gradients(operator.reference, exact, case)
    assert all(x.dtype in (torch.float32, torch.bfloat16) for x in found_values)
    assert all(x.dtype == torch.float32 for x in found_gradients)
    assert_within(found_values, values, BOUND[torch.bfloat16], eps)
    assert_within(found_gradients, expected_gradients, GRADIENT_BOUND[torch.bfloat16], eps)


@cases()
def test_float64_stays_float64_under_autocast(operator: Operator, case: Case) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = outputs(operator.call, tensors(case), case)
    for y, expected in zip(found, outputs(operator.call, tensors(case), case), strict=True):
        assert y.dtype == expected.dtype
