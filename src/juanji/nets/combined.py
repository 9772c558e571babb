"""Bottleneck, groups, shuffle and depthwise combined: the open question of the article.

Will the combination of the four become the standard way to save weights? The network is
the CIFAR form of ResNet with bottlenecks, three stages of three, so that each part can be taken
away and the rest measured: `groups=1`, `shuffle=False`, `depthwise=False`.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ..nn import CombinedBlock
from .record import Net
from .resnet import resnet


def combined29(
    in_channels: int = 3,
    classes: int = 10,
    width: int = 16,
    groups: int = 4,
    shuffle: bool = True,
    depthwise: bool = True,
) -> nn.Sequential:
    """ResNet-29 of combined blocks 3-3-3, for small images.

    Images (N, in_channels, H, W) of any size give logits (N, classes).

    Args:
        in_channels: of the images.
        classes: number of logits.
        width: channels of the stem and inside of the first stage's blocks; a multiple of groups.
        groups: of the 1x1 convolutions; 1 for none.
        shuffle: whether the groups are mixed.
        depthwise: whether the 3x3 convolutions are depthwise, else they are dense.

    Raises:
        ValueError: a count is below 1, or the groups do not divide the width.

    >>> import torch
    >>> combined29(in_channels=1)(torch.ones(2, 1, 13, 11)).shape
    torch.Size([2, 10])
    """
    block = partial(CombinedBlock, groups=groups, shuffle=shuffle, depthwise=depthwise)
    return resnet(block, [3, 3, 3], in_channels, classes, width, small=True)


COMBINED = (
    Net(
        combined29,
        "the article's open question; the parts are He et al., 2016, arXiv:1512.03385, and "
        "Zhang et al., 2018, arXiv:1707.01083",
        None,
        None,
        "there is no published network",
        input_size=(3, 32, 32),
    ),
)
