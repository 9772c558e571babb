"""Octave convolution: features at two resolutions. The mathematics: README.md in this folder."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ...bind import bind
from ...spec import Conv, Padding, Size
from .. import check
from ..conv import conv_spec
from ..conv import op as conv_op
from ..memory import memory_checked
from . import op, transposed
from .alpha import Alpha, low_channels
from .pair import OctavePair, Parts
from .paths import Cut, Paths
from .resample import pool, upsample

__all__ = [
    "Alpha",
    "Downsample",
    "OctavePair",
    "Parts",
    "frequency_split",
    "low_channels",
    "octave_conv",
    "octave_conv_cut",
    "octave_conv_transpose",
    "octave_cut",
    "octave_merge",
    "octave_split",
]

Downsample = Literal["pool", "stride"]


@memory_checked
def octave_split(x: Tensor, alpha: Alpha) -> OctavePair:
    """Split a feature map into full-size high and half-size low channels.

    Args:
        x: (N, C, *spatial) with at least one spatial axis.
        alpha: the part of the channels that becomes low, in [0, 1]: the last int(alpha * C).

    Returns:
        the pair (high, low): (N, C - int(alpha * C), *spatial) and
        (N, int(alpha * C), *ceil(spatial / 2)), the average of the cells that exist; a half
        without channels is None.

    Raises:
        TypeError: x is not floating-point.
        ValueError: alpha is outside [0, 1].

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> high, low = octave_split(torch.ones(2, 8, 5, 7), alpha=0.25)
    >>> high.shape, low.shape
    (torch.Size([2, 6, 5, 7]), torch.Size([2, 2, 3, 4]))
    """
    check.same_kind(x=x)
    if x.ndim < 3:
        raise ValueError(f"x must have shape (N, C, *spatial), got {tuple(x.shape)}")
    channels = x.shape[1]
    low = low_channels(alpha, channels)
    return OctavePair(
        x[:, : channels - low] if low < channels or not low else None,
        pool(x[:, channels - low :], (2,) * (x.ndim - 2)) if low else None,
        size=tuple(x.shape[2:]),
    )


@memory_checked
def octave_merge(high: Tensor | OctavePair | None, low: Tensor | None = None) -> Tensor:
    """Bring a pair back to one full-size map: high, then low repeated to full size.

    Args:
        high: (N, C_high, *spatial), or a pair of both, or None.
        low: (N, C_low, *ceil(spatial / 2)), or None.

    Returns:
        (N, C_high + C_low, *spatial). Channels of concatenated pairs stand in the order in which
        the plain maps would have been concatenated.

    Raises:
        ValueError: both are None, or the sizes do not belong together.

    >>> import torch
    >>> octave_merge(torch.zeros(1, 1, 3), torch.tensor([[[1.0, 2.0]]]))
    tensor([[[0., 0., 0.],
             [1., 1., 2.]]])
    """
    pair = high if isinstance(high, OctavePair) else OctavePair(high, low)
    return pair.merge()


@memory_checked
def frequency_split(image: Tensor) -> tuple[Tensor, Tensor]:
    """Split an image or feature map into detail and a smooth rest, which add up to it.

    The low part is the average over blocks of two cells per axis, what octave convolution keeps of
    its low channels, brought back to full size; the high part is what it leaves.

    Args:
        image: (N, C, *spatial) with at least one spatial axis, each of any size. An image without
            batch needs `unsqueeze(0)`: it cannot be told from a batch.

    Returns:
        (high, low), both of the input's shape, with high + low = image up to rounding. One cell
        of each block, `low[..., ::2]` along every spatial axis, is the small low map.

    Raises:
        TypeError: `image` is not floating-point.
        ValueError: `image` has no spatial axis, or one without cells.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049, figure 1.

    >>> import torch
    >>> frequency_split(torch.tensor([[[1.0, 3.0, 8.0]]]))
    (tensor([[[-1.,  1.,  0.]]]), tensor([[[2., 2., 8.]]]))
    """
    check.same_kind(image=image)
    if image.ndim < 3 or 0 in image.shape[2:]:
        raise ValueError(
            f"image must have shape (N, C, *spatial) with at least one cell, "
            f"got {tuple(image.shape)}"
        )
    factors = (2,) * (image.ndim - 2)
    low = upsample(pool(image, factors), factors, image.shape[2:])
    return image - low, low


def octave_conv(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    alpha_in: Alpha,
    alpha_out: Alpha,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    downsample: Downsample = "pool",
    size: tuple[int, ...] | None = None,
) -> OctavePair:
    """Convolve a pair of high and low maps into such a pair, by four paths.

    high = conv(high) + upsample(conv(low)) and low = conv([pool(high), low]): one weight of the
    ordinary shape, cut into the four paths. At alpha 0 on both ends this is `conv`, exactly.
    The result has the size that `conv` would give, for any size and padding: at low resolution
    the padding is chosen so that the grids keep their relative place.

    Args:
        high: (N, C_high, *spatial), or None where alpha_in is 1.
        low: (N, C_low, *ceil(spatial / 2)), or None where alpha_in is 0.
        weight: (C_out, C_in / groups, *kernel); input channels are the high ones, then the low.
        bias: (C_out,).
        alpha_in: the part of the input channels that is low.
        alpha_out: the part of the output channels that is low.
        stride: as in `conv`.
        padding: as in `conv`.
        dilation: as in `conv`; counted in cells of the grid that a path works on.
        groups: apply to each path; a depthwise convolution has no cross paths, and needs
            as many low channels in as out.
        downsample: how a stride is taken: "pool" averages first, then convolves at stride 1, as
            the authors do; "stride" strides the convolutions.
        size: the full spatial size, needed only where high is None and the size is odd.

    Returns:
        the pair (high, low); a half without channels is None.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: alpha is outside [0, 1], channels do not match it, groups do not divide every
            path, or a size does not fit.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049.

    >>> import torch
    >>> pair = octave_split(torch.randn(1, 4, 7, 7), alpha=0.5)
    >>> high, low = octave_conv(
    ...     *pair, torch.randn(8, 4, 3, 3), alpha_in=0.5, alpha_out=0.25, padding=1)
    >>> high.shape, low.shape
    (torch.Size([1, 6, 7, 7]), torch.Size([1, 2, 4, 4]))
    """
    spec = conv_spec(weight, bias, stride, padding, dilation, groups)
    cut = octave_cut(spec, alpha_in, alpha_out, downsample)
    _check_dimensions(weight, high, low)
    return octave_conv_cut(OctavePair(high, low, size=size), weight, bias, cut)


def octave_conv_transpose(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    alpha_in: Alpha,
    alpha_out: Alpha,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    downsample: Downsample = "pool",
    size: tuple[int, ...] | None = None,
) -> OctavePair:
    """Apply the adjoint of `octave_conv`.

    <octave_conv(x, w), y> = <x, octave_conv_transpose(y, w)>, the products summed over both
    halves. Here y is the input and x the output: the alphas of that `octave_conv` are exchanged.
    The result has the size that `conv_transpose` would give. At alpha 0 on both ends this is
    `conv_transpose`, exactly.

    Args:
        high: (N, C_high, *spatial), or None where alpha_in is 1.
        low: (N, C_low, *ceil(spatial / 2)), or None where alpha_in is 0.
        weight: (C_in, C_out / groups, *kernel): the weight of the `octave_conv` it is adjoint to.
        bias: (C_out,), added to every cell of its channel's half.
        alpha_in: the part of the input channels that is low.
        alpha_out: the part of the output channels that is low.
        stride: as in `conv_transpose`.
        padding: as in `conv_transpose`.
        output_padding: as in `conv_transpose`, counted in cells of the full size.
        groups: as in `octave_conv`.
        dilation: as in `octave_conv`.
        downsample: how the `octave_conv` that it is adjoint to takes a stride.
        size: the full spatial size of the input, needed only where high is None and the size is
            odd.

    Returns:
        the pair (high, low); a half without channels is None.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: as `octave_conv`; padding is a mode.

    Source: Chen et al., "Drop an Octave", 2019, arXiv:1904.05049; the adjoint by composition.

    >>> import torch
    >>> pair = octave_split(torch.randn(1, 8, 5, 5), alpha=0.25)
    >>> high, low = octave_conv_transpose(
    ...     *pair, torch.randn(8, 4, 4, 4), alpha_in=0.25, alpha_out=0.5, stride=2, padding=1)
    >>> high.shape, low.shape
    (torch.Size([1, 2, 10, 10]), torch.Size([1, 2, 5, 5]))
    """
    spec = conv_spec(
        weight, bias, stride, padding, dilation, groups,
        transposed=True, output_padding=output_padding,
    )  # fmt: skip
    cut = octave_cut(spec, alpha_in, alpha_out, downsample)
    _check_dimensions(weight, high, low)
    return octave_conv_cut(OctavePair(high, low, size=size), weight, bias, cut)


@memory_checked
def octave_conv_cut(pair: OctavePair, weight: Tensor, bias: Tensor | None, cut: Cut) -> OctavePair:
    """Convolve, or with a transposed one apply the adjoint, by arguments that are checked already.

    This is what a layer calls each time.
    """
    spec = cut.spec
    _check_dimensions(weight, pair.high, pair.low)
    given = tuple(map(sum, zip(*pair.parts, strict=True)))
    if given != cut.given:
        raise ValueError(
            f"high and low must have {cut.given[0]} and {cut.given[1]} channels, as alpha_in parts "
            f"{spec.in_channels}, got {given[0]} and {given[1]}"
        )
    check.same_kind(weight=weight, bias=bias, high=pair.high, low=pair.low)
    bound = bind(spec, pair.spatial)
    if not (cut.low_in or cut.low_out) or not spec.out_channels:
        whole = conv_op.convolve_transposed if spec.transposed else conv_op.convolve
        return OctavePair(whole(pair.merge(), weight, bias, bound), None)
    along = transposed.convolve_transposed if spec.transposed else op.convolve
    return along(pair, weight, bias, Paths(cut, bound))


def _check_dimensions(weight: Tensor, high: Tensor | None, low: Tensor | None) -> None:
    for name, half in (("high", high), ("low", low)):
        if half is not None and half.ndim != weight.ndim:
            raise ValueError(
                f"{name} must have {weight.ndim} dimensions (N, C, *spatial) like the weight, "
                f"got shape {tuple(half.shape)}"
            )


def octave_cut(spec: Conv, alpha_in: Alpha, alpha_out: Alpha, downsample: str) -> Cut:
    """Check what does not depend on the input, and count the low channels."""
    if downsample not in ("pool", "stride"):
        raise ValueError(f'downsample must be "pool" or "stride", got {downsample!r}')
    return Cut(
        spec,
        low_channels(alpha_in, spec.in_channels, "alpha_in"),
        low_channels(alpha_out, spec.out_channels, "alpha_out"),
        pooled=downsample == "pool",
    )
