"""Every network of `juanji.nets`, small: arguments and an input that make a pass cheap."""

from __future__ import annotations

from typing import Any

# name -> (arguments of the function, shape of an input without the batch)
SMALL: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "resnet18": ({"width": 4}, (3, 65, 49)),
    "resnet34": ({"width": 4}, (3, 65, 49)),
    "resnet50": ({"width": 4}, (3, 65, 49)),
    "resnet101": ({"width": 2}, (3, 65, 49)),
    "resnet152": ({"width": 2}, (3, 65, 49)),
    "resnet20": ({"width": 4}, (3, 13, 11)),
    "resnet32": ({"width": 4}, (3, 13, 11)),
    "resnet56": ({"width": 4}, (3, 13, 11)),
    "resnet110": ({"width": 4}, (3, 13, 11)),
}
