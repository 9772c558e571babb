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
    if torch.compiler.is_compiling() or not all(map(_is_plain, (*args, *kwargs.values()))):
        return function(*args, **kwargs)
    result: Result = _recall(function, *args, **kwargs)
    return result


@functools.lru_cache(maxsize=4096, typed=True)
def _recall(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    return function(*args, **kwargs)


def _is_plain(value: Any) -> bool:
    """Whether equal values mean the same: in tuples, 1.0 and True would be taken for 1."""
    if type(value) not in (tuple, torch.Size):
        return type(value) in _ATOMS
    return all(type(item) is int or (type(item) is tuple and _is_plain(item)) for item in value)


_ATOMS = frozenset((int, str, bool, type(None)))
