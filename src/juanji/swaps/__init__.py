"""The swaps: frozen records, one file per kind; what `juanji.plan` and `convert` apply.

On the command line a swap is its name, a colon and its values: `octave:0.25`,
`octave:0.25,downsample=stride`, `squeeze-excite`.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, fields
from typing import get_type_hints

from .base import Call, Site, Swap, Unsuitable
from .bottleneck import Bottleneck
from .deformable import Deformable
from .dilated import Dilated
from .flattened import Flattened
from .grouped import Grouped, ShuffledGroups
from .interleaved import Interleaved
from .octave import Octave
from .separable import DepthwiseSeparable, SpatiallySeparable
from .squeeze_excite import SqueezeExcite
from .stacked import Stacked3x3
from .stochastic_pool import StochasticPool

__all__ = [
    "SWAPS",
    "Bottleneck",
    "Call",
    "Deformable",
    "DepthwiseSeparable",
    "Dilated",
    "Flattened",
    "Grouped",
    "Interleaved",
    "Octave",
    "ShuffledGroups",
    "Site",
    "SpatiallySeparable",
    "SqueezeExcite",
    "Stacked3x3",
    "StochasticPool",
    "Swap",
    "Unsuitable",
    "parse",
    "spelled",
]

SWAPS: dict[str, type[Swap]] = {
    swap.name: swap
    for swap in (
        Octave,
        DepthwiseSeparable,
        SpatiallySeparable,
        Flattened,
        Grouped,
        ShuffledGroups,
        Interleaved,
        Bottleneck,
        Stacked3x3,
        Dilated,
        Deformable,
        SqueezeExcite,
        StochasticPool,
    )
}


def parse(text: str) -> Swap:
    """Read a swap from its command-line form.

    Raises:
        ValueError: the name is unknown (the message lists the known ones and the nearest), or a
            value is missing, unknown or not of its type.

    >>> parse("octave:0.25"), parse("squeeze-excite")
    (Octave(alpha=0.25, downsample='pool'), SqueezeExcite(reduction=16))
    """
    name, _, values = text.partition(":")
    if name not in SWAPS:
        near = difflib.get_close_matches(name, SWAPS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"swap {name!r} is unknown; known are {', '.join(sorted(SWAPS))}{hint}")
    swap = SWAPS[name]
    known = fields(swap)
    kinds = get_type_hints(swap)
    given = {}
    for position, item in enumerate(values.split(",") if values else []):
        key, equals, value = item.partition("=")
        if not equals:
            key, value = known[position].name if position < len(known) else "", item
        if key not in kinds or key not in {field.name for field in known}:
            raise ValueError(
                f"swap {text!r} has no value {item!r}; {name} takes "
                f"{', '.join(field.name for field in known) or 'none'}"
            )
        kind = kinds[key] if kinds[key] in (int, float) else str
        try:
            given[key] = kind(value)
        except ValueError:
            raise ValueError(
                f"swap {text!r}: {key} must be of type {kind.__name__}, got {value!r}"
            ) from None
    missing = [f.name for f in known if f.default is MISSING and f.name not in given]
    if missing:
        raise ValueError(f"swap {text!r} needs {missing[0]}, written {name}:{missing[0].upper()}")
    return swap(**given)


def spelled(swap: Swap) -> str:
    """Return the command-line form of a swap; values that are defaults are left out.

    >>> spelled(Octave(alpha=0.5)), spelled(Octave(alpha=0.5, downsample="stride"))
    ('octave:0.5', 'octave:0.5,downsample=stride')
    """
    values = []
    for field in fields(swap):
        value = getattr(swap, field.name)
        if field.default is MISSING:
            values.append(f"{value}")
        elif value != field.default:
            values.append(f"{field.name}={value}")
    return swap.name + (":" + ",".join(values) if values else "")
