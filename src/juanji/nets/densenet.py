"""DenseNet: Densely Connected Convolutional Networks, Huang et al. 2017 (arXiv:1608.06993).

Every layer sees the outputs of all layers before it, concatenated, so that each needs to add few
channels. This is DenseNet-BC: a 1x1 convolution before every 3x3, and transitions that halve the
number of channels.

Followed are torchvision and pytorchcv (their count of weights), which agree with the authors'. The
parameters are named as torchvision's, without the "features." in front, and "fc" for "classifier".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from ..nn import Conv2d, DenseBlock, TransitionBlock
from .parts import check_counts, classifier, initialize
from .record import Net


def densenet(
    depths: Sequence[int], in_channels: int, classes: int, width: int, small: bool
) -> nn.Sequential:
    """Stem, dense blocks of `depths` layers with transitions between them, classifier.

    `width` is the growth rate; the stem has twice as many channels. `small`: a 3x3 stem of stride
    1 without pooling, and transitions that keep at least one cell; otherwise images from 29x29 on.
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    features = 2 * width
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv0"] = Conv2d(in_channels, features, 3, padding=1, bias=False)
    else:
        layers["conv0"] = Conv2d(in_channels, features, 7, stride=2, padding=3, bias=False)
    layers["norm0"] = nn.BatchNorm2d(features)
    layers["relu0"] = nn.ReLU()
    if not small:
        layers["pool0"] = nn.MaxPool2d(3, stride=2, padding=1)
    for index, depth in enumerate(depths, start=1):
        block = DenseBlock(features, depth, width)
        layers[f"denseblock{index}"], features = block, block.out_channels
        if index < len(depths):
            transition = TransitionBlock(features, features // 2, ceil_mode=small)
            layers[f"transition{index}"], features = transition, features // 2
    layers["norm5"] = nn.BatchNorm2d(features)
    layers["relu5"] = nn.ReLU()
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def densenet121(
    in_channels: int = 3, classes: int = 1000, width: int = 32, small: bool = False
) -> nn.Sequential:
    """DenseNet-121: dense blocks 6-12-24-16, 7,978,856 weights.

    >>> import torch
    >>> densenet121(classes=7, width=2, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    return densenet([6, 12, 24, 16], in_channels, classes, width, small)


def densenet169(
    in_channels: int = 3, classes: int = 1000, width: int = 32, small: bool = False
) -> nn.Sequential:
    """DenseNet-169: dense blocks 6-12-32-32, 14,149,480 weights."""
    return densenet([6, 12, 32, 32], in_channels, classes, width, small)


PAPER = "Huang et al., Densely Connected Convolutional Networks, 2017, arXiv:1608.06993"
TORCHVISION = "torchvision's documentation"

DENSENET = (
    Net(densenet121, PAPER, 7_978_856, 2_834_000_000, TORCHVISION),
    Net(densenet169, PAPER, 14_149_480, 3_360_000_000, TORCHVISION),
)
