"""Atrous (dilated) blocks: seeing far without making the map small."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as torch_functional
from torch import Tensor, nn

from ..conv import Conv2d
from .conv_unit import ConvUnit
from .residual import BottleneckBlock


class AtrousBottleneckBlock(BottleneckBlock):
    """A bottleneck whose 3x3 convolution is dilated.

    Shapes: (N, C, H, W) to (N, 4 * channels, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s.
        dilation: of the 3x3 convolution.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017,
    arXiv:1706.05587.

    >>> import torch
    >>> AtrousBottleneckBlock(16, 4, dilation=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 16, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        reduction: int | None = None,
    ) -> None:
        self.dilation = dilation
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        super().add_branch(in_channels, channels, stride)
        self.conv2 = Conv2d(
            channels, channels, 3, stride, padding=self.dilation, dilation=self.dilation, bias=False
        )


class AtrousPyramid(nn.Module):
    """One map seen at several scales at once: atrous spatial pyramid pooling.

    Side by side are a 1x1 convolution, a 3x3 convolution for each rate of dilation, and the mean of
    the whole map through a 1x1 convolution; a 1x1 convolution brings them together.

    Shapes: (N, C_in, H, W) to (N, C_out, H, W).

    Args:
        in_channels: C_in.
        out_channels: C_out, also the channels of each branch.
        rates: of dilation.
        dropout: probability at the end.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017,
    arXiv:1706.05587.

    >>> import torch
    >>> AtrousPyramid(16, 4, rates=(2, 4))(torch.ones(2, 16, 9, 7)).shape
    torch.Size([2, 4, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        rates: Sequence[int] = (12, 24, 36),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList([ConvUnit(in_channels, out_channels, 1)])
        for rate in rates:
            self.branches.append(ConvUnit(in_channels, out_channels, 3, dilation=rate))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.image = ConvUnit(in_channels, out_channels, 1)
        self.project = ConvUnit((len(rates) + 2) * out_channels, out_channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        image = self.image(self.pool(x)).expand(-1, -1, *x.shape[2:])
        maps = [branch(x) for branch in self.branches]
        output: Tensor = self.dropout(self.project(torch.cat([*maps, image], dim=1)))
        return output


def enlarge(scores: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate a map bilinearly, its corners onto the corners.

    >>> enlarge(torch.ones(1, 2, 3, 3), (9, 7)).shape
    torch.Size([1, 2, 9, 7])
    """
    return torch_functional.interpolate(
        scores, size=tuple(size), mode="bilinear", align_corners=True
    )
