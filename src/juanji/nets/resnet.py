"""ResNet: Deep Residual Learning for Image Recognition, He et al. 2016 (arXiv:1512.03385).

Two forms, as in the paper:

- for ImageNet, four stages behind a 7x7 stem: 18 and 34 of basic blocks, 50, 101 and 152 of
  bottlenecks;
- for CIFAR, three stages of basic blocks behind a 3x3 stem: 20, 32, 56 and 110.

Each stage halves the map and doubles the channels. Where a block changes the shape, its shortcut
is a projection, 1x1 (the paper's option B), in the CIFAR form too, where the paper pads with zeros.
A bottleneck strides in its 3x3 convolution, as torchvision and most released weights do; the paper
strides in the first 1x1. The counts of weights are the same; those below are at the defaults.

A network is a plain `nn.Sequential` of named parts, so `net[:-3]` gives the feature maps. The
parameters are named as in torchvision, so its state dicts load into the ImageNet form as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, C, H, W) -> (N, channels, H/stride, W/stride).

    >>> BasicBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    expansion = 1  # output channels per inner channel

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut(in_channels, channels, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = self.relu2(y + self.downsample(x))
        return y


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up: (N, C, H, W) -> (N, 4 * channels, H/stride, W/stride).

    >>> Bottleneck(256, 64)(torch.ones(1, 256, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    expansion = 4  # output channels per inner channel

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut(in_channels, out_channels, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y = self.relu3(y + self.downsample(x))
        return y


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity where the shape stays, otherwise a 1x1 projection."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def resnet(
    block: type[BasicBlock] | type[Bottleneck],
    depths: Sequence[int],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
) -> nn.Sequential:
    """Stem, one stage per entry of `depths` (its number of blocks), classifier.

    The stages have `width`, 2 `width`, 4 `width`, ... inner channels. `small` is for small images:
    the stem is one 3x3 convolution of stride 1, without max pooling.

    Images (N, in_channels, H, W) of any size give logits (N, classes). Raises ValueError where
    `in_channels`, `classes` or `width` is below 1.

    >>> resnet(BasicBlock, [1, 2], 3, 10, width=8, small=True)(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 10])
    """
    for name, value in [("in_channels", in_channels), ("classes", classes), ("width", width)]:
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
    else:
        layers["conv1"] = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
    layers["bn1"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU()
    if not small:
        layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)

    features = width
    for stage, depth in enumerate(depths):
        blocks = []
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(block(features, width * 2**stage, stride))
            features = width * 2**stage * block.expansion
        layers[f"layer{stage + 1}"] = nn.Sequential(*blocks)

    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(features, classes)

    net = nn.Sequential(layers)
    net.apply(initialize)
    return net


def initialize(module: nn.Module) -> None:
    """Convolution weights ~ N(0, 2 / fan_out): He et al. 2015 (arXiv:1502.01852), equation 14."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet18(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-18: basic blocks 2-2-2-2, 11,689,512 weights.

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
    return resnet(Bottleneck, [3, 4, 6, 3], in_channels, classes, width, small)


def resnet101(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-101: bottlenecks 3-4-23-3, 44,549,160 weights."""
    return resnet(Bottleneck, [3, 4, 23, 3], in_channels, classes, width, small)


def resnet152(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """ResNet-152: bottlenecks 3-8-36-3, 60,192,808 weights."""
    return resnet(Bottleneck, [3, 8, 36, 3], in_channels, classes, width, small)


def resnet20(in_channels: int = 3, classes: int = 10, width: int = 16) -> nn.Sequential:
    """ResNet-20 for CIFAR: basic blocks 3-3-3, 272,474 weights.

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
