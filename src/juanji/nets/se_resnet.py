"""SE-ResNet: Squeeze-and-Excitation Networks, Hu, Shen and Sun 2018 (arXiv:1709.01507).

At the end of every residual branch, each channel is weighed by a factor that is computed from the
means of all channels.

The weights are those of pytorchcv's "seresnet50b", whose bottlenecks stride in the 3x3 convolution
as our ResNet's do; the paper strides in the first 1x1, which is less arithmetic (3.87 G) and the
same count. Two fully connected layers with biases, reduction 16, as in the paper.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ..nn import BottleneckBlock
from .record import Net
from .resnet import resnet


def se_resnet50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    reduction: int = 16,
) -> nn.Sequential:
    """SE-ResNet-50: bottlenecks 3-4-6-3 with squeeze and excitation, 28,088,024 weights.

    >>> import torch
    >>> se_resnet50(classes=7, width=4, small=True)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 7])
    """
    block = partial(BottleneckBlock, reduction=reduction)
    return resnet(block, [3, 4, 6, 3], in_channels, classes, width, small)


SE_RESNET = (
    Net(
        se_resnet50,
        "Hu et al., Squeeze-and-Excitation Networks, 2018, arXiv:1709.01507",
        28_088_024,
        4_115_780_000,
        "pytorchcv's seresnet50b",
        "pytorchcv counts normalization and activations too; the paper, striding in the first 1x1 "
        "of a bottleneck, says 3.87 G",
    ),
)
