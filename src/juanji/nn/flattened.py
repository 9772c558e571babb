"""Flattened convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import flattened
from ..compositions.weights import along
from .composed import ComposedConv
from .fit import trained_weight


class FlattenedConv(ComposedConv):
    """One-dimensional filters: across channels, then along each axis, per output channel.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in
            torch.nn; the groups are those of the filter across channels.

    Raises:
        ValueError: out_channels is below 1.

    Source: Jin, Dundar, Culurciello, "Flattened Convolutional Neural Networks for Feedforward
    Acceleration", 2015, arXiv:1412.5474.

    >>> layer = FlattenedConv2d(4, 8, (3, 5))
    >>> [tuple(weight.shape) for weight in layer.weights()]
    [(8, 4, 1, 1), (8, 1, 3, 1), (8, 1, 1, 5)]
    >>> layer(torch.randn(1, 4, 7, 9)).shape
    torch.Size([1, 8, 5, 5])
    """

    def add_weights(self, **kind: Any) -> None:
        """Create the lateral weight (C_out, C_in / groups, 1, ...), and (C_out, 1, *k) per axis."""
        if self.out_channels < 1:
            raise ValueError(f"out_channels must be at least 1, got {self.out_channels}")
        rows, ones = self.out_channels, (1,) * self.dimensions
        columns = self.in_channels // self.groups
        self.lateral_weight = nn.Parameter(torch.empty(rows, columns, *ones, **kind))
        for axis, cells in enumerate(self.kernel_size):
            weight = torch.empty(rows, 1, *along(axis, self.dimensions, cells, 1), **kind)
            self.register_parameter(f"axis_weight_{axis}", nn.Parameter(weight))

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        return [self.lateral_weight, *self.axis_weights()]

    def axis_weights(self) -> list[nn.Parameter]:
        """Return the weights along the axes, the first axis first."""
        return [self.get_parameter(f"axis_weight_{axis}") for axis in range(self.dimensions)]

    @classmethod
    def from_conv(cls, conv: nn.Module) -> Self:
        """Build the layer near to a trained convolution: rank one per output channel.

        Alternating least squares; deterministic.

        Raises:
            TypeError: not a convolution.
            ValueError: the kernel is one cell: there is nothing to flatten.
        """
        arguments = interop.conv_arguments(conv)
        if all(cells == 1 for cells in arguments["kernel_size"]):
            raise ValueError("a kernel of one cell has nothing to flatten")
        lateral, kernels = flattened.fit(trained_weight(conv))
        return cls(**arguments).load_fit(conv, [lateral, *kernels])

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return flattened.dense_weight(self.lateral_weight, self.axis_weights(), self.groups)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return F.flattened_conv(
            input, self.lateral_weight, self.axis_weights(), self.bias,
            self.stride, self.padding, self.dilation, self.groups,
        )  # fmt: skip


class FlattenedConv1d(FlattenedConv):
    """`FlattenedConv` on (N, C, length)."""

    dimensions = 1


class FlattenedConv2d(FlattenedConv):
    """`FlattenedConv` on (N, C, height, width)."""

    dimensions = 2


class FlattenedConv3d(FlattenedConv):
    """`FlattenedConv` on (N, C, depth, height, width)."""

    dimensions = 3
