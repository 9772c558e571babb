"""AlexNet: the network that began it, Krizhevsky, Sutskever and Hinton 2012, and its 2014 form.

Five convolutions, the first with large windows and strides, and three fully connected layers.

- `alexnet` is the one-column network of "One weird trick for parallelizing convolutional neural
  networks", Krizhevsky 2014 (arXiv:1404.5997), without local response normalization, as torchvision
  has it (its count of weights) and pytorchcv as "alexnetb".
- `alexnet_grouped` is the network of 2012, whose second, fourth and fifth convolutions have two
  groups, each on a device of its own, with local response normalization behind the first two. The
  paper says 60 million weights; 60,965,224 is the count of Caffe's bvlc_alexnet. The images are
  227x227, which is what the paper's numbers fit to; it writes 224x224. With `groups=1` it is
  pytorchcv's "alexnet".

Dropout is before the first two fully connected layers, as in torchvision.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvUnit
from .parts import check_counts, classifier, initialize
from .record import Net


def fully_connected(features: int, hidden: int, classes: int) -> OrderedDict[str, nn.Module]:
    """Return three fully connected layers, with dropout before the first two."""
    return OrderedDict(
        flatten=nn.Flatten(),
        dropout1=nn.Dropout(),
        fc1=nn.Linear(features, hidden),
        relu1=nn.ReLU(),
        dropout2=nn.Dropout(),
        fc2=nn.Linear(hidden, hidden),
        relu2=nn.ReLU(),
        fc3=nn.Linear(hidden, classes),
    )


def alexnet(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """AlexNet of 2014, one column: `width`, 3, 6, 4, 4 `width` channels; 61,100,840 weights.

    `small`: a 3x3 stem of stride 1, pooling that keeps at least one cell, and a global average and
    one linear layer in place of the fully connected ones. Otherwise images of 63x63 or more.

    >>> import torch
    >>> alexnet(classes=7, width=4, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    padding = 1 if small else 0
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = ConvUnit(in_channels, width, 3, normalize=False)
    else:
        layers["conv1"] = ConvUnit(in_channels, width, 11, 4, padding=2, normalize=False)
    layers["pool1"] = nn.MaxPool2d(3, 2, padding)
    layers["conv2"] = ConvUnit(width, 3 * width, 5, normalize=False)
    layers["pool2"] = nn.MaxPool2d(3, 2, padding)
    layers["conv3"] = ConvUnit(3 * width, 6 * width, 3, normalize=False)
    layers["conv4"] = ConvUnit(6 * width, 4 * width, 3, normalize=False)
    layers["conv5"] = ConvUnit(4 * width, 4 * width, 3, normalize=False)
    layers["pool5"] = nn.MaxPool2d(3, 2, padding)
    if small:
        layers |= classifier(4 * width, classes)
    else:
        layers["avgpool"] = nn.AdaptiveAvgPool2d(6)
        layers |= fully_connected(4 * width * 6 * 6, 64 * width, classes)
    net = nn.Sequential(layers)
    net.apply(initialize)
    return net


def alexnet_grouped(
    in_channels: int = 3, classes: int = 1000, width: int = 96, groups: int = 2
) -> nn.Sequential:
    """AlexNet of 2012, two columns: `width`, 8/3, 4, 4, 8/3 `width` channels; 60,965,224 weights.

    `width` must be a multiple of 3 * `groups`; images of 67x67 or more.

    >>> import torch
    >>> alexnet_grouped(classes=7, width=6)(torch.ones(1, 3, 67, 67)).shape
    torch.Size([1, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width, groups=groups)
    if width % (3 * groups):
        raise ValueError(f"width must be a multiple of 3 * groups = {3 * groups}, got {width}")
    two = width * 8 // 3

    def normalization() -> nn.Module:
        return nn.LocalResponseNorm(5, k=2.0)

    net = nn.Sequential(
        OrderedDict(
            conv1=ConvUnit(in_channels, width, 11, 4, padding=0, normalize=False),
            norm1=normalization(),
            pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv2=ConvUnit(width, two, 5, normalize=False, groups=groups),
            norm2=normalization(),
            pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv3=ConvUnit(two, 4 * width, 3, normalize=False),
            conv4=ConvUnit(4 * width, 4 * width, 3, normalize=False, groups=groups),
            conv5=ConvUnit(4 * width, two, 3, normalize=False, groups=groups),
            pool5=nn.MaxPool2d(3, 2, ceil_mode=True),
            avgpool=nn.AdaptiveAvgPool2d(6),
        )
        | fully_connected(two * 6 * 6, width * 128 // 3, classes)
    )
    net.apply(initialize)
    return net


ALEXNET = (
    Net(
        alexnet,
        "Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014, "
        "arXiv:1404.5997",
        61_100_840,
        714_000_000,
        "torchvision's documentation",
    ),
    Net(
        alexnet_grouped,
        "Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012",
        60_965_224,
        727_000_000,
        "Caffe's bvlc_alexnet; the multiply-adds as in Albanie's convnet-burden",
        "convnet-burden counts pooling and normalization too",
        input_size=(3, 227, 227),
    ),
)
