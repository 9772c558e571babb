"""Running out of memory, said the same way by every operator and on every device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SIGNS = ("out of memory", "allocate memory", "not enough memory", "bad_alloc")  # of RuntimeErrors


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; torch has several ways."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)


def memory_checked(operator: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let an operator raise MemoryError where torch's allocator raises a RuntimeError.

    Nothing is kept of what was allocated until then.
    """

    @functools.wraps(operator)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return operator(*args, **kwargs)
        except RuntimeError as error:
            raise_if_out_of_memory(operator.__name__, error)
            raise

    return checked


def raise_if_out_of_memory(operator: str, error: RuntimeError) -> None:
    """Raise MemoryError in the name of an operator if that is what an error means."""
    if is_out_of_memory(error):
        raise MemoryError(f"{operator}: {error}") from None
