"""The networks of the papers, each built from plain torch.nn layers.

>>> sorted(NETS)
['resnet101', 'resnet110', 'resnet152', 'resnet18', 'resnet20', ...]
>>> net = NETS["resnet20"](in_channels=1, classes=10)
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from juanji.nets.resnet import (
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)

# The names the command line knows (--net resnet20). Every function takes in_channels and classes.
NETS: dict[str, Callable[..., nn.Module]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet56": resnet56,
    "resnet110": resnet110,
}

__all__ = [
    "NETS",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
]
