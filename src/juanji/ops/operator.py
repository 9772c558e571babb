"""What every operator with several kernels has: calls alike are decided once.

Checking arguments, binding them to sizes and choosing a kernel takes as long as a small
convolution, and none of it looks at values. So the first of some eager calls that are alike in all
but values is followed down to what computes it, and the others go straight there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.overrides import has_torch_function

from .follow import Step, followed, following
from .memory import raise_if_out_of_memory
from .remember import ATOMS, numbers

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

Plan: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]  # what computes, and its numbers

MOST = 4096  # calls that one operator remembers
UNKNOWN: Any = object()

# Looked up here, once: these lines run before every call.
_transformed = torch._C._functorch.maybe_current_level
_watched = torch._C._len_torch_dispatch_stack
_traced = torch._C._is_tracing
_autocast = torch._C._is_any_autocast_enabled
_gradients = torch.is_grad_enabled
_strided = torch.strided


def operator(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let an operator remember what it decided, and say in its name when memory runs out.

    It must not look at values before the step that computes its output from its own tensors. Where
    there is no such step, all of its way is gone each time.
    """
    plans: dict[tuple[Any, ...], Plan | None] = {}  # None: all of the way

    @functools.wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            if not _is_plain():
                return function(*args, **kwargs)
            tensors: list[Tensor] = []
            if (key := _key(args, kwargs, tensors)) is None:
                return function(*args, **kwargs)
            if (plan := plans.get(key, UNKNOWN)) is UNKNOWN:
                steps: list[Step] = []
                with following(steps.append):
                    output = function(*args, **kwargs)
                if len(plans) >= MOST:
                    plans.clear()
                plans[key] = _planned(steps, tensors, output)
                return output
            if plan is not None:
                run, rest = plan
                try:
                    output = run(*tensors, *rest)
                    return output
                except RuntimeError:  # going all of the way tells more about it
                    pass
            return function(*args, **kwargs)
        except RuntimeError as error:
            raise_if_out_of_memory(function.__name__, error)
            raise

    return called


def _is_plain() -> bool:
    """Whether nobody compiles, traces, transforms, watches or casts what is computed."""
    return not (
        is_compiling()
        or _transformed() is not None
        or _watched()
        or _autocast()
        or forward_ad._current_level >= 0
        or _traced()
        or followed()
    )


def _key(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: list[Tensor]
) -> tuple[Any, ...] | None:
    """Return all that decides how a call is computed and collect its tensors; None: too special.

    Types count: 1 equals 1.0 and True, which are refused.
    """
    key: list[Any] = [_gradients(), *kwargs]
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind in _TENSORS:
            if value.layout is not _strided:
                return None
            key += value.shape, value.stride(), value.dtype, value.device, value.requires_grad
            tensors.append(value)
        elif kind in ATOMS:
            key += kind, value
        elif (plain := numbers(value)) is not None:
            key.append(plain)
        else:
            return None
    return None if has_torch_function(tensors) else tuple(key)


_TENSORS = frozenset((Tensor, torch.nn.Parameter))


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
