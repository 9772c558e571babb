"""Depthwise separable convolution: one filter set per channel, then 1x1."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import check
from ..ops.conv import conv
from ..spec import Padding, Size
from .weights import factorize, require_shape


def depthwise_separable_conv(
    input: Tensor,
    depthwise_weight: Tensor,
    pointwise_weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Tensor:
    """Filter every channel by itself, then mix the channels by a 1x1 convolution.

    With the multiplier m, every input channel has m filters.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        depthwise_weight: (C_in * m, 1, *kernel).
        pointwise_weight: (C_out, C_in * m, 1, ..., 1).
        bias: (C_out,).
        stride: as in `conv`; taken by the depthwise step, as `padding` and `dilation` are.
        padding: as in `conv`.
        dilation: as in `conv`.

    Returns:
        (N, C_out, *output), sized as by `conv` with that kernel.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a shape or size does not fit, or C_in is 0.

    Source: Chollet, "Xception", 2017, arXiv:1610.02357; Howard et al., "MobileNets", 2017,
    arXiv:1704.04861. Multiplier above 1: Wang et al., "Factorized Convolutional Neural Networks",
    2016, arXiv:1608.04337.

    >>> import torch
    >>> depthwise, pointwise = torch.randn(3, 1, 3, 3), torch.randn(256, 3, 1, 1)
    >>> depthwise.numel() + pointwise.numel()  # an ordinary 3x3 weight has 6912
    795
    >>> depthwise_separable_conv(torch.randn(1, 3, 7, 9), depthwise, pointwise, padding=1).shape
    torch.Size([1, 256, 7, 9])
    """
    check.same_kind(
        input=input,
        depthwise_weight=depthwise_weight,
        pointwise_weight=pointwise_weight,
        bias=bias,
    )
    dimensions = depthwise_weight.ndim - 2
    channels = input.shape[-dimensions - 1] if 0 < dimensions < input.ndim else 0
    filters = depthwise_weight.shape[0]
    if channels < 1 or filters % channels or depthwise_weight.shape[1] != 1:
        raise ValueError(
            f"depthwise_weight must have shape (C_in * multiplier, 1, *kernel) with C_in at least "
            f"1, got {tuple(depthwise_weight.shape)} for an input of shape {tuple(input.shape)}"
        )
    require_shape(
        "pointwise_weight",
        pointwise_weight,
        (len(pointwise_weight), filters, *(1,) * dimensions),
        "(C_out, C_in * multiplier, 1, ...)",
    )
    middle = conv(input, depthwise_weight, None, stride, padding, dilation, channels)
    return conv(middle, pointwise_weight, bias)


def dense_weight(depthwise_weight: Tensor, pointwise_weight: Tensor, channels: int) -> Tensor:
    """Write out the ordinary weight (C_out, C_in, *kernel): a sum of m rank-one terms per channel.

    W[o, c] = sum over j of pointwise[o, (c, j)] * depthwise[(c, j)].
    """
    shape = (channels, len(depthwise_weight) // channels)
    filters = depthwise_weight.squeeze(1).unflatten(0, shape)
    mix = pointwise_weight.flatten(1).unflatten(1, shape)
    return torch.einsum("ocj,cj...->oc...", mix, filters)


def fit(weight: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """Return the depthwise and pointwise weight nearest to `weight` (C_out, C_in, *kernel).

    Input channels do not share filters, so the best fit is one truncated SVD per input channel,
    of the matrix C_out x cells of the kernel.
    """
    mix, filters = factorize(weight.flatten(2).movedim(1, 0), multiplier)
    depthwise = filters.flatten(0, 1).unflatten(1, (1, *weight.shape[2:]))
    pointwise = mix.movedim(1, 0).flatten(1)
    return depthwise, pointwise.reshape(*pointwise.shape, *(1 for _ in weight.shape[2:]))
