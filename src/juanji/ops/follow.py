"""Following a call down to what computes it, to tell of it or to go straight there the next time.

The steps of an operator's way are the candidate that `dispatch` takes and the kernel it calls.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch.compiler import is_compiling


@dataclass(slots=True)
class Step:
    """A function that is called, and what comes out; `told` says why this one, if it was chosen."""

    run: Callable[..., Any]
    arguments: tuple[Any, ...]
    told: str = ""
    output: Any = None


_follower: contextvars.ContextVar[Callable[[Step], object] | None] = contextvars.ContextVar(
    "follower", default=None
)


@contextlib.contextmanager
def following(follower: Callable[[Step], object]) -> Iterator[None]:
    """Hand over every step that is taken meanwhile, before it is."""
    token = _follower.set(follower)
    try:
        yield
    finally:
        _follower.reset(token)


def followed() -> bool:
    """Whether somebody follows."""
    return not is_compiling() and _follower.get() is not None


def take(run: Callable[..., Any], arguments: tuple[Any, ...], told: str = "") -> Any:
    """Take a step."""
    if is_compiling() or (follower := _follower.get()) is None:
        return run(*arguments)
    follower(step := Step(run, arguments, told))
    step.output = run(*arguments)
    return step.output
