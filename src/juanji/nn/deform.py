"""Deformable convolution as a layer, in 1 to 3 dimensions."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..spec import Padding, Size
from .conv import Conv, Conv1d, Conv2d, Conv3d, ConvBase

FILTERS: dict[int, type[Conv]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


class DeformConv(ConvBase):
    """Convolution whose taps are moved by offsets that an extra filter learns from the input.

    The filter is an ordinary convolution with the layer's own window that starts at zero, so the
    layer starts out as a convolution with fixed taps. The versions differ in the modulation, a
    factor for each tap that a second such filter learns; it is exactly one where that filter, m,
    is zero:

    1. none (Dai et al.);
    2. 2 * sigmoid(m): that of Zhu et al. scaled to (0, 2), since theirs starts at one half;
    3. K * softmax(m) over the K taps (InternImage), on a depthwise window between two projections
       (1x1 convolutions), which mix the channels;
    4. 1 + m, unbounded, likewise between two projections (DCNv4).

    In versions 3 and 4 the weight is (C_in, 1, *kernel), a static factor beside the modulation:
    without it version 3, whose taps would be positive and sum to one, could not stand for a trained
    convolution. At 1 / K, where it starts, the aggregation is InternImage's sum of softmax(m) * x
    and DCNv4's of m * x (with m counted from 1, and 1 / K left to the projection).

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in
            `Conv`; versions 3 and 4 have no groups to choose.
        version: 1 to 4.
        offset_groups: number of channel blocks with offsets and a modulation of their own.

    Raises:
        ValueError: there is no such version, offset_groups does not divide in_channels, or groups
            are given where there are none.

    Source: Dai et al., 2017, arXiv:1703.06211; Zhu et al., 2018, arXiv:1811.11168; Wang et al.,
    2022, arXiv:2211.05778; Xiong et al., 2024, arXiv:2401.06197.

    >>> layer = DeformConv2d(4, 8, 3, padding="same", version=2, offset_groups=2)
    >>> layer(torch.randn(1, 4, 5, 6)).shape
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
        groups: int = 1,
        bias: bool = True,
        *,
        version: int = 1,
        offset_groups: int = 1,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if version not in (1, 2, 3, 4):
            raise ValueError(f"version must be 1, 2, 3 or 4, got {version!r}")
        if offset_groups < 1 or in_channels % offset_groups:
            raise ValueError(
                f"offset_groups must be at least 1 and divide in_channels, "
                f"got {offset_groups} and {in_channels}"
            )
        if version >= 3 and groups != 1:
            raise ValueError(
                f"groups must be 1 in version {version}, whose window is depthwise by itself, "
                f"got {groups}"
            )
        self.version = version
        self.offset_groups = offset_groups
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    @property
    def projected(self) -> bool:
        """Whether the window is depthwise and stands between two projections."""
        return self.version >= 3

    def add_weights(self, **kind: Any) -> None:
        """Create the weight, the filters of offset and mask, and the projections."""
        layer = FILTERS[self.dimensions]
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        taps = self.offset_groups * math.prod(self.kernel_size)
        self.offset = layer(self.in_channels, taps * self.dimensions, *window, **kind)
        if self.version >= 2:
            self.mask = layer(self.in_channels, taps, *window, **kind)
        if not self.projected:
            super().add_weights(**kind)
            return
        point = (1,) * self.dimensions
        self.weight = _parameter(self.in_channels, 1, *self.kernel_size, **kind)
        self.input_projection = _parameter(self.in_channels, self.in_channels, *point, **kind)
        self.output_projection = _parameter(self.out_channels, self.in_channels, *point, **kind)

    def reset_parameters(self) -> None:
        """Initialize the weight as torch.nn does and the filters with zero.

        In versions 3 and 4 the projections are Glorot-uniform, as InternImage's and DCNv4's, the
        bias is zero and the weight 1 / K: the layer starts out averaging over its window.
        """
        for layer in self.children():
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        if not self.projected:
            super().reset_parameters()
            return
        nn.init.constant_(self.weight, 1 / math.prod(self.kernel_size))
        for projection in (self.input_projection, self.output_projection):
            nn.init.xavier_uniform_(projection)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @classmethod
    def from_conv(cls, conv: nn.Module, *, version: int = 1, offset_groups: int = 1) -> Self:
        """Build the layer from a trained convolution, which it equals exactly until it is trained.

        Versions 1 and 2 take any convolution. Versions 3 and 4 combine the taps channel by
        channel, and so take a depthwise one: it becomes the weight, and the projections the
        identity.

        Raises:
            TypeError: not a convolution.
            ValueError: version 3 or 4 and a convolution that mixes channels or has several filters
                for one, or what the layer itself refuses.
        """
        arguments = interop.conv_arguments(conv)
        if version in (3, 4):
            channels = (arguments["groups"], arguments["in_channels"], arguments["out_channels"])
            if len(set(channels)) != 1:
                raise ValueError(
                    f"conv must be depthwise with one filter per channel for version {version}, "
                    f"which combines the taps of each channel by itself; got groups, in_channels "
                    f"and out_channels {channels}"
                )
            arguments["groups"] = 1
        layer = cls(**arguments, version=version, offset_groups=offset_groups)
        trained: Any = conv
        with torch.no_grad():
            layer.weight.copy_(trained.weight)
            if layer.bias is not None:
                layer.bias.copy_(trained.bias)
            if layer.projected:
                nn.init.dirac_(layer.input_projection)
                nn.init.dirac_(layer.output_projection)
        return layer.train(conv.training)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take filters that are missing for zero, which is what they mean where there are none.

        So the state of an ordinary layer loads, and that of version 1 into version 2.
        """
        for name, parameter in self.named_parameters():
            if name.startswith(("offset.", "mask.")):
                state.setdefault(prefix + name, torch.zeros_like(parameter))
        super()._load_from_state_dict(state, prefix, *args)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input` at the places, and with the modulation, that the filters find for it."""
        offset, mask = self.offset(input), self.modulation(input)
        window = (self.stride, self.padding, self.dilation)
        if not self.projected:
            return F.deform_conv(input, offset, self.weight, self.bias, *window, mask)
        hidden = F.conv(input, self.input_projection)
        hidden = F.deform_conv(hidden, offset, self.weight, None, *window, mask)
        return F.conv(hidden, self.output_projection, self.bias)

    def modulation(self, input: Tensor) -> Tensor | None:
        """Return the factor of every tap, (N, offset_groups * K, *output)."""
        if self.version == 1:
            return None
        learned: Tensor = self.mask(input)
        if self.version == 2:
            return 2 * learned.sigmoid()
        if self.version == 4:
            return 1 + learned
        channels = -self.dimensions - 1
        taps = learned.unflatten(channels, (self.offset_groups, -1))
        # over their mean, not their sum times K, which rounding keeps from being one at zero
        taps = (taps - taps.amax(channels, keepdim=True)).exp()
        normalized: Tensor = taps / taps.mean(channels, keepdim=True)
        return normalized.flatten(channels - 1, channels)

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, with its version and offset groups."""
        own = f", version={self.version}, offset_groups={self.offset_groups}"
        return super().extra_repr() + own


def _parameter(*shape: int, **kind: Any) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, **kind))


class DeformConv1d(DeformConv):
    """`DeformConv` on (N, C, length)."""

    dimensions = 1


class DeformConv2d(DeformConv):
    """`DeformConv` on (N, C, height, width)."""

    dimensions = 2


class DeformConv3d(DeformConv):
    """`DeformConv` on (N, C, depth, height, width)."""

    dimensions = 3
