"""bL-ResNet: Big-Little Net, Chen et al. 2019 (arXiv:1807.03848).

What needs many layers is computed at half the size, and a thin, shallow branch at full size keeps
the detail; the two are added once in every stage.

Followed is the authors' code (IBM/BigLittleNet), whose stem has two branches too, and whose counts
round to the paper's. The authors begin with the last normalization of every bottleneck at zero; we
begin at one, as with every network here.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ..nn import BigLittleBlock, ConvUnit, PooledBottleneckBlock
from .parts import check_counts, classifier, initialize
from .record import Net


class BigLittleStem(nn.Module):
    """A strided 3x3 convolution beside a thin branch, added, and a 1x1 convolution.

    Shapes: (N, C, H, W) to (N, C, H/2, W/2), sizes rounded up.

    >>> BigLittleStem(8)(torch.ones(1, 8, 9, 7)).shape
    torch.Size([1, 8, 5, 4])
    """

    def __init__(self, channels: int, alpha: int = 2) -> None:
        super().__init__()
        thin = channels // alpha
        self.big = ConvUnit(channels, channels, 3, 2, activation=None)
        self.little = nn.Sequential(
            ConvUnit(channels, thin, 3),
            ConvUnit(thin, thin, 3, 2),
            ConvUnit(thin, channels, 1, activation=None),
        )
        self.fusion = ConvUnit(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the stem."""
        output: Tensor = self.fusion(torch.relu(self.big(x) + self.little(x)))
        return output


def bl_resnet50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    alpha: int = 2,
    beta: int = 4,
) -> nn.Sequential:
    """bL-ResNet-50 (alpha 2, beta 4): big-little stages 3-4-6, bottlenecks 3; 26,694,568 weights.

    `small`: a 3x3 stem of stride 1.

    >>> import torch
    >>> bl_resnet50(classes=7, width=4, small=True)(torch.ones(2, 3, 9, 7)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width, alpha=alpha, beta=beta)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if small:
        layers["conv1"] = ConvUnit(in_channels, width, 3)
    else:
        layers["conv1"] = ConvUnit(in_channels, width, 7, 2)
        layers["stem"] = BigLittleStem(width, alpha)
    features = width
    for stage, (depth, stride) in enumerate(((3, 2), (4, 2), (6, 1)), start=1):
        channels = width * 2 ** (stage + 1)
        layers[f"layer{stage}"] = BigLittleBlock(features, channels, depth, stride, alpha, beta)
        features = channels
    layers["layer4"] = nn.Sequential(
        PooledBottleneckBlock(features, features // 2, 2),
        PooledBottleneckBlock(2 * features, features // 2),
        PooledBottleneckBlock(2 * features, features // 2),
    )
    net = nn.Sequential(layers | classifier(2 * features, classes))
    net.apply(initialize)
    return net


BIG_LITTLE = (
    Net(
        bl_resnet50,
        "Chen et al., Big-Little Net, 2019, arXiv:1807.03848",
        26_694_568,
        2_850_000_000,
        "the authors' code (the paper says 26.69 million); the paper",
    ),
)
