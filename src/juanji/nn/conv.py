"""Convolution and transposed convolution as layers, in 1 to 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as torch_functional
from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..bind import bind, resolve_padding
from ..spec import Conv as ConvSpec
from ..spec import Padding, Size, per_axis, windows


class ConvBase(nn.Module):
    """What layers with one convolution weight share: arguments, weights, initialization.

    A subclass is written once for all dimensions; its 1d, 2d and 3d forms only set `dimensions`.
    """

    dimensions: ClassVar[int]
    transposed: ClassVar[bool] = False

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
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis("kernel_size", kernel_size, self.dimensions)
        self.stride = per_axis("stride", stride, self.dimensions)
        self.padding = padding
        self.dilation = per_axis("dilation", dilation, self.dimensions)
        self.groups = groups
        self.spec()  # checks the arguments
        self.add_weights(device=device, dtype=dtype)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def add_weights(self, **kind: Any) -> None:
        """Create the weight, of the device and dtype in `kind`."""
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        shape = (first, second // self.groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, **kind))

    def spec(self) -> ConvSpec:
        """Return the specification of the convolution."""
        return ConvSpec(
            windows(self.kernel_size, self.stride, self.padding, self.dilation),
            self.in_channels,
            self.out_channels,
            self.groups,
        )

    def reset_parameters(self) -> None:
        """Initialize as torch.nn does: uniform within 1 / sqrt(fan_in) for weight and bias."""
        if self.weight.numel() == 0:  # no fan_in; the output is the bias
            if self.bias is not None:
                nn.init.zeros_(self.bias)
            return
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def load_conv(self, conv: nn.Module) -> Self:
        """Copy the weights of a convolution of the same shape, and its training mode."""
        self.load_state_dict(conv.state_dict())
        return self.train(conv.training)

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, defaults left out."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        ones = (1,) * self.dimensions
        for name, default in (("stride", ones), ("padding", 0), ("dilation", ones), ("groups", 1)):
            value = getattr(self, name)
            if value != default and value != per_axis_or_self(default, self.dimensions):
                text += f", {name}={value}"
        return text if self.bias is not None else text + ", bias=False"


def per_axis_or_self(value: Any, dimensions: int) -> Any:
    """Spread an int over the axes; anything else stays."""
    return (value,) * dimensions if isinstance(value, int) else value


class Conv(ConvBase):
    """Convolution with torch.nn's arguments, the modes "same" and "full" for any stride, and flip.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels.

    >>> Conv2d(3, 8, 3, stride=2, padding="same")(torch.randn(1, 3, 7, 9)).shape
    torch.Size([1, 8, 4, 5])
    """

    ordinary_conv = True  # what juanji.interop goes by

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
        padding_mode: str = "zeros",
        *,
        flip: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', "
                f"got {padding_mode!r}"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.padding_mode = padding_mode
        self.flip = flip

    @classmethod
    def from_conv(cls, conv: nn.Module, *, groups: int | None = None) -> Self:
        """Build the layer from a trained convolution; `groups` keeps its diagonal blocks only.

        Raises:
            ValueError: `conv` has groups already, or `groups` does not divide its channels.
        """
        arguments = interop.conv_arguments(conv)
        if groups is None or groups == arguments["groups"]:
            return cls(**arguments).load_conv(conv)
        if arguments["groups"] != 1:
            raise ValueError(f"conv must have groups=1, got groups={arguments['groups']}")
        layer = cls(**arguments | {"groups": groups})
        state = conv.state_dict()
        layer.load_state_dict(state | {"weight": diagonal_blocks(state["weight"], groups)})
        return layer.train(conv.training)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        padding = self.padding
        if self.padding_mode != "zeros":
            wanted = windows(self.kernel_size, self.stride, padding, self.dilation)
            sizes = input.shape[-self.dimensions :]
            pads = [resolve_padding(w, n) for w, n in zip(wanted, sizes, strict=True)]
            flat = [side for pair in reversed(pads) for side in pair]
            input = torch_functional.pad(input, flat, mode=self.padding_mode)
            padding = 0
        return F.conv(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups,
            flip=self.flip,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, defaults left out."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return super().extra_repr() + mode + (", flip=True" if self.flip else "")


def diagonal_blocks(weight: Tensor, groups: int) -> Tensor:
    """Cut the blocks that grouping keeps: (C_out, C_in, *k) to (C_out, C_in / groups, *k)."""
    rows = weight.chunk(groups, dim=0)
    return torch.cat([row.chunk(groups, dim=1)[g] for g, row in enumerate(rows)], dim=0)


class Conv1d(Conv):
    """`Conv` on (N, C, length)."""

    dimensions = 1


class Conv2d(Conv):
    """`Conv` on (N, C, height, width)."""

    dimensions = 2


class Conv3d(Conv):
    """`Conv` on (N, C, depth, height, width)."""

    dimensions = 3


class ConvTranspose(ConvBase):
    """Transposed convolution, the adjoint of `Conv`, with torch.nn's arguments.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels.

    >>> ConvTranspose2d(8, 3, 4, stride=2, padding=1)(torch.randn(1, 8, 5, 6)).shape
    torch.Size([1, 3, 10, 12])
    """

    transposed = True
    ordinary_conv_transpose = True  # what juanji.interop goes by

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.output_padding = per_axis("output_padding", output_padding, self.dimensions)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            device=device, dtype=dtype,
        )  # fmt: skip

    def spec(self) -> ConvSpec:
        """Return the specification of the convolution."""
        return interop.conv_spec(self)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Apply the adjoint of the convolution to `input`.

        `output_size`, the last sizes of the output, picks one of those that convolve to the
        input's, in place of the layer's `output_padding`.
        """
        extra = self.output_padding
        if output_size is not None:
            spec = replace(self.spec(), output_padding=())
            least = bind(spec, input.shape[-self.dimensions :]).output_size
            wanted = tuple(output_size)[-self.dimensions :]
            extra = tuple(n - m for n, m in zip(wanted, least, strict=True))
        return F.conv_transpose(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, defaults left out."""
        extra = f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        return super().extra_repr() + extra


class ConvTranspose1d(ConvTranspose):
    """`ConvTranspose` on (N, C, length)."""

    dimensions = 1


class ConvTranspose2d(ConvTranspose):
    """`ConvTranspose` on (N, C, height, width)."""

    dimensions = 2


class ConvTranspose3d(ConvTranspose):
    """`ConvTranspose` on (N, C, depth, height, width)."""

    dimensions = 3
