"""Deformable convolution: every tap moves. The mathematics: README.md in this folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from ...bind import bind
from ...spec import Padding, Size
from .. import check
from ..conv import conv_spec
from ..layout import follow
from ..memory import memory_checked
from . import op

__all__ = ["deform_conv"]


@memory_checked
def deform_conv(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolve with every tap moved by its own offset, for each output position anew.

    Between cells the input is interpolated (multi)linearly; outside it is zero. An offset that is
    NaN, infinite or leads far away gives a sample of zero and no gradient. Channel groups and
    offset groups are read off the shapes, as torchvision does: groups = C_in / weight.shape[1]
    and G = offset.shape[1] / (d * K), for d spatial axes and K = prod(kernel) taps.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        offset: (N, G * K * d, *output): for each offset group and tap (in the kernel's order, last
            axis fastest) d numbers, in cells of the input: (dy, dx) in 2-D. Unbatched with the
            input.
        weight: (C_out, C_in / groups, *kernel).
        bias: (C_out,).
        stride: as in `conv`.
        padding: as in `conv`.
        dilation: as in `conv`.
        mask: (N, G * K, *output), the factor of each sample; without it, one.

    Returns:
        (N, C_out, *output), the size that `conv` gives, in autocast's dtype under autocast as
        there. 16-bit tensors are computed in 32 bits and rounded once.

    Raises:
        TypeError: dtypes or devices differ, or are not real floating-point.
        ValueError: a size, a shape or a number of channels does not fit.

    Source: Dai et al., "Deformable Convolutional Networks", 2017, arXiv:1703.06211; mask: Zhu et
    al., "Deformable ConvNets v2", 2018, arXiv:1811.11168.

    >>> import torch
    >>> x, weight = torch.tensor([[[1.0, 2.0, 4.0, 8.0]]]), torch.ones(1, 1, 2)
    >>> still = torch.zeros(1, 2, 3)
    >>> deform_conv(x, still, weight)
    tensor([[[ 3.,  6., 12.]]])
    >>> deform_conv(x, still + 0.5, weight)  # the last sample lies half outside
    tensor([[[ 4.5000,  9.0000, 10.0000]]])
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            deform_conv, (input,), input, offset, weight, bias, stride, padding, dilation, mask
        )  # fmt: skip
    check.same_kind(input=input, offset=offset, weight=weight, bias=bias, mask=mask)
    if input.is_complex():
        raise TypeError(f"input must be real, got {input.dtype}")
    result = input.dtype
    kind = input.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        input, offset, weight, bias, mask, result = _autocast(input, offset, weight, bias, mask)
    groups = _weight_groups(input, weight)
    spec = conv_spec(weight, bias, stride, padding, dilation, groups)
    dimensions, taps = len(spec.windows), math.prod(weight.shape[2:])
    axes = bind(spec, check.spatial_size(tuple(input.shape), dimensions, spec.in_channels)).axes

    batch, output_size = input.shape[: -dimensions - 1], [axis.coarse for axis in axes]
    offset_groups = _offset_groups(offset, input, taps * dimensions, channel_axis=len(batch))
    _check_shape("offset", offset, (*batch, offset_groups * taps * dimensions, *output_size))
    mask_shape = (*batch, offset_groups * taps, *output_size)
    if mask is None:
        mask = offset.new_ones(()).expand(mask_shape)
    _check_shape("mask", mask, mask_shape)

    if not batch:
        input, offset, mask = input[None], offset[None], mask[None]
    output: Tensor = op.Convolve.apply(
        input,
        offset,
        mask,
        weight,
        bias,
        [axis.stride for axis in axes],
        [axis.pad_low for axis in axes],
        [axis.dilation for axis in axes],
    )
    if not batch:
        return output[0].to(result)
    return follow(output.to(result).contiguous(), input, len(axes))


def _weight_groups(input: Tensor, weight: Tensor) -> int:
    """Read the channel groups off the shapes; what else is wrong with them is found later."""
    if weight.ndim < 3 or weight.shape[1] == 0 or input.ndim < weight.ndim - 1:
        return 1
    channels = input.shape[1 - weight.ndim]
    if channels % weight.shape[1]:
        raise ValueError(
            f"input must have a multiple of weight.shape[1] = {weight.shape[1]} channels, "
            f"got {channels} (input {tuple(input.shape)}, weight {tuple(weight.shape)})"
        )
    return max(channels // weight.shape[1], 1)


def _offset_groups(offset: Tensor, input: Tensor, per_group: int, channel_axis: int) -> int:
    """Read the offset groups off the shapes."""
    if offset.ndim != input.ndim:
        raise ValueError(
            f"offset must have as many dimensions as input, {input.ndim}, "
            f"got shape {tuple(offset.shape)}"
        )
    channels, given = input.shape[channel_axis], offset.shape[channel_axis]
    if given == 0 or given % per_group:
        raise ValueError(
            f"offset must have a positive multiple of {per_group} channels, one number for each "
            f"tap and axis, got {given} (shape {tuple(offset.shape)})"
        )
    if channels % (given // per_group):
        raise ValueError(
            f"the offset groups must divide the input's channels: {given} channels of offset are "
            f"{given // per_group} groups, {channels} % {given // per_group} != 0"
        )
    return given // per_group


def _check_shape(name: str, tensor: Tensor, wanted: Sequence[int]) -> None:
    if tuple(tensor.shape) != tuple(wanted):
        raise ValueError(f"{name} must have shape {tuple(wanted)}, got {tuple(tensor.shape)}")


def _autocast(input: Tensor, *others: Tensor | None) -> tuple[Any, ...]:
    """Widen all tensors to one dtype, and append the dtype that the result has under autocast.

    Narrowing would move the samples: in bfloat16 an offset of 5.02 is one of 5.03.
    """
    tensors = (input, *others)
    widest = reduce(torch.promote_types, (t.dtype for t in tensors if t is not None))
    lower = torch.get_autocast_dtype(input.device.type)
    result = widest if widest == torch.float64 else lower
    return *(None if t is None else t.to(widest) for t in tensors), result
