"""ShuffleNet, Zhang et al. 2018 (arXiv:1707.01083).

Where a network is small, its 1x1 convolutions cost most. Grouping them makes them cheap, and a
shuffle of the channels lets the groups know of each other. With more groups the same arithmetic
buys more channels, so each number of groups has its own widths (table 1 of the paper).

`width` are the channels behind the stem, 24, which the paper scales with everything else
(ShuffleNet s x has 24 s); they are rounded to what the groups divide. For small images (`small`)
the stem is one convolution of stride 1, so that the map shrinks 8 times, not 32.

The paper's complexities, 143, 140, 137, 133 and 137 M multiply-adds for 1, 2, 3, 4 and 8 groups,
are without the classifier, which the records add.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvUnit, ShuffleUnit
from .parts import check_counts, classifier, initialize
from .record import Net

CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # of the first stage, by number of groups
DEPTHS = (4, 8, 4)


def shufflenet(
    groups: int, in_channels: int, classes: int, width: int, small: bool
) -> nn.Sequential:
    """Stem, three stages of units, classifier, for any of the paper's numbers of groups.

    Images (N, in_channels, H, W) of any size give logits (N, classes). Raises ValueError where
    there is no such number of groups, or a count is below 1.

    >>> import torch
    >>> shufflenet(4, 3, 7, width=8, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    check_counts(in_channels=in_channels, classes=classes, width=width)
    if groups not in CHANNELS:
        raise ValueError(f"groups must be one of {list(CHANNELS)}, got {groups}")

    def rounded(channels: int, divisor: int) -> int:
        return max(1, round(channels * width / 24 / divisor)) * divisor

    features = rounded(24, groups)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = ConvUnit(in_channels, features, 3, stride=1 if small else 2)
    if not small:
        layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    for stage, depth in enumerate(DEPTHS):
        # a quarter of the channels is inside of a unit, and grouped too
        channels = rounded(CHANNELS[groups] * 2**stage, 4 * groups)
        units = []
        for index in range(depth):
            stride, first = (2 if index == 0 else 1), stage == index == 0
            units.append(
                ShuffleUnit(
                    features, channels, stride, groups=groups, first_groups=1 if first else None
                )
            )
            features = channels
        layers[f"stage{stage + 2}"] = nn.Sequential(*units)
    net = nn.Sequential(layers | classifier(features, classes))
    net.apply(initialize)
    return net


def shufflenet_g1(
    in_channels: int = 3, classes: int = 1000, width: int = 24, small: bool = False
) -> nn.Sequential:
    """ShuffleNet with 1 group: 1,531,936 weights."""
    return shufflenet(1, in_channels, classes, width, small)


def shufflenet_g2(
    in_channels: int = 3, classes: int = 1000, width: int = 24, small: bool = False
) -> nn.Sequential:
    """ShuffleNet with 2 groups: 1,733,848 weights."""
    return shufflenet(2, in_channels, classes, width, small)


def shufflenet_g3(
    in_channels: int = 3, classes: int = 1000, width: int = 24, small: bool = False
) -> nn.Sequential:
    """ShuffleNet with 3 groups, the one the paper prefers: 1,865,728 weights."""
    return shufflenet(3, in_channels, classes, width, small)


def shufflenet_g4(
    in_channels: int = 3, classes: int = 1000, width: int = 24, small: bool = False
) -> nn.Sequential:
    """ShuffleNet with 4 groups: 1,968,344 weights."""
    return shufflenet(4, in_channels, classes, width, small)


def shufflenet_g8(
    in_channels: int = 3, classes: int = 1000, width: int = 24, small: bool = False
) -> nn.Sequential:
    """ShuffleNet with 8 groups: 2,434,768 weights."""
    return shufflenet(8, in_channels, classes, width, small)


PAPER = (
    "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile "
    "Devices, 2018, arXiv:1707.01083"
)
# Without the classifier ours round to the paper's millions, to the last of them.
SOURCE = "weights: pytorchcv; multiply-adds: the paper, table 1, and the classifier's, not in there"

SHUFFLENET = (
    Net(shufflenet_g1, PAPER, 1_531_936, 143_000_000 + 576_000, SOURCE),
    Net(shufflenet_g2, PAPER, 1_733_848, 140_000_000 + 800_000, SOURCE),
    Net(shufflenet_g3, PAPER, 1_865_728, 137_000_000 + 960_000, SOURCE),
    Net(shufflenet_g4, PAPER, 1_968_344, 133_000_000 + 1_088_000, SOURCE),
    Net(shufflenet_g8, PAPER, 2_434_768, 137_000_000 + 1_536_000, SOURCE),
)
