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
        if kind in _ATOMS or (kind in _TUPLES and _INTEGERS.issuperset(map(type, value))):
            continue
        if not _is_plain(value):
            return function(*args, **kwargs)
    result: Result = _recall(function, *args, **kwargs)
    return result


@functools.lru_cache(maxsize=4096, typed=True)
def _recall(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    return function(*args, **kwargs)


def _is_plain(value: Any) -> bool:
    """Whether a tuple equals another only if both mean the same: 1.0 and True equal 1."""
    if type(value) not in _TUPLES:
        return False
    return all(type(x) is int or _is_plain(x) for x in value)


_ATOMS = frozenset((int, str, bool, type(None)))
_TUPLES = frozenset((tuple, torch.Size))
_INTEGERS = frozenset((int,))
