"""ResNeXt: Aggregated Residual Transformations for Deep Neural Networks, Xie et al. 2017
(arXiv:1611.05431).

The same transformation 32 times side by side, each on four channels: cardinality as a third
dimension besides depth and width. As one grouped convolution, it is a ResNet with wider, grouped
bottlenecks.

Followed is torchvision (its count of weights and its names of parameters); pytorchcv is the same.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ..nn import ResNeXtBlock
from .record import Net
from .resnet import resnet


def resnext50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    cardinality: int = 32,
    group_width: int = 4,
) -> nn.Sequential:
    """ResNeXt-50 (32x4d): grouped bottlenecks 3-4-6-3, 25,028,904 weights.

    `group_width` is that of the first stage at `width` 64; a smaller `width` makes the groups
    narrower: it must be a multiple of 64 / `group_width`.

    >>> import torch
    >>> resnext50(classes=7, width=16, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    block = partial(ResNeXtBlock, cardinality=cardinality, group_width=group_width)
    return resnet(block, [3, 4, 6, 3], in_channels, classes, width, small)


RESNEXT = (
    Net(
        resnext50,
        "Xie et al., Aggregated Residual Transformations for Deep Neural Networks, 2017, "
        "arXiv:1611.05431",
        25_028_904,
        4_230_000_000,
        "torchvision's documentation",
    ),
)
