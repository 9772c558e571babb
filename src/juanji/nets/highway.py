"""Highway network: Training Very Deep Networks, Srivastava, Greff and Schmidhuber 2015
(arXiv:1507.06228).

Gates, learned for every cell, decide whether a layer transforms what it is given or lets it pass,
so that deep networks train from the start.

The paper's convolutional networks take their shape from FitNets (Romero et al. 2015,
arXiv:1412.6550) without listing their layers. This is Highway B with the channels of FitNet 4: five
layers of 32, 32, 32, 48, 48 channels, six of 80 and six of 128, max pooling behind each stage, and
a 1x1 convolution with a global average at the end, as the paper has in its second comparison. A
layer whose width changes is a plain convolution. The paper says about 2.3 million weights, which
2,274,186 round to; there is no implementation to compare with to the unit.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from ..nn import Conv2d, ConvUnit, HighwayBlock
from .parts import check_counts, initialize
from .record import Net

STAGES = ((2, 2, 2, 3, 3), (5, 5, 5, 5, 5, 5), (8, 8, 8, 8, 8, 8))  # channels, in 16ths


def highway(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """Highway network for CIFAR: 17 layers of 2 to 8 times `width` channels, 2,274,186 weights.

    >>> import torch
    >>> highway(in_channels=1, width=2)(torch.ones(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    features = in_channels
    for stage, factors in enumerate(STAGES, start=1):
        channels = [features, *(factor * width for factor in factors)]
        layers[f"stage{stage}"] = nn.Sequential(
            *(
                HighwayBlock(after)
                if before == after and (stage, index) != (1, 0)
                else ConvUnit(before, after, 3, normalize=False)
                for index, (before, after) in enumerate(pairwise(channels))
            )
        )
        layers[f"pool{stage}"] = nn.MaxPool2d(2, ceil_mode=True)
        features = channels[-1]
    layers["classes"] = Conv2d(features, classes, 1)
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    net = nn.Sequential(layers)
    net.apply(initialize)
    for module in net.modules():
        if isinstance(module, HighwayBlock):
            module.reset_gate()
    return net


HIGHWAY = (
    Net(
        highway,
        "Srivastava et al., Training Very Deep Networks, 2015, arXiv:1507.06228",
        None,
        None,
        "the paper says about 2.3 million weights",
        "the paper does not list the layers: FitNet 4's, of which it is made",
        input_size=(3, 32, 32),
    ),
)
