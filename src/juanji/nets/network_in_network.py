"""Network in Network: Lin, Chen and Yan 2014 (arXiv:1312.4400).

Behind every convolution come 1x1 convolutions, a small network that sees one place; at the end, a
map for each class is averaged, and there is no fully connected layer.

The form is the one for CIFAR, with the channels of the authors' released configuration, which
pytorchcv follows too (its count of weights). The images may have any size.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvUnit
from .parts import check_counts, initialize
from .record import Net


def network_in_network(in_channels: int = 3, classes: int = 10, width: int = 192) -> nn.Sequential:
    """Network in Network for CIFAR: three stages of `width` channels, 966,986 weights.

    Inside the first stage there are 5/6 and 1/2 of `width` channels.

    >>> import torch
    >>> network_in_network(in_channels=1)(torch.ones(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    narrower, half = max(1, width * 5 // 6), max(1, width // 2)

    def stage(channels: int, kernel_size: int, one: int, two: int, three: int) -> nn.Sequential:
        return nn.Sequential(
            ConvUnit(channels, one, kernel_size, normalize=False),
            ConvUnit(one, two, 1, normalize=False),
            ConvUnit(two, three, 1, normalize=False),
        )

    net = nn.Sequential(
        OrderedDict(
            stage1=stage(in_channels, 5, width, narrower, half),
            pool1=nn.MaxPool2d(3, 2, padding=1),
            dropout1=nn.Dropout(),
            stage2=stage(half, 5, width, width, width),
            pool2=nn.AvgPool2d(3, 2, padding=1),
            dropout2=nn.Dropout(),
            stage3=stage(width, 3, width, width, classes),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
        )
    )
    net.apply(initialize)
    return net


NETWORK_IN_NETWORK = (
    Net(
        network_in_network,
        "Lin et al., Network in Network, 2014, arXiv:1312.4400",
        966_986,
        None,
        "pytorchcv's nin_cifar10",
        input_size=(3, 32, 32),
    ),
)
