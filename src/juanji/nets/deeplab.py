"""DeepLab 3: Rethinking Atrous Convolution, Chen et al. 2017 (arXiv:1706.05587).

ResNet-50 whose last two stages dilate instead of striding, so that the map stays at an eighth of
the image, and an atrous pyramid that looks at it at several scales. Scores are enlarged
bilinearly, as in the authors' code with the corners onto the corners.

As in torchvision and pytorchcv, a stage's dilation begins with its second block; the first still
has that of the stage before, whose map it reads. Their helper classifier on the third stage, which
is for training only, is left out. `width` and `small` are `resnet50`'s; for small images the map
stays at half of the image, and the pyramid's rates are smaller too.

The pyramid normalizes the mean of the whole map: in training a batch needs two images.
"""

from __future__ import annotations

from itertools import count

from torch import Tensor, nn

from ..nn import AtrousBottleneckBlock, AtrousPyramid, Conv2d, ConvUnit
from ..nn.blocks.atrous import enlarge
from .parts import initialize
from .record import Net
from .resnet import resnet

DEPTHS = [3, 4, 6, 3]
DILATIONS = [1] * 3 + [1] * 4 + [1] + [2] * 5 + [2] + [4] * 2  # of each block


class DeepLab3(nn.Module):
    """A dilated ResNet-50 and an atrous pyramid.

    Images (N, in_channels, H, W) of any size give scores (N, classes, H, W).
    """

    def __init__(self, in_channels: int, classes: int, width: int, small: bool) -> None:
        super().__init__()
        index = count()

        def block(features: int, channels: int, stride: int) -> AtrousBottleneckBlock:
            at = next(index)
            stride = stride if at < sum(DEPTHS[:2]) else 1
            return AtrousBottleneckBlock(features, channels, stride, dilation=DILATIONS[at])

        self.body = resnet(block, DEPTHS, in_channels, classes, width, small)[:-3]
        rates = (2, 4, 6) if small else (12, 24, 36)
        features = 4 * width
        self.head = nn.Sequential(
            AtrousPyramid(32 * width, features, rates=rates),
            ConvUnit(features, features, 3),
            nn.Dropout(0.1),
            Conv2d(features, classes, 1),
        )
        self.head.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Score every cell of the images."""
        return enlarge(self.head(self.body(x)), x.shape[2:])


def deeplab3_resnet50(
    in_channels: int = 3, classes: int = 21, width: int = 64, small: bool = False
) -> nn.Module:
    """DeepLab 3 on ResNet-50 at an eighth of the size: 39,638,869 weights.

    >>> import torch
    >>> deeplab3_resnet50(classes=5, width=2, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 5, 13, 11])
    """
    return DeepLab3(in_channels, classes, width, small)


DEEPLAB = (
    Net(
        deeplab3_resnet50,
        "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017, "
        "arXiv:1706.05587",
        39_638_869,
        None,
        "weights: torchvision, 42,004,074, of which 2,365,205 are its helper classifier",
        task="segmentation",
    ),
)
