"""Run a model and see every operator it calls, without touching the model.

Operators are seen where PyTorch dispatches them, below modules and functions alike, so functional
calls and custom layers count as much as layers do. Modules are followed by global hooks: the
model's own hooks stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from threading import get_ident
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch._subclasses import FakeTensor
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from ..cost import MultiplyAdds
from ..ops.octave import OctavePair


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operator: its arguments by the schema's names, and the tensors it returned."""

    operator: Any
    name: str  # with its namespace, as aten::relu_
    arguments: Mapping[str, Any]
    outputs: tuple[Tensor, ...]

    @property
    def rule(self) -> str:
        """Name to look a rule up by: an operator and its in-place form share one."""
        plain = self.name.removesuffix("_") if not self.name.endswith("__") else self.name
        return plain.removeprefix("aten::")

    @property
    def inputs(self) -> list[Tensor]:
        """All tensors among the arguments."""
        return list(tensors(list(self.arguments.values())))


@dataclass
class Record:
    """What was seen while one module ran, or of one operator."""

    calls: int = 0
    multiply_adds: MultiplyAdds = field(default_factory=MultiplyAdds)
    flops: int = 0
    bytes: int = 0  # of storages made
    peak: int = 0  # most bytes alive at one time
    uncounted: Counter[str] = field(default_factory=Counter)


class Observer(Protocol):
    """Adds what it finds out about a call to the records it is given."""

    def observe(self, call: Call, records: Sequence[Record]) -> None:
        """Take note of a call for the records of the running modules and of the operator."""


class Watch(TorchDispatchMode):
    """Hands every operator called on this thread to the observers."""

    # without it, torch refuses operators such as torch.cond under the mode
    supports_higher_order_operators = True

    def __init__(self, observers: Sequence[Observer], total: Record) -> None:
        super().__init__()
        self.observers = observers
        self.running = [total]  # records of the modules being run, outermost first
        self.operators: dict[str, Record] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if is_composition(operator):
            with self:
                return operator.decompose(*args, **kwargs)
        result = operator(*args, **kwargs)
        call = read(operator, args, kwargs, result)
        own = self.operators.setdefault(call.name, Record())
        own.calls += 1
        # a module that runs inside itself is counted once
        records = [*{id(record): record for record in self.running}.values(), own]
        for observer in self.observers:
            observer.observe(call, records)
        return result


def is_composition(operator: Any) -> bool:
    """Whether torch defines an operator by others; inference tensors bring such ones here whole."""
    if not isinstance(operator, OpOverload) or operator.namespace == "prim":
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(
        operator.name(), "CompositeImplicitAutograd"
    )


def read(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Call:
    """Sort a call's arguments by their names, defaults filled in."""
    schema = getattr(operator, "_schema", None)
    outputs = tuple(tensors(result))
    if schema is None:  # a higher-order operator, such as cond
        return Call(operator, str(operator), {"args": args, **kwargs}, outputs)
    arguments = {argument.name: argument.default_value for argument in schema.arguments}
    names = [argument.name for argument in schema.arguments]
    arguments.update(zip(names, args, strict=False))
    arguments.update(kwargs)
    return Call(operator, schema.name, arguments, outputs)


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists, mappings, dataclasses and octave pairs."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors(list(value.values()))
    elif isinstance(value, (list, tuple, OctavePair)):
        for item in value:
            yield from tensors(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors([getattr(value, entry.name) for entry in fields(value)])


@contextmanager
def following(
    model: nn.Module,
    enter: Callable[[nn.Module], None],
    leave: Callable[[nn.Module, Any], None],
) -> Iterator[None]:
    """Call `enter(module)` before and `leave(module, output)` after the model's modules run."""
    known = {id(module) for module in model.modules()}
    thread = get_ident()

    def before(module: nn.Module, args: Any) -> None:
        if id(module) in known and get_ident() == thread:
            enter(module)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        if id(module) in known and get_ident() == thread:
            leave(module, output)

    handles = [
        register_module_forward_pre_hook(before),
        register_module_forward_hook(after, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def untouched(model: nn.Module, inputs: Any) -> Iterator[None]:
    """Evaluate the model inside, without gradients; afterwards everything is as it was before.

    Everything: training mode of every module, values and `requires_grad` of parameters, buffers
    and inputs, and torch's random numbers. For this, parameters and buffers are copied.
    """
    modules = list(model.modules())
    modes = [module.training for module in modules]
    slots = [(dict(module._parameters), dict(module._buffers)) for module in modules]
    kept = [*model.parameters(), *model.buffers(), *tensors(inputs)]
    devices = {tensor.device.index for tensor in kept if tensor.device.type == "cuda"}
    attention = torch.backends.mha.get_fastpath_enabled()
    with torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(sorted(devices)):
        copies = [tensor.clone() for tensor in kept]
        gradients = [tensor.requires_grad for tensor in kept]
        try:
            # set directly: train() of some modules does more, such as merging weights
            for module in modules:
                module.training = False
            # the fused encoder layer would be one operator that nobody can look into
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(attention)
            for module, mode, (parameters, buffers) in zip(modules, modes, slots, strict=True):
                module.training = mode
                if not isinstance(module, torch.jit.ScriptModule):  # which registers nothing late
                    _restore(module._parameters, parameters)
                    _restore(module._buffers, buffers)
            for tensor, copy, gradient in zip(kept, copies, gradients, strict=True):
                # by value: batch normalization writes without raising a tensor's version
                if not is_virtual(tensor) and not torch.equal(tensor, copy):
                    tensor.copy_(copy)
                if tensor.requires_grad != gradient:
                    tensor.requires_grad_(gradient)


def is_virtual(tensor: Tensor) -> bool:
    """Whether a tensor has a shape but no values."""
    return tensor.is_meta or isinstance(tensor, FakeTensor)


def _restore(current: dict[str, Any], before: dict[str, Any]) -> None:
    """Put back what was there, where the forward pass registered something else."""
    if current.keys() != before.keys() or any(current[name] is not before[name] for name in before):
        current.clear()
        current.update(before)
