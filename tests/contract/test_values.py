"""Every operator against its definition: values, gradients, gradients of gradients."""

from __future__ import annotations

import re

import pytest
import torch
from torch.utils import _pytree as pytree

from contract import (
    assert_equal,
    cases,
    cotangents,
    floating,
    gradients,
    outputs,
    positional,
    with_gradient,
)
from juanji.catalog import Case, Operator, tensors

pytestmark = pytest.mark.usefixtures("poisoned")


@cases()
def test_the_value_is_that_of_the_definition(operator: Operator, case: Case, device: str) -> None:
    arguments = tensors(case)
    on_device = tensors(case, device=device)
    found = outputs(operator.call, on_device, case)
    assert_equal([y.cpu() for y in found], outputs(operator.reference, arguments, case))


@cases("gradient")
def test_gradients_and_second_gradients_are_those_of_the_definition(
    operator: Operator, case: Case, device: str
) -> None:
    for twice in (False, True):
        _, expected = gradients(operator.reference, tensors(case), case, twice=twice)
        _, found = gradients(operator.call, tensors(case, device=device), case, twice=twice)
        assert_equal([g.cpu() for g in found], expected)
        assert any(g.count_nonzero() for g in expected)


@cases("gradient", first=True)
def test_gradgradcheck(operator: Operator, case: Case, device: str) -> None:
    """The check of torch, by finite differences; no definition takes part."""
    arguments = with_gradient(tensors(case, device=device))
    call, flat = positional(operator.call, arguments, case)
    leaves = floating(flat)

    def of_leaves(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rest = iter(values)
        return tuple(
            y for y in call(*(next(rest) if x.requires_grad else x for x in flat))
            if y.is_floating_point()
        )  # fmt: skip

    assert torch.autograd.gradcheck(of_leaves, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(of_leaves, leaves, fast_mode=True)


@cases("gradient")
def test_changing_an_argument_before_backward_never_gives_a_wrong_gradient(
    operator: Operator, case: Case
) -> None:
    _, expected = gradients(operator.call, tensors(case), case)
    for changed in range(len(expected)):
        arguments = with_gradient(tensors(case))
        leaves = floating(pytree.tree_leaves(arguments))
        ys = [y for y in outputs(operator.call, arguments, case) if y.is_floating_point()]
        loss = sum((y * c).sum() for y, c in zip(ys, cotangents(ys), strict=True))
        with torch.no_grad():
            leaves[changed].mul_(2)
        try:
            found = torch.autograd.grad(loss, leaves, materialize_grads=True)
        except RuntimeError as error:
            message = str(error)
        else:
            assert_equal(found, expected)
            continue
        assert re.search("modified (by an )?inplace", message)
