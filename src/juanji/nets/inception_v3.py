"""Inception version 3: Rethinking the Inception Architecture for Computer Vision, Szegedy et al.
2016 (arXiv:1512.00567).

Large kernels are factorized: 5x5 into two 3x3, 7x7 into 1x7 and 7x1, 3x3 into 1x3 beside 3x1; the
grid is halved by strided convolutions and pooling side by side, so that no layer is a bottleneck.

Followed is the released network, as torchvision and pytorchcv have it (their count of weights): its
first blocks keep one 5x5, and its numbers of channels are not all in the paper. Batch normalization
has epsilon 0.001. With `auxiliary=True` there is one auxiliary classifier, 27,161,264 weights in
all, which is torchvision's documented count.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import (
    ConvUnit,
    InceptionExpandedBlock,
    InceptionFactorizedBlock,
    InceptionReductionBlock,
    InceptionStackedBlock,
)
from .auxiliary import WithAuxiliary
from .parts import check_counts, classifier, initialize
from .record import Net

EPS = 1e-3


def inception_v3(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 32,
    small: bool = False,
    auxiliary: bool = False,
) -> nn.Module:
    """Inception v3: three, four and two blocks at three sizes of the map, 23,834,568 weights.

    `width` is that of the first convolution, and scales all. `small`: a stem of two 3x3
    convolutions of stride 1, for images from 7x7 on; otherwise from 75x75 on. `auxiliary`:
    `WithAuxiliary`, with a classifier behind the last block of 17x17.

    >>> import torch
    >>> inception_v3(classes=7, width=2, small=True)(torch.ones(2, 3, 9, 8)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)

    def scaled(channels: int) -> int:
        return max(1, channels * width // 32)

    layers = stem(in_channels, width, small)
    features = scaled(192)

    def add(name: str, block: nn.Module, out_channels: int) -> None:
        nonlocal features
        layers[name], features = block, out_channels

    for name, pool in (("5b", 32), ("5c", 64), ("5d", 64)):
        channels = map(scaled, (64, 48, 64, 64, 96, pool))
        stacked = InceptionStackedBlock(features, *channels, eps=EPS)
        add(f"mixed{name}", stacked, stacked.out_channels)
    reduction = InceptionReductionBlock(
        features, scaled(384), scaled(96), reduce=scaled(64), eps=EPS
    )
    add("mixed6a", reduction, reduction.out_channels)
    for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        factorized = InceptionFactorizedBlock(features, scaled(192), scaled(inner), eps=EPS)
        add(f"mixed{name}", factorized, factorized.out_channels)
    heads = {"mixed6e": head(features, classes, width, small)} if auxiliary else {}
    reduction = InceptionReductionBlock(
        features, scaled(320), scaled(192), reduce3=scaled(192), reduce=scaled(192), size=7, eps=EPS
    )
    add("mixed7a", reduction, reduction.out_channels)
    for name in ("7b", "7c"):
        channels = map(scaled, (320, 384, 448, 192))
        expanded = InceptionExpandedBlock(features, *channels, eps=EPS)
        add(f"mixed{name}", expanded, expanded.out_channels)
    end = classifier(features, classes)
    end["dropout"] = nn.Dropout()
    end.move_to_end("fc")

    body = nn.Sequential(layers | end)
    net = WithAuxiliary(body, heads) if auxiliary else body
    net.apply(initialize)
    return net


def stem(in_channels: int, width: int, small: bool) -> OrderedDict[str, nn.Module]:
    """Return what comes before the Inception blocks: 299x299 images to 35x35 maps."""
    if small:
        return OrderedDict(
            conv1=ConvUnit(in_channels, 2 * width, 3, eps=EPS),
            conv2=ConvUnit(2 * width, 6 * width, 3, eps=EPS),
        )
    narrow = max(1, width * 5 // 2)
    return OrderedDict(
        conv1=ConvUnit(in_channels, width, 3, 2, padding=0, eps=EPS),
        conv2=ConvUnit(width, width, 3, padding=0, eps=EPS),
        conv3=ConvUnit(width, 2 * width, 3, eps=EPS),
        pool1=nn.MaxPool2d(3, 2),
        conv4=ConvUnit(2 * width, narrow, 1, eps=EPS),
        conv5=ConvUnit(narrow, 6 * width, 3, padding=0, eps=EPS),
        pool2=nn.MaxPool2d(3, 2),
    )


def head(features: int, classes: int, width: int, small: bool) -> nn.Sequential:
    """Return the auxiliary classifier."""
    return nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(5) if small else nn.AvgPool2d(5, 3),
            conv1=ConvUnit(features, 4 * width, 1, eps=EPS),
            conv2=ConvUnit(4 * width, 24 * width, 5, padding=0, eps=EPS),
        )
        | classifier(24 * width, classes)
    )


INCEPTION_V3 = (
    Net(
        inception_v3,
        "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, "
        "arXiv:1512.00567",
        23_834_568,
        5_713_000_000,
        "pytorchcv; torchvision's documentation",
        "torchvision counts the weights of its auxiliary classifier too, 27,161,264",
        input_size=(3, 299, 299),
    ),
)
