"""IGCNet: Interleaved Group Convolutions, Zhang et al. 2017 (arXiv:1707.02725).

A spatial convolution in L groups of M channels, then a 1x1 convolution in M groups, each of which
takes one channel from every group of the first: together dense, and wider for the same price.
Two forms, as in the authors' code (github.com/hellozting/InterleavedGroupConvolutions):

- for CIFAR a plain stack: stem, three stages of six blocks, each of which doubles M (IGC-L24M2);
- for ImageNet ResNet-18 with interleaved blocks and shortcuts, where stages double L, and the
  shortcuts' projections are grouped (IGC-L100M2+Ident).

`width` is L, of the first stage where it changes; M is 2 there. With the same weights,
`igcnet18` gives the outputs of the authors' model, but for its normalizations' epsilon, 2e-5.

Ours count everything. The paper's 8.61 M weights of the ImageNet form are without normalization
(30,200), its 1.3 G multiply-adds are rounded. Of the CIFAR form there is no exact count.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import nn

from ..nn import ConvUnit, InterleavedGroupBlock, InterleavedResidualBlock
from .parts import check_counts, classifier, initialize
from .record import Net
from .resnet import resnet


def igcnet20(in_channels: int = 3, classes: int = 10, width: int = 24) -> nn.Sequential:
    """IGC-L24M2 for CIFAR: 18 blocks in three stages, 155,962 weights.

    Images (N, in_channels, H, W) of any size give logits (N, classes).

    >>> import torch
    >>> igcnet20(in_channels=1, width=4)(torch.ones(2, 1, 13, 11)).shape
    torch.Size([2, 10])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    features = 2 * width
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=ConvUnit(in_channels, features, 3))
    block = partial(InterleavedGroupBlock, primary_groups=width)
    for stage in range(3):
        channels = 2 * width * 2**stage
        blocks = []
        for _ in range(6):
            blocks.append(block(features, channels, 1 if features == channels else 2))
            features = channels
        layers[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def igcnet18(
    in_channels: int = 3, classes: int = 1000, width: int = 100, small: bool = False
) -> nn.Sequential:
    """IGC-L100M2 with identity shortcuts for ImageNet: eight residual blocks, 8,637,900 weights.

    Images (N, in_channels, H, W) of any size give logits (N, classes). `small`: the stem is one 3x3
    convolution of stride 1.

    >>> import torch
    >>> igcnet18(classes=7, width=4, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """

    def block(features: int, groups: int, stride: int) -> InterleavedResidualBlock:
        return InterleavedResidualBlock(features, 2 * groups, stride, primary_groups=groups)

    return resnet(block, [2, 2, 2, 2], in_channels, classes, width, small)


PAPER = (
    "Zhang et al., Interleaved Group Convolutions for Deep Neural Networks, 2017, arXiv:1707.02725"
)
IGCNET = (
    Net(igcnet20, PAPER, None, None, "the authors' code", input_size=(3, 32, 32)),
    Net(
        igcnet18,
        PAPER,
        8_637_900,
        None,
        "weights: the layers of the authors' code; the authors' table says 8.61 M and 1.3 G",
        note="their 8.61 M are without the normalizations' 30,200; 1.3 G is rounded up",
    ),
)
