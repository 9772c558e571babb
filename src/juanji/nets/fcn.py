"""FCN: Fully Convolutional Networks, Long et al. 2015 (arXiv:1411.4038).

A classifier, VGG-16, slid over the image: its linear layers are 7x7 and 1x1 convolutions. The
coarse scores are brought back to the image's size by transposed convolutions that start as bilinear
interpolation, and meet the scores of finer maps on the way: FCN-32s none, FCN-16s those behind the
fourth pooling, FCN-8s those behind the third too.

Layers and counts are those of the authors' code (github.com/shelhamer/fcn.berkeleyvision.org). They
pad the image by 100 cells, so that the 7x7 convolution has something to stand on, and cut the
scores out of the middle; here that convolution is padded by 3, and all maps keep their place. The
weights mean the same. The authors keep the last upsampling fixed; here all of them learn. Weights
are drawn at random, where the authors start from VGG-16's and from scores of zero.

`width` are the channels of the first stage, 64. For small images (`small`) the first two poolings
are left out, so that the map shrinks 8 times, not 32. With `normalize=True` there is batch
normalization in place of the biases, as in `vgg16`, which the paper does not have.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..nn import ConvUnit, StackedBlock, UpsamplingHead
from .parts import check_counts, initialize
from .record import Net

STAGES = [(1, 2), (2, 2), (4, 3), (8, 3), (8, 3)]  # (channels over width, number of convolutions)


class FCN(nn.Module):
    """VGG-16 without a classifier, and a head that sees its last `maps` maps.

    Images (N, in_channels, H, W) of any size give scores (N, classes, H, W).

    Args:
        in_channels: of the images.
        classes: number of scores of a cell.
        width: channels of the first stage.
        small: whether the first two poolings are left out.
        normalize: whether there is batch normalization.
        maps: 1 for FCN-32s, 2 for 16s, 3 for 8s.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        width: int,
        small: bool,
        normalize: bool,
        maps: int,
    ) -> None:
        check_counts(in_channels=in_channels, classes=classes, width=width)
        super().__init__()
        self.stages = nn.ModuleList()
        features = in_channels
        for index, (factor, depth) in enumerate(STAGES):
            block = StackedBlock(features, factor * width, depth, normalize=normalize)
            pool = nn.Identity() if small and index < 2 else nn.MaxPool2d(2, ceil_mode=True)
            self.stages.append(nn.Sequential(block, pool))
            features = factor * width
        hidden = 64 * width
        self.classifier = nn.Sequential(
            ConvUnit(features, hidden, 7, normalize=normalize),
            nn.Dropout(),
            ConvUnit(hidden, hidden, 1, normalize=normalize),
            nn.Dropout(),
        )
        self.maps = maps
        channels = [4 * width, 8 * width, hidden][-maps:]
        finest = (32, 16, 8)[maps - 1]
        self.head = UpsamplingHead(channels, classes, finest // 4 if small else finest)
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Score every cell of the images."""
        size = x.shape[2:]
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.classifier(x)
        scores: Tensor = self.head(maps[-self.maps :], size)
        return scores


def fcn32s(
    in_channels: int = 3,
    classes: int = 21,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Module:
    """FCN-32s on VGG-16: 136,152,917 weights."""
    return FCN(in_channels, classes, width, small, normalize, maps=1)


def fcn16s(
    in_channels: int = 3,
    classes: int = 21,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Module:
    """FCN-16s on VGG-16: 134,815,994 weights."""
    return FCN(in_channels, classes, width, small, normalize, maps=2)


def fcn8s(
    in_channels: int = 3,
    classes: int = 21,
    width: int = 64,
    small: bool = False,
    normalize: bool = False,
) -> nn.Module:
    """FCN-8s on VGG-16: 134,489,759 weights.

    >>> import torch
    >>> fcn8s(classes=5, width=2, small=True)(torch.ones(1, 3, 13, 11)).shape
    torch.Size([1, 5, 13, 11])
    """
    return FCN(in_channels, classes, width, small, normalize, maps=3)


PAPER = "Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015, arXiv:1411.4038"
SOURCE = "weights: the layers of the authors' code; the paper, table 1, says 134 M"

FCNS = tuple(
    Net(build, PAPER, weights, None, SOURCE, input_size=(3, 224, 224), task="segmentation")
    for build, weights in ((fcn32s, 136_152_917), (fcn16s, 134_815_994), (fcn8s, 134_489_759))
)
