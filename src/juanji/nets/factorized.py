"""The factorized network, Wang et al. 2017 (arXiv:1608.04337).

Depthwise separable convolution before it had that name: a filter inside each channel, then a linear
projection across them, with a shortcut around the filter, several in a row in place of one dense
convolution.

The blocks are the paper's; the frame is not: the stem and stages of ResNet-18, whose 3x3
convolutions each become a filter and a projection. So it can be compared with `resnet18`, and its
counts are our own. The paper's two further ideas, projections that only join channels that are
neighbours on a torus (topological subdivisioning) and a spatial bottleneck, are not in it.
"""

from __future__ import annotations

from torch import nn

from ..nn import FactorizedBlock
from .record import Net
from .resnet import resnet


def factorized18(
    in_channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False
) -> nn.Sequential:
    """Eight factorized blocks in the frame of ResNet-18, 1,524,264 weights.

    Images (N, in_channels, H, W) of any size give logits (N, classes). `small`: the stem is one 3x3
    convolution of stride 1.

    >>> import torch
    >>> factorized18(classes=7, width=4, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    return resnet(FactorizedBlock, [2, 2, 2, 2], in_channels, classes, width, small)


FACTORIZED = (
    Net(
        factorized18,
        "Wang et al., Factorized Convolutional Neural Networks, 2017, arXiv:1608.04337",
        None,
        None,
        "there is no published network of this form",
        note="the paper's blocks in the frame of ResNet-18, which is not the paper's",
    ),
)
