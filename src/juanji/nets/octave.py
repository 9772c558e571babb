"""OctResNet and OctMobileNet: Drop an Octave, Chen et al. 2019 (arXiv:1904.05049).

Of every map the part `alpha` of the channels is kept at half the resolution, because it changes
slowly there. The networks are the ordinary ones, with the same weights under the same names; their
weights load, and with alpha 0 the outputs are the same. With alpha above 0 the details follow the
authors' code (github.com/facebookresearch/OctConv, `utils/gluon`):

- the stem is ordinary; the octave begins in the first block;
- it ends where the map becomes 7x7, for half of that is too coarse: in ResNet the last stage has
  no low channels, and its first block takes pairs; in MobileNet the octave ends with the last block
  before the stride, in MobileNet 2 it only lives inside of the blocks;
- a stride is taken by averaging first, then convolving, in the last stage too;
- MobileNet 2 has a 1x1 convolution in its first block, which the paper of MobileNet 2 does not have
  (1088 weights more): without it there would be nothing for the octave to begin with.

The paper's table of ResNet-50 (figure 4: 4.1, 3.6, 3.1, 2.4 and 1.9 G multiply-adds at alpha 0,
1/8, 1/4, 1/2 and 3/4) is for blocks with activations first; the sizes, and so the figures, are the
same here.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..nn import (
    OctaveBottleneckBlock,
    OctaveDepthwiseSeparableBlock,
    OctaveInvertedResidualBlock,
)
from ..ops.octave import Alpha, low_channels
from .mobilenet1 import mobilenet
from .mobilenet2 import inverted
from .record import Net
from .resnet import resnet


def octresnet(
    depths: Sequence[int],
    in_channels: int,
    classes: int,
    width: int,
    small: bool,
    alpha: Alpha,
) -> nn.Sequential:
    """ResNet of bottlenecks on pairs in all stages but the last; arguments as `resnet`.

    >>> import torch
    >>> octresnet([1, 1], 3, 10, 8, True, alpha=0.5)(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 10])
    """
    low_channels(alpha, 1)  # checks alpha
    last = len(depths) - 1
    outputs = [0 if stage == last else alpha for stage, n in enumerate(depths) for _ in range(n)]
    alphas = iter(list(zip([0, *outputs[:-1]], outputs, strict=True)))

    def block(features: int, channels: int, stride: int) -> OctaveBottleneckBlock:
        alpha_in, alpha_out = next(alphas)
        return OctaveBottleneckBlock(
            features, channels, stride, alpha_in=alpha_in, alpha_out=alpha_out
        )

    return resnet(block, depths, in_channels, classes, width, small)


def octresnet26(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    alpha: Alpha = 0.25,
) -> nn.Sequential:
    """OctResNet-26: bottlenecks 2-2-2-2, 15,995,176 weights at any alpha."""
    return octresnet([2, 2, 2, 2], in_channels, classes, width, small, alpha)


def octresnet50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    alpha: Alpha = 0.25,
) -> nn.Sequential:
    """OctResNet-50: bottlenecks 3-4-6-3, 25,557,032 weights at any alpha, as `resnet50`.

    >>> import torch
    >>> octresnet50(width=4, small=True, alpha=0.5)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 1000])
    """
    return octresnet([3, 4, 6, 3], in_channels, classes, width, small, alpha)


def octresnet101(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    alpha: Alpha = 0.25,
) -> nn.Sequential:
    """OctResNet-101: bottlenecks 3-4-23-3, 44,549,160 weights at any alpha, as `resnet101`."""
    return octresnet([3, 4, 23, 3], in_channels, classes, width, small, alpha)


def octmobilenet1(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 32,
    small: bool = False,
    alpha: Alpha = 0.5,
) -> nn.Sequential:
    """OctMobileNet: 4,231,976 weights at any alpha, as `mobilenet1`; arguments as there.

    >>> import torch
    >>> octmobilenet1(classes=7, width=8, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    low_channels(alpha, 1)  # checks alpha
    outputs = [alpha] * 10 + [0] * 3
    alphas = iter(list(zip([0, *outputs[:-1]], outputs, strict=True)))

    def block(features: int, channels: int, stride: int) -> OctaveDepthwiseSeparableBlock:
        alpha_in, alpha_out = next(alphas)
        return OctaveDepthwiseSeparableBlock(
            features, channels, stride, alpha_in=alpha_in, alpha_out=alpha_out, pool=alpha != 0
        )

    return mobilenet(block, in_channels, classes, width, small)


def octmobilenet2(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 32,
    small: bool = False,
    alpha: Alpha = 0.375,
) -> nn.Sequential:
    """OctMobileNet 2: 3,505,960 weights at any alpha; arguments as `mobilenet2`.

    >>> import torch
    >>> octmobilenet2(classes=7, width=8, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    low_channels(alpha, 1)  # checks alpha
    alphas = iter([alpha] * 13 + [0] * 4)

    def block(
        features: int, channels: int, stride: int, expansion: int
    ) -> OctaveInvertedResidualBlock:
        return OctaveInvertedResidualBlock(
            features, channels, stride,
            expansion=expansion, alpha=next(alphas), pool=alpha != 0,
        )  # fmt: skip

    return inverted(block, in_channels, classes, width, small)


PAPER = (
    "Chen et al., Drop an Octave: Reducing Spatial Redundancy in Convolutional Neural Networks "
    "with Octave Convolution, 2019, arXiv:1904.05049"
)
MOBILE = (
    "the authors' tool (CalFlops of github.com/Ldpe2G/DeepLearningForFun) also counts every cell "
    "that a pooling averages, the classifier's bias and the stem's ReLU: 0.8 to 0.9 % more; with "
    "them ours give all four figures of the authors' table"
)

OCTAVE = (
    Net(octresnet26, PAPER, 15_995_176, None, "weights: pytorchcv (resnetbc26b)"),
    Net(
        octresnet50,
        PAPER,
        25_557_032,
        3_100_000_000,
        "weights: ResNet-50 of torchvision; multiply-adds: the paper, figure 4, alpha 1/4",
        note="the paper gives two digits",
    ),
    Net(octresnet101, PAPER, 44_549_160, None, "weights: ResNet-101 of torchvision"),
    Net(
        octmobilenet1,
        PAPER,
        4_231_976,
        321_000_000,
        "weights: pytorchcv (mobilenet_w1); multiply-adds: the authors' table, alpha 1/2",
        note=MOBILE,
    ),
    Net(
        octmobilenet2,
        PAPER,
        3_505_960,
        256_000_000,
        "weights: pytorchcv (mobilenetv2_w1) and a bias; multiply-adds: the authors' table, "
        "alpha 3/8",
        note=MOBILE,
    ),
)
