"""Binding arguments to sizes takes as long as a small convolution: what was bound is remembered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def remembered(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a pure function of numbers and names, or recall what it returned for the same ones.

    What cannot be a key is computed anew: sizes that are symbols, lists, or arguments of a wrong
    type, whose error `function` words.
    """
    if torch.compiler.is_compiling():
        return function(*args, **kwargs)
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind in ATOMS or (kind in _TUPLES and _INTEGERS.issuperset(map(type, value))):
            continue
        if (same := numbers(value)) is None or same != value:  # 1.0 and True equal 1
            return function(*args, **kwargs)
    result: Result = _recall(function, *args, **kwargs)
    return result


@functools.lru_cache(maxsize=4096, typed=True)
def _recall(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    return function(*args, **kwargs)


def numbers(value: Any) -> tuple[Any, ...] | None:
    """Return a list or tuple of integers, however nested, as a tuple; None if it is not one."""
    if type(value) not in _SEQUENCES:
        return None
    if _INTEGERS.issuperset(map(type, value)):
        return tuple(value)
    nested = [x if type(x) is int else numbers(x) for x in value]
    return None if None in nested else tuple(nested)


ATOMS = frozenset((int, str, bool, type(None)))
_TUPLES = frozenset((tuple, torch.Size))
_SEQUENCES = _TUPLES | {list}
_INTEGERS = frozenset((int,))
