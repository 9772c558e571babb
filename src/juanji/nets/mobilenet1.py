"""MobileNet: MobileNets, Howard et al. 2017 (arXiv:1704.04861).

A dense 3x3 convolution is replaced by a filter per channel and a 1x1 convolution, which costs
eight to nine times less. After a dense stem there are 13 such blocks and nothing else: no
shortcuts, no pooling but the last. Weights and figures are those of width 1.0 in the paper.

`width` are the channels behind the stem, 32; the paper's width multiplier is `width / 32`. For
small images (`small`) stem and first stride are 1, so that the map shrinks 8 times, not 32.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from ..nn import ConvUnit, DepthwiseSeparableBlock
from .parts import check_counts, classifier, initialize
from .record import Net

# (output channels at width 32, stride) of each block
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
BLOCKS += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def mobilenet(
    block: Callable[[int, int, int], nn.Module],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
) -> nn.Sequential:
    """Stem, 13 blocks, classifier; `block` is called with its input and output channels and stride.

    Images (N, in_channels, H, W) of any size give logits (N, classes). Raises ValueError where
    `in_channels`, `classes` or `width` is below 1.

    >>> import torch
    >>> net = mobilenet(DepthwiseSeparableBlock, 3, 7, width=8, small=True)
    >>> net(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = ConvUnit(in_channels, width, 3, stride=1 if small else 2)
    features = width
    for index, (channels, stride) in enumerate(BLOCKS, start=1):
        out_channels = channels * width // 32
        if small and index == 2:
            stride = 1
        layers[f"block{index}"] = block(features, out_channels, stride)
        features = out_channels
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def mobilenet1(
    in_channels: int = 3, classes: int = 1000, width: int = 32, small: bool = False
) -> nn.Sequential:
    """MobileNet: 13 depthwise separable blocks, 4,231,976 weights."""
    return mobilenet(DepthwiseSeparableBlock, in_channels, classes, width, small)


MOBILENET1 = (
    Net(
        mobilenet1,
        "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
        "Applications, 2017, arXiv:1704.04861",
        4_231_976,
        569_000_000,
        "weights: pytorchcv; multiply-adds: the paper, table 4 (there 4.2 million weights)",
    ),
)
