"""What the networks share: checks of their arguments, initial weights, the classifier."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from .. import interop
from ..nn import DeformConv2d, OctaveConv2d


def check_counts(**counts: float) -> None:
    """Refuse a count below one, by its name.

    Raises:
        ValueError: a count is below 1.
    """
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def initialize(module: nn.Module) -> None:
    """Draw a convolution's weights from N(0, 2 / fan_out), bias zero; for `nn.Module.apply`.

    Source: He et al., "Delving Deep into Rectifiers", 2015, arXiv:1502.01852, equation 14.
    """
    if isinstance(module, DeformConv2d):
        module.reset_parameters()  # its filters, which came before it, have to start at zero
    if interop.is_conv(module) or isinstance(module, OctaveConv2d | DeformConv2d):
        conv: Any = module
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


def classifier(features: int, classes: int) -> OrderedDict[str, nn.Module]:
    """Return the end of most networks: global average, one linear layer."""
    return OrderedDict(
        avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(features, classes)
    )
