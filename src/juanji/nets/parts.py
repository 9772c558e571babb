"""What the networks share: checks of their arguments, initial weights, the classifier."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from .. import interop


def check_counts(**counts: float) -> None:
    """Refuse a count below one, by its name.

    Raises:
        ValueError: a count is below 1.
    """
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def initialize(module: nn.Module) -> None:
    """Draw a convolution's weights from N(0, 2 / fan_out), for `nn.Module.apply`.

    Source: He et al., "Delving Deep into Rectifiers", 2015, arXiv:1502.01852, equation 14.
    """
    if interop.is_conv(module):
        conv: Any = module
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")


def classifier(features: int, classes: int) -> OrderedDict[str, nn.Module]:
    """Return the end of most networks: global average, one linear layer."""
    return OrderedDict(
        avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(features, classes)
    )
