"""GoogLeNet (Inception version 1): Going Deeper with Convolutions, Szegedy et al. 2015
(arXiv:1409.4842).

Windows of several sizes side by side in nine Inception blocks, with 1x1 convolutions that keep them
cheap, and a global average in place of large fully connected layers.

Two forms:

- by default torchvision's: batch normalization (epsilon 0.001) and, as in the weights that are in
  use, 3x3 where the paper has 5x5; 6,624,904 weights without auxiliary classifiers. With
  `auxiliary=True` there are two, 13,004,888 weights in all.
- with `original=True` the paper's: 5x5 convolutions, biases, local response normalization;
  6,998,552 weights, as Caffe's bvlc_googlenet has.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from ..nn import ConvUnit, InceptionBlock
from .auxiliary import WithAuxiliary
from .parts import check_counts, classifier, initialize
from .record import Net

# The paper's table 1: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pooled.
BLOCKS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    original: bool = False,
    auxiliary: bool = False,
) -> nn.Module:
    """GoogLeNet: nine Inception blocks, 6,624,904 weights.

    `width` is that of the stem, and scales all. `small`: a 3x3 stem of stride 1 without pooling,
    for images from 8x8 on. `auxiliary`: `WithAuxiliary`, with classifiers behind blocks 4a and 4d.

    >>> import torch
    >>> googlenet(classes=7, width=4, small=True)(torch.ones(2, 3, 9, 8)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    options: dict[str, Any] = {"normalize": False} if original else {"eps": 1e-3}

    def scaled(channels: int) -> int:
        return max(1, channels * width // 64)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = ConvUnit(in_channels, scaled(192), 3, **options)
    else:
        layers["conv1"] = ConvUnit(in_channels, width, 7, stride=2, **options)
        layers["pool1"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        if original:
            layers["norm1"] = nn.LocalResponseNorm(5)
        layers["conv2"] = ConvUnit(width, width, 1, **options)
        layers["conv3"] = ConvUnit(width, scaled(192), 3, **options)
        if original:
            layers["norm2"] = nn.LocalResponseNorm(5)
        layers["pool2"] = nn.MaxPool2d(3, 2, ceil_mode=True)

    features, heads = scaled(192), {}
    for name, channels in BLOCKS.items():
        if name in ("inception4a", "inception5a"):
            size = 3 if name == "inception4a" or original else 2
            layers["pool" + name[-2]] = nn.MaxPool2d(size, 2, ceil_mode=True)
        numbers = map(scaled, channels)
        block = InceptionBlock(features, *numbers, large=5 if original else 3, **options)
        layers[name], features = block, block.out_channels
        if auxiliary and name in ("inception4a", "inception4d"):
            heads[name] = head(features, classes, scaled, options)
    end = classifier(features, classes)
    end["dropout"] = nn.Dropout(0.4 if original else 0.2)
    end.move_to_end("fc")

    body = nn.Sequential(layers | end)
    net = WithAuxiliary(body, heads) if auxiliary else body
    net.apply(initialize)
    return net


def head(features: int, classes: int, scaled: Any, options: dict[str, Any]) -> nn.Sequential:
    """Return an auxiliary classifier."""
    return nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(4),
            conv=ConvUnit(features, scaled(128), 1, **options),
            flatten=nn.Flatten(),
            fc1=nn.Linear(scaled(128) * 16, scaled(1024)),
            relu=nn.ReLU(),
            dropout=nn.Dropout(0.7),
            fc2=nn.Linear(scaled(1024), classes),
        )
    )


GOOGLENET = (
    Net(
        googlenet,
        "Szegedy et al., Going Deeper with Convolutions, 2015, arXiv:1409.4842",
        6_624_904,
        1_498_000_000,
        "torchvision's documentation",
        "3x3 where the paper has 5x5, and batch normalization; original=True is the paper's",
    ),
)
