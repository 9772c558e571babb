"""Every operator in graphs: compiled whole, with changing sizes, exported; registered operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from contract import (
    assert_equal,
    cases,
    floating,
    gradients,
    larger,
    outputs,
    positional,
    with_gradient,
)
from juanji.catalog import CATALOG, Case, Operator, tensors


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(operator: Operator, case: Case, backend: str) -> tuple[Any, Any]:
    """Compile the operator to one graph; also returns a counter of the graphs made."""
    counter = CompileCounterWithBackend(backend)

    def call(arguments: Any) -> list[Tensor]:
        result = operator.call(**arguments, **case.options)
        return [result] if isinstance(result, Tensor) else [y for y in result if y is not None]

    return torch.compile(call, fullgraph=True, backend=counter), counter


@cases("compile", first=True)
def test_one_graph_computes_the_same(operator: Operator, case: Case) -> None:
    graph, counter = compiled(operator, case, "eager")
    arguments = tensors(case)
    assert_equal(graph(arguments), outputs(operator.call, arguments, case))
    assert counter.frame_count == 1


@cases("compile", first=True, only=2)
def test_a_second_graph_with_gradients_serves_all_sizes(operator: Operator, case: Case) -> None:
    graph, counter = compiled(operator, case, "aot_eager")
    for _ in range(3):
        arguments = with_gradient(tensors(case))
        expected, found = outputs(operator.call, arguments, case), graph(arguments)
        assert_equal(found, expected)
        leaves = floating(pytree.tree_leaves(arguments))
        both = []
        for ys in (found, expected):
            loss = sum(y.square().sum() for y in ys if y.is_floating_point())
            both.append(torch.autograd.grad(loss, leaves))
        assert_equal(*both)
        case = larger(case)
    assert counter.frame_count <= 2


class Module(torch.nn.Module):
    """An operator as a program to export."""

    def __init__(self, operator: Operator, case: Case) -> None:
        super().__init__()
        arguments = tensors(case)
        self.call, self.example = positional(operator.call, arguments, case)

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        return self.call(*arguments)


@cases("export", first=True)
def test_the_exported_program_computes_the_same(operator: Operator, case: Case) -> None:
    module = Module(operator, case)
    program = torch.export.export(module, tuple(module.example))
    assert_equal(program.module()(*module.example), module(*module.example))


class Recorder(TorchDispatchMode):
    """Keeps the calls of operators registered by the library."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[tuple[Any, Any, Any]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "juanji":
            copies = pytree.tree_map_only(Tensor, lambda x: x.detach().clone(), (args, kwargs))
            self.calls.setdefault(func.name(), []).append((func, *copies))
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def calls() -> dict[str, list[tuple[Any, Any, Any]]]:
    """Every call of a registered operator that the catalogue's cases lead to."""
    with Recorder() as recorder:
        for operator in CATALOG:
            for case in operator.cases:
                if "gradient" in operator.limits:
                    outputs(operator.call, tensors(case), case)
                else:
                    gradients(operator.call, tensors(case), case)
    return recorder.calls


def registered() -> list[str]:
    """Return the names of the operators that the library has registered with torch in Python.

    The native ones decline where they are watched; tests/native checks them.
    """
    names = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    return sorted(
        name
        for name in names
        if name.startswith("juanji::")
        and not torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU")
    )


@pytest.mark.parametrize("name", registered())
def test_opcheck(name: str, calls: dict[str, list[tuple[Any, Any, Any]]]) -> None:
    assert calls.get(name), f"no case of the catalogue reaches {name}"
    # opcheck compiles: the smallest call will do
    func, args, kwargs = min(
        calls[name],
        key=lambda call: sum(x.numel() for x in pytree.tree_leaves(call) if isinstance(x, Tensor)),
    )
    args, kwargs = pytree.tree_map_only(
        Tensor,
        lambda x: x.requires_grad_() if x.is_floating_point() else x,
        (args, kwargs),
    )
    torch.library.opcheck(func, args, kwargs or {})
