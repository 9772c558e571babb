"""Convolution, batch normalization, activation: the unit that most networks consist of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from ...spec import Padding, Size, per_axis
from ..conv import Conv2d


class ConvUnit(nn.Sequential):
    """A convolution, batch normalization and an activation.

    Shapes: (N, C_in, H, W) to (N, C_out, H', W'), sizes as the convolution gives them.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: as in torch.nn.
        stride: as in torch.nn.
        padding: as in torch.nn; None keeps the size where stride is 1 and the kernel is odd.
        layer: the kind of convolution, any 2-D layer of `juanji.nn`.
        activation: builds the activation; None leaves it out.
        normalize: False leaves the normalization out, and gives the convolution a bias instead, as
            in networks older than it.
        eps: of the normalization.
        options: what else the layer takes: `dilation`, `groups`, ...

    Source: Ioffe and Szegedy, "Batch Normalization", 2015, arXiv:1502.03167.

    >>> import torch
    >>> ConvUnit(3, 8, 3, stride=2)(torch.ones(1, 3, 9, 7)).shape
    torch.Size([1, 8, 5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding | None = None,
        *,
        layer: Callable[..., nn.Module] = Conv2d,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        normalize: bool = True,
        eps: float = 1e-5,
        **options: Any,
    ) -> None:
        super().__init__()
        if padding is None:
            kernel = per_axis("kernel_size", kernel_size, 2)
            dilation = per_axis("dilation", options.get("dilation", 1), 2)
            padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
        self.conv = layer(
            in_channels, out_channels, kernel_size, stride, padding, bias=not normalize, **options
        )
        if normalize:
            self.norm = nn.BatchNorm2d(out_channels, eps=eps)
        if activation is not None:
            self.activation = activation()
