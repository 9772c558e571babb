"""Xception: Deep Learning with Depthwise Separable Convolutions, Chollet 2017 (arXiv:1610.02357).

Inception taken to its end: every channel has a spatial filter of its own, and a 1x1 convolution
joins them, without an activation in between. Fourteen blocks, all but the first and last two with
shortcuts. The count of weights is the paper's (table 3), to the unit.

`width` are the channels behind the first convolution, 32; all others grow with it. The stem has no
padding, as in the paper. For small images (`small`) it has, and it and the first block keep the
size, so that the map shrinks 8 times, not 32.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvUnit, DepthwiseSeparableConv2d, XceptionBlock
from .parts import check_counts, classifier, initialize
from .record import Net


def xception(
    in_channels: int = 3, classes: int = 1000, width: int = 32, small: bool = False
) -> nn.Sequential:
    """Xception: 36 convolutional layers in 14 blocks, 22,855,952 weights.

    Images (N, in_channels, H, W) give logits (N, classes).

    >>> import torch
    >>> xception(classes=7, width=4, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)

    def scaled(*channels: int) -> list[int]:
        return [max(1, count * width // 32) for count in channels]

    first, second = scaled(32, 64)
    padding = 1 if small else 0
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem1"] = ConvUnit(in_channels, first, 3, 1 if small else 2, padding)
    layers["stem2"] = ConvUnit(first, second, 3, padding=padding)
    features = second
    entry = [scaled(128, 128), scaled(256, 256), scaled(728, 728)]
    for index, channels in enumerate([*entry, *[scaled(728, 728, 728)] * 8, scaled(728, 1024)]):
        stride = 2 if index in (1, 2, 11) or (index == 0 and not small) else 1
        layers[f"block{index + 1}"] = XceptionBlock(
            features, channels, stride, relu_first=index != 0
        )
        features = channels[-1]
    for index, out_channels in enumerate(scaled(1536, 2048), start=1):
        layers[f"last{index}"] = ConvUnit(features, out_channels, 3, layer=DepthwiseSeparableConv2d)
        features = out_channels
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


XCEPTION = (
    Net(
        xception,
        "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2017, "
        "arXiv:1610.02357",
        22_855_952,
        8_403_630_000,
        "weights: the paper, table 3; multiply-adds: pytorchcv",
        note="pytorchcv counts 46 M more than the products of convolutions and linear layers",
        input_size=(3, 299, 299),
    ),
)
