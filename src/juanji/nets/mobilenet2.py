"""MobileNet 2: Inverted Residuals and Linear Bottlenecks, Sandler et al. 2018 (arXiv:1801.04381).

Shortcuts join the maps with few channels; in between the channels are expanded six times, filtered
one by one, and projected back without an activation. The first block does not expand, as in the
paper's table and in torchvision, whose count is the one below.

`width` are the channels behind the stem, 32; the paper's width multiplier is `width / 32`, and the
last 1280 channels only grow with it, also as in the paper. For small images (`small`) stem and
first stride are 1, so that the map shrinks 8 times, not 32.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from ..nn import ConvUnit, InvertedResidualBlock
from .parts import check_counts, classifier, initialize
from .record import Net

# (expansion, output channels at width 32, number of blocks, stride of the first) of each stage
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
STAGES += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def inverted(
    block: Callable[[int, int, int, int], nn.Module],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
) -> nn.Sequential:
    """Stem, seven stages, a last 1x1 convolution, classifier.

    `block` is called with its input and output channels, its stride and its expansion.

    Images (N, in_channels, H, W) of any size give logits (N, classes). Raises ValueError where
    `in_channels`, `classes` or `width` is below 1.
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = ConvUnit(in_channels, width, 3, 1 if small else 2, activation=nn.ReLU6)
    features = width
    for stage, (expansion, channels, depth, stride) in enumerate(STAGES, start=1):
        out_channels = max(1, channels * width // 32)
        blocks = []
        for index in range(depth):
            once = index == 0 and not (small and stage == 2)
            blocks.append(block(features, out_channels, stride if once else 1, expansion))
            features = out_channels
        layers[f"stage{stage}"] = nn.Sequential(*blocks)
    last = max(1280, 1280 * width // 32)
    layers["last"] = ConvUnit(features, last, 1, activation=nn.ReLU6)
    net = nn.Sequential(layers | classifier(last, classes))
    net.apply(initialize)
    return net


def mobilenet2(
    in_channels: int = 3, classes: int = 1000, width: int = 32, small: bool = False
) -> nn.Sequential:
    """MobileNet 2: 17 inverted residual blocks, 3,504,872 weights.

    >>> import torch
    >>> mobilenet2(classes=7, width=8, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """

    def block(features: int, channels: int, stride: int, expansion: int) -> InvertedResidualBlock:
        return InvertedResidualBlock(features, channels, stride, expansion=expansion)

    return inverted(block, in_channels, classes, width, small)


MOBILENET2 = (
    Net(
        mobilenet2,
        "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, "
        "arXiv:1801.04381",
        3_504_872,
        300_000_000,
        "weights: torchvision; multiply-adds: the paper, table 4 (there 3.4 million weights)",
    ),
)
