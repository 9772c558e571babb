"""ResNet: Deep Residual Learning for Image Recognition, He et al. 2016 (arXiv:1512.03385).

A stack of layers learns what to add to its input instead of the whole map, so that depth does not
hurt. Two forms, as in the paper:

- for ImageNet, four stages behind a 7x7 stem: 18 and 34 of basic blocks, 50, 101 and 152 of
  bottlenecks;
- for CIFAR, three stages of basic blocks behind a 3x3 stem: 20, 32, 56 and 110.

Each stage halves the map and doubles the channels. Where a block changes the shape, its shortcut
is a projection, 1x1 (the paper's option B), in the CIFAR form too, where the paper pads with zeros.
A bottleneck strides in its 3x3 convolution, as torchvision and most released weights do; the paper
strides in the first 1x1. The counts of weights are the same; those below are at the defaults, and
are torchvision's (ImageNet) and pytorchcv's (CIFAR).

A network is a plain `nn.Sequential` of named parts, so `net[:-3]` gives the feature maps. The
parameters are named as in torchvision, so its state dicts load into the ImageNet form as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from ..nn import BasicBlock, BottleneckBlock, Conv2d, FactorizedBlock, ResidualBlock
from .parts import check_counts, classifier, initialize
from .record import Net


def resnet(
    block: Callable[[int, int, int], ResidualBlock | FactorizedBlock],
    depths: Sequence[int],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
) -> nn.Sequential:
    """Stem, one stage per entry of `depths` (its number of blocks), classifier.

    The stages have `width`, 2 `width`, 4 `width`, ... inner channels; `block` is called with its
    input channels, inner channels and stride, and what it returns tells its `out_channels`.
    `small` is for small images: the stem is one 3x3 convolution of stride 1, without max pooling.

    Images (N, in_channels, H, W) of any size give logits (N, classes). Raises ValueError where
    `in_channels`, `classes` or `width` is below 1.

    >>> import torch
    >>> resnet(BasicBlock, [1, 2], 3, 10, width=8, small=True)(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 10])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = Conv2d(in_channels, width, 3, padding=1, bias=False)
    else:
        layers["conv1"] = Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
    layers["bn1"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU()
    if not small:
        layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)

    features = width
    for stage, depth in enumerate(depths):
        blocks: list[nn.Module] = []
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            added = block(features, width * 2**stage, stride)
            blocks.append(added)
            features = added.out_channels
        layers[f"layer{stage + 1}"] = nn.Sequential(*blocks)

    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def resnet18(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-18: basic blocks 2-2-2-2, 11,689,512 weights.

    >>> import torch
    >>> resnet18(classes=7, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    return resnet(BasicBlock, [2, 2, 2, 2], in_channels, classes, width, small)


def resnet34(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-34: basic blocks 3-4-6-3, 21,797,672 weights."""
    return resnet(BasicBlock, [3, 4, 6, 3], in_channels, classes, width, small)


def resnet50(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-50: bottlenecks 3-4-6-3, 25,557,032 weights."""
    return resnet(BottleneckBlock, [3, 4, 6, 3], in_channels, classes, width, small)


def resnet101(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-101: bottlenecks 3-4-23-3, 44,549,160 weights."""
    return resnet(BottleneckBlock, [3, 4, 23, 3], in_channels, classes, width, small)


def resnet152(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-152: bottlenecks 3-8-36-3, 60,192,808 weights."""
    return resnet(BottleneckBlock, [3, 8, 36, 3], in_channels, classes, width, small)


def resnet20(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """ResNet-20 for CIFAR: basic blocks 3-3-3, 272,474 weights.

    >>> import torch
    >>> resnet20(in_channels=1)(torch.ones(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """
    return resnet(BasicBlock, [3, 3, 3], in_channels, classes, width, small=True)


def resnet32(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """ResNet-32 for CIFAR: basic blocks 5-5-5, 466,906 weights."""
    return resnet(BasicBlock, [5, 5, 5], in_channels, classes, width, small=True)


def resnet56(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """ResNet-56 for CIFAR: basic blocks 9-9-9, 855,770 weights."""
    return resnet(BasicBlock, [9, 9, 9], in_channels, classes, width, small=True)


def resnet110(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """ResNet-110 for CIFAR: basic blocks 18-18-18, 1,730,714 weights."""
    return resnet(BasicBlock, [18, 18, 18], in_channels, classes, width, small=True)


PAPER = "He et al., Deep Residual Learning for Image Recognition, 2016, arXiv:1512.03385"
TORCHVISION = "torchvision's documentation"
PYTORCHCV = "pytorchcv's get_resnet_cifar; the paper rounds to 0.27, 0.46, 0.85 and 1.7 million"
CIFAR = "the paper's counts are without projections"

RESNET = (
    Net(resnet18, PAPER, 11_689_512, 1_814_000_000, TORCHVISION),
    Net(resnet34, PAPER, 21_797_672, 3_664_000_000, TORCHVISION),
    Net(resnet50, PAPER, 25_557_032, 4_089_000_000, TORCHVISION),
    Net(resnet101, PAPER, 44_549_160, 7_801_000_000, TORCHVISION),
    Net(resnet152, PAPER, 60_192_808, 11_514_000_000, TORCHVISION),
    Net(resnet20, PAPER, 272_474, 41_000_000, PYTORCHCV, input_size=(3, 32, 32)),
    Net(resnet32, PAPER, 466_906, 69_000_000, PYTORCHCV, input_size=(3, 32, 32)),
    Net(resnet56, PAPER, 855_770, 126_000_000, PYTORCHCV, input_size=(3, 32, 32)),
    Net(resnet110, PAPER, 1_730_714, 255_000_000, PYTORCHCV, input_size=(3, 32, 32)),
)
