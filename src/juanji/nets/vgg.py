"""VGG: Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan and Zisserman
2015 (arXiv:1409.1556).

Nothing but 3x3 convolutions, stacked, so that two see what a 5x5 sees and three what a 7x7 sees;
five stages, each followed by max pooling, and three fully connected layers. The paper's
configurations A, B, D and E are 11, 13, 16 and 19 layers deep.

The counts are torchvision's and pytorchcv's, which agree with the paper's 133, 133, 138 and 144
million. With `normalize=True` the convolutions get batch normalization in place of their bias,
which the paper does not have; pytorchcv calls it "bn_vgg".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from ..nn import StackedBlock
from .alexnet import fully_connected
from .parts import check_counts, classifier, initialize
from .record import Net


def vgg(
    depths: Sequence[int],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
    normalize: bool,
) -> nn.Sequential:
    """Five stages of `depths` convolutions, with 1, 2, 4, 8, 8 times `width` channels.

    `small`: the pooling keeps at least one cell, and a global average and one linear layer stand in
    place of the fully connected ones. Otherwise images of 32x32 or more.
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    features = in_channels
    for stage, (depth, factor) in enumerate(zip(depths, (1, 2, 4, 8, 8), strict=True), start=1):
        block = StackedBlock(features, factor * width, depth, normalize=normalize)
        layers[f"stage{stage}"] = block
        layers[f"pool{stage}"] = nn.MaxPool2d(2, ceil_mode=small)
        features = factor * width
    if small:
        layers |= classifier(features, classes)
    else:
        layers["avgpool"] = nn.AdaptiveAvgPool2d(7)
        layers |= fully_connected(features * 7 * 7, 64 * width, classes)
    net = nn.Sequential(layers)
    net.apply(initialize)
    return net


def vgg11(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Sequential:
    """VGG-11, configuration A: 1-1-2-2-2 convolutions, 132,863,336 weights.

    >>> import torch
    >>> vgg11(classes=7, width=4, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    return vgg([1, 1, 2, 2, 2], in_channels, classes, width, small, normalize)


def vgg13(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Sequential:
    """VGG-13, configuration B: 2-2-2-2-2 convolutions, 133,047,848 weights."""
    return vgg([2, 2, 2, 2, 2], in_channels, classes, width, small, normalize)


def vgg16(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Sequential:
    """VGG-16, configuration D: 2-2-3-3-3 convolutions, 138,357,544 weights."""
    return vgg([2, 2, 3, 3, 3], in_channels, classes, width, small, normalize)


def vgg19(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Sequential:
    """VGG-19, configuration E: 2-2-4-4-4 convolutions, 143,667,240 weights."""
    return vgg([2, 2, 4, 4, 4], in_channels, classes, width, small, normalize)


PAPER = (
    "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
    "2015, arXiv:1409.1556"
)
TORCHVISION = "torchvision's documentation"

VGG = (
    Net(vgg11, PAPER, 132_863_336, 7_609_000_000, TORCHVISION),
    Net(vgg13, PAPER, 133_047_848, 11_308_000_000, TORCHVISION),
    Net(vgg16, PAPER, 138_357_544, 15_470_000_000, TORCHVISION),
    Net(vgg19, PAPER, 143_667_240, 19_632_000_000, TORCHVISION),
)
