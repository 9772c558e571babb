"""Depthwise convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import interop
from ..compositions.weights import ungroup
from ..spec import Padding, Size
from .conv import Conv, diagonal_blocks
from .fit import trained_weight


class DepthwiseConv(Conv):
    """Convolution of every channel by itself, with C_out / C_in filters each (the multiplier).

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels; output channels
    c * multiplier to (c + 1) * multiplier come from input channel c. Weight, state dict and
    initialization are those of torch.nn's convolution with groups = C_in.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias, padding_mode,
            flip: as in `Conv`; there are no groups to choose.

    Raises:
        ValueError: out_channels is not a multiple of in_channels.

    >>> DepthwiseConv2d(4, 8, 3, padding="same")(torch.randn(1, 4, 5, 6)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        flip: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if in_channels < 1 or out_channels % in_channels:
            raise ValueError(
                f"out_channels must be a multiple of in_channels, which is at least 1, "
                f"got {out_channels} and {in_channels}"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, in_channels, bias,
            padding_mode, flip=flip, device=device, dtype=dtype,
        )  # fmt: skip

    @property
    def multiplier(self) -> int:
        """Filters per input channel."""
        return self.out_channels // self.in_channels

    @classmethod
    def from_conv(cls, conv: nn.Module, *, groups: int | None = None) -> Self:
        """Build the layer from a trained convolution, keeping the weights on the diagonal.

        That is the nearest depthwise weight; a convolution that is depthwise is kept whole.

        Raises:
            TypeError: not a convolution.
            ValueError: out_channels is not a multiple of in_channels, or `groups` is given and is
                not in_channels.
        """
        arguments = interop.conv_arguments(conv)
        before, channels = arguments.pop("groups"), arguments["in_channels"]
        if groups not in (None, channels):
            raise ValueError(f"groups must be in_channels, {channels}, got {groups}")
        layer = cls(**arguments)
        weight = diagonal_blocks(ungroup(trained_weight(conv), before), channels)
        layer.load_state_dict(conv.state_dict() | {"weight": weight})
        return layer.train(conv.training)

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        weight = self.weight.flip(tuple(range(2, self.weight.ndim))) if self.flip else self.weight
        return ungroup(weight, self.groups)

    def dense_bias(self) -> Tensor | None:
        """Return the bias of the ordinary convolution that the layer stands for."""
        return self.bias


class DepthwiseConv1d(DepthwiseConv):
    """`DepthwiseConv` on (N, C, length)."""

    dimensions = 1


class DepthwiseConv2d(DepthwiseConv):
    """`DepthwiseConv` on (N, C, height, width)."""

    dimensions = 2


class DepthwiseConv3d(DepthwiseConv):
    """`DepthwiseConv` on (N, C, depth, height, width)."""

    dimensions = 3
