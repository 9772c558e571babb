"""ELASTIC: Improving CNNs with Dynamic Scaling Policies, Wang et al. 2019 (arXiv:1812.05262).

Half of every block works at half the size, so that the network learns for each image how much to
do at which scale; what that saves pays for more blocks at the larger sizes: 6-8-5-3 in place of
3-4-6-3.

Followed is the authors' code (allenai/elastic), in which the blocks with a stride and the last
stage work at full size in both paths. The authors publish ResNeXt-50; ELASTIC-ResNet-50 is built by
the same rule from ungrouped bottlenecks, each path with half the channels of ResNet's. The authors
begin with the last normalization of every block at zero; we begin at one. With the same
weights, `elastic_resnext50` gives the outputs of their code, at odd sizes too.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvUnit, ElasticBlock
from .parts import check_counts, classifier, initialize
from .record import Net


def elastic_resnet(
    paths: float,
    groups: int,
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
) -> nn.Sequential:
    """Four stages of `ElasticBlock`, whose paths have `paths` times the inner channels of ResNet.

    `small`: a 3x3 stem of stride 1, without max pooling.
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = ConvUnit(in_channels, width, 3)
    else:
        layers["conv1"] = ConvUnit(in_channels, width, 7, 2)
        layers["maxpool"] = nn.MaxPool2d(3, 2, padding=1)
    features = width
    for stage, depth in enumerate((6, 8, 5, 3), start=1):
        channels = width * 2 ** (stage - 1)
        blocks = nn.Sequential()
        for index in range(depth):
            stride = 2 if stage > 1 and index == 0 else 1
            blocks.append(
                ElasticBlock(
                    features, int(channels * paths), 4 * channels, stride, groups, elastic=stage < 4
                )
            )
            features = 4 * channels
        layers[f"layer{stage}"] = blocks
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def elastic_resnet50(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ELASTIC-ResNet-50: blocks 6-8-5-3 of two paths, 20,057,384 weights; `width` is even.

    >>> import torch
    >>> elastic_resnet50(classes=7, width=4, small=True)(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 7])
    """
    return elastic_resnet(0.5, 1, in_channels, classes, width, small)


def elastic_resnext50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    cardinality: int = 32,
) -> nn.Sequential:
    """ELASTIC-ResNeXt-50: blocks 6-8-5-3 of two paths, 25,246,504 weights.

    Each path has half of the `cardinality` groups.

    >>> import torch
    >>> net = elastic_resnext50(classes=7, width=4, small=True, cardinality=4)
    >>> net(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 7])
    """
    return elastic_resnet(1, cardinality // 2, in_channels, classes, width, small)


PAPER = "Wang et al., ELASTIC: Improving CNNs with Dynamic Scaling Policies, 2019, arXiv:1812.05262"

ELASTIC = (
    Net(
        elastic_resnet50,
        PAPER,
        None,
        None,
        "",
        "the paper applies its rule to ResNeXt-50, not to ResNet-50",
    ),
    Net(
        elastic_resnext50,
        PAPER,
        25_246_504,
        4_200_000_000,
        "the authors' code (the paper says 25.2 million); the paper",
    ),
)
