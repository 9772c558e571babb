"""Deformable ResNet: Deformable Convolutional Networks, Dai et al. 2017 (arXiv:1703.06211).

The 3x3 convolutions of the last stage learn from their input where to take their samples. The paper
changes these three (its ablation changes 1, 2, 3 and 6) and trains on from ResNet's weights, with
offsets that start at zero: `resnet50`'s weights load, and give its outputs, until it is trained.

The paper's networks are for detection, where the last stage keeps its stride away and has four
groups of offsets; this is the classification network they start from, with one group.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ..nn import BottleneckBlock, DeformableBottleneckBlock
from .record import Net
from .resnet import resnet

DEPTHS = [3, 4, 6, 3]


def deformable_resnet50(
    in_channels: int = 3,
    classes: int = 1000,
    width: int = 64,
    small: bool = False,
    stages: int = 1,
    version: int = 1,
    offset_groups: int = 1,
) -> nn.Sequential:
    """ResNet-50 with deformable 3x3 convolutions in the last stage: 25,805,918 weights.

    Images (N, in_channels, H, W) of any size give logits (N, classes).

    Args:
        in_channels: of the images.
        classes: number of logits.
        width: as in `resnet50`.
        small: as in `resnet50`.
        stages: how many of the last stages are deformable, 0 to 4.
        version: of the deformable convolution, 1 or 2 (with modulation).
        offset_groups: number of channel blocks with offsets of their own.

    Raises:
        ValueError: a count is below 1, or an argument is none of the above.

    >>> import torch
    >>> deformable_resnet50(classes=7, width=4, small=True)(torch.ones(2, 3, 13, 11)).shape
    torch.Size([2, 7])
    """
    if stages not in range(5):
        raise ValueError(f"stages must be 0 to 4, got {stages}")
    deformable = partial(DeformableBottleneckBlock, version=version, offset_groups=offset_groups)
    first = sum(DEPTHS[: 4 - stages])  # block that is deformable
    kinds = iter([BottleneckBlock] * first + [deformable] * (sum(DEPTHS) - first))

    def block(features: int, channels: int, stride: int) -> BottleneckBlock:
        return next(kinds)(features, channels, stride)

    return resnet(block, DEPTHS, in_channels, classes, width, small)


DEFORMABLE = (
    Net(
        deformable_resnet50,
        "Dai et al., Deformable Convolutional Networks, 2017, arXiv:1703.06211",
        25_805_918,
        None,
        "weights: ResNet-50 of torchvision, 25,557,032, and three offset filters of "
        "512 * 9 * 18 + 18 each, as the paper describes them",
    ),
)
