"""juanji (卷积): convolution in all its forms.

Importing this is cheap: a name is loaded when it is first used, torch with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import explore, functional, nets, nn, swaps
    from .analysis import Report, analyze
    from .conversion import Plan, convert, convert_, plan
    from .explanation import Explanation, explain
    from .exporting import export
    from .ops.dispatch import why
    from .ops.native import native_status
    from .study import Comparison, compare

_MODULES = ("explore", "functional", "nets", "nn", "swaps")

_HOMES = {
    "Comparison": "study",
    "Explanation": "explanation",
    "Plan": "conversion",
    "Report": "analysis",
    "analyze": "analysis",
    "compare": "study",
    "convert": "conversion",
    "convert_": "conversion",
    "explain": "explanation",
    "export": "exporting",
    "native_status": "ops.native",
    "plan": "conversion",
    "why": "ops.dispatch",
}

__all__ = [
    "Comparison",
    "Explanation",
    "Plan",
    "Report",
    "analyze",
    "compare",
    "convert",
    "convert_",
    "explain",
    "explore",
    "export",
    "functional",
    "native_status",
    "nets",
    "nn",
    "plan",
    "swaps",
    "why",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
