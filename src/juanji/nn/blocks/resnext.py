"""The ResNeXt block: one transformation many times side by side, as a grouped convolution."""

from __future__ import annotations

from .residual import BottleneckBlock


class ResNeXtBlock(BottleneckBlock):
    """A bottleneck whose 3x3 convolution is grouped, and wider for it.

    Shapes: (N, C, H, W) to (N, 4 * channels, H/s, W/s), sizes rounded up.

    Args:
        in_channels: C.
        channels: a quarter of the output's; inside there are
            channels * cardinality * group_width // 64: in 32x4d twice as many.
        stride: s.
        cardinality: number of groups.
        group_width: channels of one group where `channels` is 64, as in the first stage.
        reduction: squeeze and excitation at the end of the branch, with this reduction; None: none.

    Raises:
        ValueError: the channels inside do not divide into the groups.

    Source: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", 2017,
    arXiv:1611.05431.

    >>> import torch
    >>> ResNeXtBlock(256, 64)(torch.ones(1, 256, 9, 7)).shape
    torch.Size([1, 256, 9, 7])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        cardinality: int = 32,
        group_width: int = 4,
        *,
        reduction: int | None = None,
    ) -> None:
        self.cardinality = cardinality
        self.group_width = group_width
        super().__init__(in_channels, channels, stride, reduction=reduction)

    def add_branch(self, in_channels: int, channels: int, stride: int) -> None:
        """Create the layers of the branch."""
        inner = channels * self.cardinality * self.group_width // 64
        out_channels = channels * self.expansion
        self.add_layers(in_channels, inner, out_channels, stride, self.cardinality)
