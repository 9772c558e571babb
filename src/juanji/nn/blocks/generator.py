"""DCGAN's block: a map twice as large, by a transposed convolution."""

from __future__ import annotations

from ..conv import ConvTranspose2d
from .conv_unit import ConvUnit


class GeneratorBlock(ConvUnit):
    """Transposed 4x4 convolution of stride 2, normalization, ReLU.

    Shapes: (N, C_in, H, W) to (N, C_out, 2 H, 2 W).

    Args:
        in_channels: C_in.
        out_channels: C_out.

    Source: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks", 2016, arXiv:1511.06434.

    >>> import torch
    >>> GeneratorBlock(16, 8)(torch.ones(1, 16, 5, 4)).shape
    torch.Size([1, 8, 10, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, layer=ConvTranspose2d)
