"""What every operator with several kernels has: calls alike are decided once.

Checking arguments, binding them to sizes and choosing a kernel takes as long as a small
convolution, and none of it looks at values. So the first of some eager calls that are alike in all
but values is followed down to what computes it, and the others go straight there. Where that is a
native operator which knows calls again, and no gradient is recorded, it tells itself whether the
tensors of a call lie as those of one before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import has_torch_function

from .follow import Step, following
from .memory import raise_if_out_of_memory
from .native.kernel import KNOWING, wants_gradient
from .plain import is_plain
from .remember import ATOMS, numbers

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

Plan: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]  # what computes, and its numbers
Known: TypeAlias = tuple[Callable[..., Any], int]  # what knows calls again, and its handle

MOST = 4096  # calls that one operator remembers

# Looked up here, once: they are needed before every call.
_gradients = torch.is_grad_enabled
_strided = torch.strided


class Calls:
    """What an operator remembers of its calls: `plans` by all that decides, `known` by less.

    A plan is None where all of the way is gone each time. What a native operator knows again is
    found by what was asked for beside tensors.
    """

    def __init__(self) -> None:
        self.plans: dict[tuple[Any, ...], Plan | None] = {}
        self.known: dict[tuple[Any, ...], Known] = {}

    def again(self, asked: tuple[Any, ...], tensors: list[Tensor]) -> Any:
        """Compute what a native operator knows again; None: it does not."""
        if (known := self.known.get(asked)) is None or wants_gradient(*tensors):
            return None
        again, handle = known
        try:
            return again(handle, *tensors)
        except RuntimeError:  # going all of the way tells more about it
            return None

    def alike(self, key: tuple[Any, ...], tensors: list[Tensor]) -> Any:
        """Go straight to what computed a call alike; None: all of the way is to be gone."""
        if (plan := self.plans[key]) is None:
            return None
        run, rest = plan
        try:
            return run(*tensors, *rest)
        except RuntimeError:
            return None

    def first(
        self, asked: tuple[Any, ...], key: tuple[Any, ...], tensors: list[Tensor], call: Any
    ) -> Any:
        """Go all of the way and remember where it leads."""
        steps: list[Step] = []
        with following(steps.append):
            output = call()
        if len(self.plans) >= MOST:
            self.plans.clear()
        self.plans[key] = plan = _planned(steps, tensors, output)
        if plan is not None:
            self._know(asked, tensors, *plan)
        return output

    def _know(
        self, asked: tuple[Any, ...], tensors: list[Tensor], run: Any, rest: tuple[Any, ...]
    ) -> None:
        """Tell a call to the native operator that computes it, if it knows calls again.

        What records a gradient does not.
        """
        if (knowing := KNOWING.get(run)) is None:
            return
        again, handle = self.known.get(asked, (knowing.again, -1))
        if again is not knowing.again or (handle < 0 and len(self.known) >= MOST):
            return
        self.known[asked] = again, knowing.remember(*tensors, *rest, handle)


def operator(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let an operator remember what it decided, and say in its name when memory runs out.

    It must not look at values before the step that computes its output from its own tensors. Where
    there is no such step, all of its way is gone each time.
    """
    calls = Calls()

    @functools.wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            if not is_plain():
                return function(*args, **kwargs)
            tensors: list[Tensor] = []
            if (asked := _asked(args, kwargs, tensors)) is None:
                return function(*args, **kwargs)
            output: Result | None = calls.again(asked, tensors)
            if output is not None:
                return output
            if (key := _key(asked, tensors)) is None:
                return function(*args, **kwargs)
            if key not in calls.plans:
                call = functools.partial(function, *args, **kwargs)
                result: Result = calls.first(asked, key, tensors, call)
                return result
            output = calls.alike(key, tensors)
            return function(*args, **kwargs) if output is None else output
        except RuntimeError as error:
            raise_if_out_of_memory(function.__name__, error)
            raise

    return called


def _asked(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]
) -> tuple[Any, ...] | None:
    """Return all arguments but tensors, which are collected; None: there is something special.

    Types count: 1 equals 1.0 and True, which are refused.
    """
    key: list[Any] = [*kwargs]
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind is Tensor or kind is Parameter:
            key.append(Tensor)
            tensors.append(value)
        elif kind in ATOMS:
            key.append(kind)
            key.append(value)
        elif (plain := numbers(value)) is not None:
            key.append(plain)
        else:
            return None
    return None if has_torch_function(tensors) else tuple(key)


def _key(asked: tuple[Any, ...], tensors: list[Tensor]) -> tuple[Any, ...] | None:
    """Return all that decides how a call is computed; None: tensors lie in a special way."""
    key: list[Any] = [asked, _gradients()]
    for x in tensors:
        if x.layout is not _strided:
            return None
        key += x.shape, x.stride(), x.dtype, x.device, x.requires_grad
    return tuple(key)


def _planned(steps: list[Step], tensors: list[Tensor], output: Any) -> Plan | None:
    """Return the last step that computed the output from these tensors, and its other arguments."""
    count = len(tensors)
    for step in reversed(steps):
        first, rest = step.arguments[:count], step.arguments[count:]
        if (
            step.output is output
            and list(map(id, first)) == list(map(id, tensors))
            and not any(isinstance(x, Tensor) for x in rest)  # made on the way
        ):
            return step.run, rest
    return None
