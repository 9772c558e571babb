"""Memory layouts: contiguous, or with the channels last, in which most convolutions run faster."""

from __future__ import annotations

import torch
from torch import nn

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by number of dimensions


def layouts(dimensions: int) -> dict[str, torch.memory_format]:
    """Return the layouts there are for tensors with so many dimensions.

    >>> sorted(layouts(3)), sorted(layouts(4))
    (['contiguous'], ['channels_last', 'contiguous'])
    """
    result = {"contiguous": torch.contiguous_format}
    if dimensions in CHANNELS_LAST:
        result["channels_last"] = CHANNELS_LAST[dimensions]
    return result


def lay_out(net: nn.Module, layout: torch.memory_format) -> None:
    """Lay the weights of a network out in place."""
    for parameter in net.parameters():
        if layout in (torch.contiguous_format, CHANNELS_LAST.get(parameter.ndim)):
            parameter.data = parameter.data.contiguous(memory_format=layout)
