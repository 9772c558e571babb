"""Which layers are meant: patterns over their names and types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import nn

from ..interop import is_kind
from ..nn.conv import ConvBase
from ..swaps import Swap, parse

One: TypeAlias = str | type | Callable[[nn.Module, str], bool]
Pattern: TypeAlias = One | list[One] | tuple[One, ...]


def layers_of(model: nn.Module, wanted: Callable[[nn.Module], bool]) -> dict[str, nn.Module]:
    """Return the wanted layers of a model by name, shared ones under each of their names.

    What a convolution of `juanji.nn` consists of is a part of it and no layer of the model.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    whole = tuple(f"{name}." for name, module in modules.items() if isinstance(module, ConvBase))
    return {
        name: module
        for name, module in modules.items()
        if wanted(module) and not name.startswith(whole)
    }


def matches(pattern: One, module: nn.Module, name: str) -> bool:
    """Whether one pattern means this layer."""
    if isinstance(pattern, type):
        return is_kind(module, pattern)
    if isinstance(pattern, str):
        if pattern.startswith("re:"):
            return re.fullmatch(pattern[3:], name) is not None
        return fnmatchcase(name, pattern)
    return bool(pattern(module, name))


def select(pattern: Pattern, layers: dict[str, nn.Module], argument: str) -> set[str]:
    """Return the names of the layers that a pattern, or any of a list of patterns, matches.

    Raises:
        TypeError: not a pattern.
        ValueError: a pattern matches nothing.
    """
    patterns = pattern if isinstance(pattern, list | tuple) else [pattern]
    found: set[str] = set()
    for one in patterns:
        if not (isinstance(one, str | type) or callable(one)):
            raise TypeError(
                f"{argument} must be a glob, 're:...', a type, a predicate or a list of these, "
                f"got {one!r}"
            )
        names = {name for name, module in layers.items() if matches(one, module, name)}
        if not names:
            shown = ", ".join(list(layers)[:5]) + (", ..." if len(layers) > 5 else "")
            raise ValueError(
                f"{argument} {one!r} matches none of the {len(layers)} layers ({shown})"
            )
        found |= names
    return found


def choose(
    model: nn.Module, swap: Any, where: Pattern | None, exclude: Pattern | None
) -> tuple[dict[str, nn.Module], dict[str, Swap | None]]:
    """Return the layers that the swaps are about, and the swap that patterns select for each.

    It is None for layers that no pattern selects, or that one says to leave.
    """
    if isinstance(swap, Mapping):
        rules = [(key, None if one is None else as_swap(one)) for key, one in swap.items()]
    else:
        rules = [(None, as_swap(swap))]
    about = [one for _, one in rules if one is not None]
    layers = layers_of(model, lambda layer: any(one.targets(layer) for one in about))
    if "" in layers:
        raise ValueError(
            f"model must have layers to swap, but it is one itself: {model!r}; "
            f"put it into a torch.nn.Sequential, or use from_conv of a layer of juanji.nn"
        )
    chosen: dict[str, Swap | None] = {}
    for pattern, one in rules:
        own = {name: x for name, x in layers.items() if one is None or one.targets(x)}
        for name in own if pattern is None else select(pattern, own, "swap"):
            chosen.setdefault(name, one)
    kept = select(where, layers, "where") if where is not None else set(layers)
    if exclude is not None:
        kept -= select(exclude, layers, "exclude")
    return layers, {name: chosen.get(name) if name in kept else None for name in layers}


def as_swap(swap: Any) -> Swap:
    """Accept a swap record or its command-line form."""
    if isinstance(swap, str):
        return parse(swap)
    if not isinstance(swap, Swap):
        raise TypeError(
            f"swap must be a record of juanji.swaps, its command-line form, or a mapping of "
            f"patterns to these, got {swap!r}"
        )
    return swap
