"""Binding arguments to sizes takes as long as a small convolution: what was bound is remembered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def remembered(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a pure function of numbers and names, or recall what it returned for the same ones.

    What cannot be a key is computed anew: sizes that are symbols, or arguments of a wrong type,
    whose error `function` words.
    """
    if torch.compiler.is_compiling():
        return function(*args, **kwargs)
    key = _plain((args, tuple(kwargs.items())))
    if key is None:
        return function(*args, **kwargs)
    result: Result = _recall(function, *key)
    return result


@functools.lru_cache(maxsize=4096)
def _recall(function: Callable[..., Result], args: Any, kwargs: Any) -> Result:
    return function(*args, **dict(kwargs))


def _plain(value: Any) -> Any:
    """Turn nested sequences of ints, names and None into tuples; None where there is more.

    Only exact types: True and 1.0 are equal to 1, and would be taken for it.
    """
    if type(value) in (list, tuple):
        items = []
        for item in value:
            if type(item) in _ATOMS:
                items.append(item)
            elif (plain := _plain(item)) is not None:
                items.append(plain)
            else:
                return None
        return tuple(items)
    return None


_ATOMS = {int, str, bool, type(None)}
