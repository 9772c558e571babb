"""Convolution, its transpose, and its matrix. The mathematics: README.md in this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from torch import Tensor

from ... import relation
from ...bind import Bound, bind
from ...spec import Conv, Padding, Size, integer, per_axis, windows
from .. import check
from ..memory import memory_checked
from ..operator import operator
from ..remember import remembered
from . import op

Shape: TypeAlias = tuple[int, ...]

__all__ = ["conv", "conv_matrix", "conv_transpose"]


@operator
def conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    flip: bool = False,
) -> Tensor:
    """Convolve in as many dimensions as `weight` has spatial axes.

    As in all of deep learning this is cross-correlation; `flip=True` turns the kernel around and
    gives the convolution of mathematics.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        weight: (C_out, C_in / groups, *kernel).
        bias: (C_out,).
        stride: step of the window, an int or one per axis.
        padding: zeros around the input: an int, one int or (low, high) pair per axis, or
            "valid" (none), "same" (ceil(n / stride) outputs; an odd cell goes to the high side),
            "full" (from the first contact of kernel and input on).
        dilation: distance of the taps, an int or one per axis.
        groups: number of blocks that channels are divided into; blocks do not mix.
        flip: convolve as in mathematics.

    Returns:
        (N, C_out, *output); per axis floor((n + low + high - dilation * (k - 1) - 1) / stride) + 1.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a size, a shape or the number of channels does not fit.

    >>> import torch
    >>> x, kernel = torch.arange(1.0, 6.0).view(1, 1, 5), torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> conv(x, kernel)
    tensor([[[14., 20., 26.]]])
    >>> conv(x, kernel, flip=True)
    tensor([[[10., 16., 22.]]])
    >>> conv(x, kernel, padding="full", stride=2).shape
    torch.Size([1, 1, 4])
    """
    check.same_kind(input=input, weight=weight, bias=bias)
    bound = _bound(input, weight, bias, stride, padding, dilation, groups, flip=flip)
    return op.convolve(input, weight, bias, bound)


@operator
def conv_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Apply the adjoint of `conv`: <conv(x, w), y> = <x, conv_transpose(y, w)>.

    It restores the shape that a convolution had before it, not the values.

    Args:
        input: (N, C_in, *spatial) or unbatched (C_in, *spatial).
        weight: (C_in, C_out / groups, *kernel): the weight of the convolution it is adjoint to.
        bias: (C_out,).
        stride: step of the window in the output.
        padding: cells cut off the output: an int, or one int or (low, high) pair per axis.
        output_padding: cells added at the high end, below the stride or the dilation; with a
            stride several input sizes convolve to the same output size, and this picks one.
        groups: as in `conv`.
        dilation: as in `conv`.

    Returns:
        (N, C_out, *output); per axis
        (n - 1) * stride - low - high + dilation * (k - 1) + 1 + output_padding.

    Raises:
        TypeError: dtypes or devices differ, or are not floating-point.
        ValueError: a size, a shape or the number of channels does not fit.

    >>> import torch
    >>> conv_transpose(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3)).shape
    torch.Size([1, 1, 4, 4])
    """
    check.same_kind(input=input, weight=weight, bias=bias)
    bound = _bound(
        input, weight, bias, stride, padding, dilation, groups,
        transposed=True, output_padding=output_padding,
    )  # fmt: skip
    return op.convolve_transposed(input, weight, bias, bound)


@memory_checked
def conv_matrix(
    weight: Tensor,
    input_size: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    flip: bool = False,
    transposed: bool = False,
) -> Tensor:
    """Write a convolution out as the sparse matrix C with conv(x) = C x on flattened x.

    Args:
        weight: as `conv` takes it, or with `transposed` as `conv_transpose` does.
        input_size: spatial size of the input.
        stride: as in `conv`.
        padding: as in `conv`; with `transposed` numbers only.
        dilation: as in `conv`.
        groups: as in `conv`.
        flip: as in `conv`.
        transposed: the matrix of `conv_transpose` instead: the transpose of C.

    Returns:
        sparse CSR of shape (C_out * prod(output), C_in * prod(input_size)), without gradient.

    Raises:
        ValueError: a size or the number of channels does not fit.

    >>> import torch
    >>> conv_matrix(torch.tensor([[[1.0, 2.0]]]), (3,)).to_dense()
    tensor([[1., 2., 0.],
            [0., 1., 2.]])
    """
    spec = conv_spec(
        weight, None, stride, padding, dilation, groups, flip=flip, transposed=transposed
    )
    size = per_axis("input_size", input_size, len(spec.windows))
    return relation.matrix(bind(spec, size), weight)


def _bound(
    input: Tensor, weight: Tensor, bias: Tensor | None, *arguments: Any, **options: Any
) -> Bound:
    """Parse the arguments and bind them to the sizes; what was bound before is looked up."""
    shapes = weight.shape, None if bias is None else bias.shape, input.shape
    return remembered(_bind_shapes, *shapes, *arguments, **options)


def _bind_shapes(
    weight: Shape, bias: Shape | None, input: Shape, *arguments: Any, **options: Any
) -> Bound:
    of_bias = None if bias is None else tuple(bias)
    spec = spec_of_shapes(tuple(weight), of_bias, *arguments, **options)
    return bind(spec, check.spatial_size(tuple(input), len(spec.windows), spec.in_channels))


def conv_spec(weight: Tensor, bias: Tensor | None, *arguments: Any, **options: Any) -> Conv:
    """Read the specification off weight, bias and the arguments of `spec_of_shapes`."""
    shape = None if bias is None else tuple(bias.shape)
    return spec_of_shapes(tuple(weight.shape), shape, *arguments, **options)


def spec_of_shapes(
    weight: Shape,
    bias: Shape | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    *,
    flip: bool = False,
    transposed: bool = False,
    output_padding: Size = 0,
) -> Conv:
    """Read the specification off the shapes of weight and bias and the arguments."""
    if len(weight) < 3:
        raise ValueError(
            f"weight must have at least 3 dimensions, (C_out, C_in / groups, *kernel), "
            f"got shape {weight}"
        )
    if integer("groups", groups) < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    first, second, *kernel = weight
    extra = per_axis("output_padding", output_padding, len(kernel)) if transposed else ()
    spec = Conv(
        windows(kernel, stride, padding, dilation),
        in_channels=first if transposed else second * groups,
        out_channels=second * groups if transposed else first,
        groups=groups,
        flip=flip,
        transposed=transposed,
        output_padding=extra,
    )
    if bias is not None and bias != (spec.out_channels,):
        raise ValueError(
            f"bias must have shape ({spec.out_channels},), one per output channel, got {bias}"
        )
    return spec
