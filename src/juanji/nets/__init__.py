"""The networks of the papers, each built from juanji's layers and blocks.

>>> sorted(NETS)
['resnet101', 'resnet110', 'resnet152', 'resnet18', 'resnet20', ...]
>>> net = NETS["resnet20"](in_channels=1, classes=10)
>>> NETS["resnet20"].paper
'He et al., Deep Residual Learning for Image Recognition, 2016, arXiv:1512.03385'
"""

from __future__ import annotations

from .record import Net
from .resnet import (
    RESNET,
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

# The names the command line knows (--net resnet20). A record is called as its function is.
NETS: dict[str, Net] = {
    net.name: net
    for net in (
        *RESNET,
    )
}  # fmt: skip

__all__ = [
    "NETS",
    "Net",
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
