"""The definition of deformable convolution, loop by loop: slow, and to be checked by eye."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from ...bind import bind
from ...spec import Padding, Size
from ..conv import conv_spec


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
    """Sum weight * mask * sample over the taps; shapes as in `juanji.functional.deform_conv`.

    The sample of tap k for output position o lies at o * stride + k * dilation - pad_low + offset.
    """
    spec = conv_spec(weight, bias, stride, padding, dilation, input.shape[1] // weight.shape[1])
    axes = bind(spec, input.shape[2:]).axes
    taps = list(product(*(range(axis.kernel) for axis in axes)))
    offset_groups = offset.shape[1] // (len(axes) * len(taps))
    per_group = spec.in_channels // offset_groups
    per_weight_group = spec.in_channels // spec.groups
    results = []
    for n, f in product(range(len(input)), range(spec.out_channels)):
        first = f // (spec.out_channels // spec.groups) * per_weight_group
        for o in product(*(range(axis.coarse) for axis in axes)):
            y = input.new_zeros(()) if bias is None else bias[f]
            for c, (number, k) in product(range(per_weight_group), enumerate(taps)):
                tap = (first + c) // per_group * len(taps) + number
                p = [
                    o_a * axis.stride + k_a * axis.dilation - axis.pad_low
                    + offset[(n, tap * len(axes) + a, *o)]
                    for a, (o_a, k_a, axis) in enumerate(zip(o, k, axes, strict=True))
                ]  # fmt: skip
                x = sample(input[n, first + c], p)
                if mask is not None:
                    x = x * mask[(n, tap, *o)]
                y = y + weight[(f, c, *k)] * x
            results.append(y)
    size = (len(input), spec.out_channels, *(axis.coarse for axis in axes))
    return torch.stack(results).view(size) if results else input.new_zeros(size)


def sample(image: Tensor, position: list[Tensor]) -> Tensor:
    """Interpolate between the cells around `position`; cells that do not exist are zero."""
    value = image.new_zeros(())
    if not all(-1 <= p < size for p, size in zip(position, image.shape, strict=True)):
        return value  # nor does NaN lie inside
    low = [math.floor(p.detach()) for p in position]
    for sides in product((0, 1), repeat=len(position)):
        cell = tuple(near + side for near, side in zip(low, sides, strict=True))
        if all(0 <= i < size for i, size in zip(cell, image.shape, strict=True)):
            share = image.new_ones(())
            for p, near, side in zip(position, low, sides, strict=True):
                share = share * (p - near if side else 1 - (p - near))
            value = value + share * image[cell]
    return value
