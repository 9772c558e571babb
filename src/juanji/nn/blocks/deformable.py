"""The deformable bottleneck: its 3x3 convolution learns where to look."""

from __future__ import annotations

from ..deform import DeformConv2d
from .residual import BottleneckBlock


class DeformableBottleneckBlock(BottleneckBlock):
    """A bottleneck whose 3x3 convolution moves its taps by learned offsets.

    The offsets start at zero, where the block is the ordinary bottleneck, whose weights load.

    Shapes: (N, C, H, W) to (N, 4 * channels, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: of the inner convolutions.
        stride: s.
        version: of the deformable convolution, 1 or 2 (with modulation).
        offset_groups: number of channel blocks with offsets of their own.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.

    Source: Dai et al., "Deformable Convolutional Networks", 2017, arXiv:1703.06211.

    >>> import torch
    >>> DeformableBottleneckBlock(16, 8, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        version: int = 1,
        offset_groups: int = 1,
        reduction: int | None = None,
    ) -> None:
        self.version = version
        self.offset_groups = offset_groups
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        super().add_branch(in_channels, channels, stride)
        self.conv2 = DeformConv2d(
            channels, channels, 3, stride, padding=1, bias=False,
            version=self.version, offset_groups=self.offset_groups,
        )  # fmt: skip
