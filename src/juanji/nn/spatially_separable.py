"""Spatially separable convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import spatially_separable
from ..compositions.weights import along
from ..spec import Padding, Size, per_axis
from .composed import ComposedConv
from .fit import trained_weight


class SpatiallySeparableConv(ComposedConv):
    """One axis after the other: k x k = k x 1, then 1 x k.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels. In 1-D there
    is one pass, the ordinary convolution.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in
            torch.nn; the groups are those of every pass.
        rank: channels between the passes, an int or one for each place between two passes;
            by default out_channels.
        order: the axes in pass order; by default the first axis first.

    Raises:
        ValueError: rank is below 1 or not a multiple of groups, or `order` does not name every axis
            once.

    Source: Jaderberg et al., "Speeding up Convolutional Neural Networks with Low Rank Expansions",
    2014, arXiv:1405.3866.

    >>> layer = SpatiallySeparableConv2d(4, 8, 3, padding=1, rank=5)
    >>> [tuple(weight.shape) for weight in layer.weights()]
    [(5, 4, 3, 1), (8, 5, 1, 3)]
    >>> layer(torch.randn(1, 4, 7, 9)).shape
    torch.Size([1, 8, 7, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rank: Size | None = None,
        order: Sequence[int] | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.order = spatially_separable.pass_order(order, self.dimensions)
        self.rank = _ranks(rank, out_channels, groups, self.dimensions)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    def add_weights(self, **kind: Any) -> None:
        """Create the weight (C_next, C_previous / groups, *kernel) of every axis."""
        channels = (self.in_channels, *self.rank, self.out_channels)
        for axis, previous, following in zip(self.order, channels, channels[1:], strict=False):
            kernel = along(axis, self.dimensions, self.kernel_size[axis], 1)
            weight = torch.empty(following, previous // self.groups, *kernel, **kind)
            self.register_parameter(f"axis_weight_{axis}", nn.Parameter(weight))

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        return [self.get_parameter(f"axis_weight_{axis}") for axis in self.order]

    @classmethod
    def from_conv(
        cls, conv: nn.Module, *, rank: Size | None = None, order: Sequence[int] | None = None
    ) -> Self:
        """Build the layer near to a trained convolution, by truncated SVD of each group.

        In 2-D it is the nearest of its rank, in 3-D a tensor train. A rank above what represents
        any weight of this shape is lowered to that.

        Raises:
            TypeError: not a convolution.
            ValueError: fewer than two axes have more than one cell, so there is nothing to
                separate; rank is below 1 or not a multiple of groups.
        """
        arguments = interop.conv_arguments(conv)
        kernel, groups = arguments["kernel_size"], arguments["groups"]
        if sum(cells > 1 for cells in kernel) < 2:
            raise ValueError(
                f"a kernel of {' x '.join(map(str, kernel))} has nothing to separate: fewer than "
                f"two of its axes have more than one cell"
            )
        axes = spatially_separable.pass_order(order, cls.dimensions)
        weight = trained_weight(conv)
        wanted = _ranks(rank, arguments["out_channels"], groups, cls.dimensions)
        # full ranks for ranks already cut: what comes before a place cannot be more than
        # the rank before it times one kernel
        ranks: list[int] = []
        for cells, full, asked in zip(
            (kernel[axis] for axis in axes),
            spatially_separable.full_ranks(weight.shape, groups, axes),
            wanted,
            strict=False,
        ):
            before = ranks[-1] if ranks else weight.shape[1]
            ranks.append(min(asked // groups, full, before * cells))
        layer = cls(**arguments, rank=[groups * rank for rank in ranks], order=axes)
        return layer.load_fit(conv, spatially_separable.fit(weight, groups, ranks, axes))

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return spatially_separable.dense_weight(self.weights(), self.groups)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return F.spatially_separable_conv(
            input, self.weights(), self.bias, self.stride, self.padding, self.dilation,
            self.groups, order=self.order,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its rank and order."""
        own = f", rank={self.rank}" if self.rank else ""
        default = self.order == tuple(range(self.dimensions))
        return super().extra_repr() + own + ("" if default else f", order={self.order}")


def _ranks(rank: Size | None, out_channels: int, groups: int, dimensions: int) -> tuple[int, ...]:
    """Return the channels at each place between two passes, checked."""
    ranks = per_axis("rank", out_channels if rank is None else rank, dimensions - 1)
    for value in ranks:
        if value < 1 or groups < 1 or value % groups:
            raise ValueError(
                f"rank must be at least 1 and a multiple of groups, got {value} "
                f"with groups {groups}"
            )
    return ranks


class SpatiallySeparableConv1d(SpatiallySeparableConv):
    """`SpatiallySeparableConv` on (N, C, length)."""

    dimensions = 1


class SpatiallySeparableConv2d(SpatiallySeparableConv):
    """`SpatiallySeparableConv` on (N, C, height, width)."""

    dimensions = 2


class SpatiallySeparableConv3d(SpatiallySeparableConv):
    """`SpatiallySeparableConv` on (N, C, depth, height, width)."""

    dimensions = 3
