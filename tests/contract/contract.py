"""What the files of the contract share: every case of the catalogue, called in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from juanji.catalog import CATALOG, Case, dimensions, each

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
Arguments = dict[str, Any]


def cases(
    *properties: str, limited: bool = False, first: bool = False, only: int | None = None
) -> pytest.MarkDecorator:
    """Parametrize over the cases of the operators that have no limit on these properties.

    With `limited`, over those that have a limit on one; with `first`, over one case for each number
    of dimensions; with `only`, over the cases of so many dimensions.
    """
    chosen = []
    for operator in CATALOG:
        if limited != any(name in operator.limits for name in properties):
            continue
        seen = set()
        for case in operator.cases:
            if (first and dimensions(case) in seen) or only not in (None, dimensions(case)):
                continue
            seen.add(dimensions(case))
            name = f"{operator.name}, {dimensions(case)}-D, {case.label}"
            chosen.append(pytest.param(operator, case, id=name))
    return pytest.mark.parametrize(("operator", "case"), chosen)


def outputs(function: Callable[..., Any], arguments: Mapping[str, Any], case: Case) -> list[Tensor]:
    """Call `function` on a case; its outputs as a list of tensors, whatever it returns."""
    torch.manual_seed(0)
    result = function(**arguments, **case.options)
    tensors = [result] if isinstance(result, Tensor) else [y for y in result if y is not None]
    return [y if y.layout == torch.strided else y.to_dense() for y in tensors]


def positional(
    function: Callable[..., Any], arguments: Arguments, case: Case
) -> tuple[Callable[..., tuple[Tensor, ...]], list[Tensor]]:
    """Return the operator as a function of a plain list of tensors, and that list."""
    flat, structure = pytree.tree_flatten(arguments)

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(outputs(function, pytree.tree_unflatten(list(tensors), structure), case))

    return call, flat


def floating(arguments: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors that have a gradient."""
    return [x for x in arguments if x.is_floating_point()]


def with_gradient(arguments: Arguments) -> Arguments:
    """Return new leaves with the same values, strides included."""

    def leaf(x: Tensor) -> Tensor:
        return x.detach().requires_grad_(x.is_floating_point())

    return pytree.tree_map(leaf, arguments)


def cotangents(tensors: list[Tensor], seed: int = 1) -> list[Tensor]:
    """Draw one weight for every value; the same for the same shapes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(y.shape, generator=generator, dtype=torch.float64) for y in tensors]
    return [c.to(y.device, y.dtype) for c, y in zip(drawn, tensors, strict=True)]


def gradients(
    function: Callable[..., Any], arguments: Arguments, case: Case, *, twice: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """Return outputs and the gradients of everything, or with `twice` those of the gradients."""
    arguments = with_gradient(arguments)
    leaves = floating(pytree.tree_leaves(arguments))
    ys = [y for y in outputs(function, arguments, case) if y.is_floating_point()]
    # squared, so that linear operators have second gradients too
    terms = [(y**2 if twice else y) * c for y, c in zip(ys, cotangents(ys), strict=True)]
    loss = sum(term.sum() for term in terms)
    found = torch.autograd.grad(loss, leaves, create_graph=twice, materialize_grads=True)
    if twice:
        total = sum((g**2).sum() for g in found)
        found = torch.autograd.grad(total, leaves, materialize_grads=True)
    return [y.detach() for y in ys], list(found)


def map_arguments(
    case: Case, arguments: Arguments, change: Callable[[Tensor], Tensor]
) -> Arguments:
    """Apply `change` to the feature maps, and leave the weights as they are."""
    changed: Arguments = {}
    for name, given in case.arguments.items():
        values = arguments[name] if isinstance(given, tuple) else (arguments[name],)
        pairs = zip(each(given), values, strict=True)
        new = tuple(change(x) if argument.maps else x for argument, x in pairs)
        changed[name] = new if isinstance(given, tuple) else new[0]
    return changed


def larger(case: Case) -> Case:
    """Return the case with every size larger: one more in the batch, more cells on each axis."""
    pinned = {"output_size", "size", "input_size"} & case.options.keys()
    axes = dimensions(case)
    stride = case.options.get("stride", 1)
    strides = (stride,) * axes if isinstance(stride, int) else stride

    def grow(name: str, argument: Any) -> Any:
        if not argument.maps:
            return argument
        batch, channels, *spatial = argument.shape
        more = [2] * axes
        if "offset" in case.arguments:
            more = list(strides) if name == "input" else [1] * axes
        elif name == "low":
            more = [1] * axes
        grown = spatial if pinned else [n + m for n, m in zip(spatial, more, strict=True)]
        return replace(argument, shape=(batch + 1, channels, *grown))

    arguments = {
        name: tuple(grow(name, one) for one in given)
        if isinstance(given, tuple)
        else grow(name, given)
        for name, given in case.arguments.items()
    }
    return replace(case, arguments=arguments)


def assert_equal(
    actual: Iterable[Tensor],
    expected: Iterable[Tensor],
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> None:
    """Compare tensor by tensor: shapes, dtypes, values."""
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True)
