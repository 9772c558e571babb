"""Transposed upsampling: from coarse scores to a map of the input's size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..conv import Conv2d, ConvTranspose2d


class TransposedUpsampling(ConvTranspose2d):
    """A transposed convolution that makes a map `factor` times larger, at first bilinearly.

    The kernel has 2 * factor cells and starts as bilinear interpolation of each channel by itself;
    training makes of it what is needed, across channels too.

    Shapes: (N, C, H, W) to (N, C, factor * H, factor * W).

    Args:
        channels: C.
        factor: at least 2, even.

    Raises:
        ValueError: channels is below 1, or factor is odd or below 2.

    Source: Long et al., "Fully Convolutional Networks for Semantic Segmentation", 2015,
    arXiv:1411.4038.

    >>> import torch
    >>> TransposedUpsampling(1, 2)(torch.tensor([[[[0.0, 1.0]]]]))[0, 0, 0]
    tensor([0.0000, 0.1875, 0.5625, 0.5625], grad_fn=<SelectBackward0>)
    """

    def __init__(self, channels: int, factor: int) -> None:
        if factor < 2 or factor % 2:
            raise ValueError(f"factor must be even and at least 2, got {factor}")
        super().__init__(channels, channels, 2 * factor, factor, padding=factor // 2, bias=False)

    def reset_parameters(self) -> None:
        """Set the bilinear kernel on the diagonal, zero elsewhere."""
        size = self.kernel_size[0]
        cells = torch.arange(size, dtype=self.weight.dtype, device=self.weight.device)
        line = 1 - (cells - (size - 1) / 2).abs() / (size / 2)
        with torch.no_grad():
            self.weight.zero_()
            for channel in range(self.in_channels):
                self.weight[channel, channel] = torch.outer(line, line)


class UpsamplingHead(nn.Module):
    """Scores of the classes on maps of several sizes, brought together at the finest one's.

    Each map gets scores by a 1x1 convolution. From the coarsest on, the scores are doubled in size
    by a transposed convolution and added to those of the next finer map; a last one brings them to
    the image's size. Sizes that were rounded up on the way down are cut on the way up.

    Shapes: maps (N, C_i, H_i, W_i), finest first, each half the size of the one before, rounded up;
    to (N, classes, *size).

    Args:
        channels: C_i of each map, finest first.
        classes: number of classes.
        factor: how many times larger the image is than the finest map.

    Source: Long et al., "Fully Convolutional Networks for Semantic Segmentation", 2015,
    arXiv:1411.4038.

    >>> import torch
    >>> head = UpsamplingHead([4, 8], classes=3, factor=2)
    >>> head([torch.ones(1, 4, 5, 4), torch.ones(1, 8, 3, 2)], size=(9, 7)).shape
    torch.Size([1, 3, 9, 7])
    """

    def __init__(self, channels: Sequence[int], classes: int, factor: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(Conv2d(count, classes, 1) for count in channels)
        self.doublings = nn.ModuleList(TransposedUpsampling(classes, 2) for _ in channels[1:])
        self.last = TransposedUpsampling(classes, factor)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Score the maps, and bring the scores to `size`."""
        scores = [score(x) for score, x in zip(self.scores, maps, strict=True)]
        total: Tensor = scores.pop()
        for doubling in list(self.doublings)[::-1]:
            finer = scores.pop()
            total = finer + crop(doubling(total), finer.shape[2:])
        return crop(self.last(total), size)


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Cut what exceeds `size` at the far ends.

    >>> crop(torch.ones(1, 1, 6, 4), (5, 4)).shape
    torch.Size([1, 1, 5, 4])
    """
    return x[..., : size[0], : size[1]]
