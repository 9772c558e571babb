"""Pooling and unpooling. The mathematics and the rules: README.md in this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.overrides import handle_torch_function, has_torch_function_unary

from ...spec import Padding, Size
from .. import layout
from ..memory import memory_checked
from ..operator import operator
from . import op
from .arguments import bind_pool, bind_unpool

__all__ = [
    "avg_pool",
    "avg_unpool",
    "global_avg_pool",
    "global_max_pool",
    "max_pool",
    "max_unpool",
    "stochastic_pool",
]


@operator
def max_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the maximum of every window, in 1 to 3 dimensions.

    Padding never wins. A window that holds NaN gives NaN, with its index; among equal maxima the
    first in C order counts, also where all are -inf. The gradient goes to the cell at the index.

    Args:
        input: (N, C, *spatial), or unbatched (C, *spatial).
        kernel_size: size of the window. A sequence has one value per spatial axis and so says how
            many there are; an int means a batched input, all of whose axes after the first two
            are spatial.
        stride: step of the window; by default the kernel size.
        padding: cells around the input in every form that `conv` takes: an int, one int or
            (low, high) pair per axis, "valid", "same" or "full"; below the extent of the window.
        dilation: distance of a window's cells.
        ceil_mode: keep a last, incomplete window that starts inside the input or its low padding.
        return_indices: also return where the maxima are.

    Returns:
        (N, C, *output); per axis
        floor((n + low + high - dilation * (k - 1) - 1) / stride) + 1, or the ceiling.
        With `return_indices` a pair with the int64 indices of the same shape, flat (C order) among
        the spatial cells of the unpadded input, as torch gives them.

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: an argument or a shape does not fit, or a window would hold no cell.

    >>> import torch
    >>> x = torch.tensor([[[3.0, 1.0, 4.0, 1.0, 5.0]]])
    >>> max_pool(x, 2)
    tensor([[[3., 4.]]])
    >>> max_pool(x, 2, stride=1, padding="same", return_indices=True)
    (tensor([[[3., 4., 4., 5., 5.]]]), tensor([[[0, 2, 2, 4, 4]]]))
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            max_pool, (input,), input, kernel_size, stride, padding, dilation, ceil_mode,
            return_indices=return_indices,
        )  # fmt: skip
    bound = bind_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    return op.max_pool_with_indices(input, bound) if return_indices else op.max_pool(input, bound)


@operator
def avg_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
) -> Tensor:
    """Average every window, in 1 to 3 dimensions.

    Args:
        input: as in `max_pool`.
        kernel_size: as in `max_pool`.
        stride: as in `max_pool`.
        padding: as in `max_pool`; here padded cells are zeros.
        ceil_mode: as in `max_pool`.
        count_include_pad: divide by the number of cells in the padded input, else by that in the
            input. What a last, incomplete window has beyond the padding never counts.
        divisor_override: divide by this number instead.
        dilation: as in `max_pool`.

    Returns:
        (N, C, *output), sizes as in `max_pool`. Half precision is summed in single.

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: an argument or a shape does not fit, or a window would hold no cell.

    >>> import torch
    >>> x = torch.tensor([[[3.0, 1.0, 4.0, 1.0, 5.0]]])
    >>> avg_pool(x, 2, ceil_mode=True)
    tensor([[[2.0000, 2.5000, 5.0000]]])
    >>> avg_pool(x, 2, stride=1, padding="same", count_include_pad=False)
    tensor([[[2.0000, 2.5000, 2.5000, 3.0000, 5.0000]]])
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            avg_pool, (input,), input, kernel_size, stride, padding, ceil_mode, count_include_pad,
            divisor_override, dilation=dilation,
        )  # fmt: skip
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    bound = bind_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    return op.avg_pool(input, bound, count_include_pad, divisor_override)


@operator
def stochastic_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    *,
    training: bool = True,
    generator: torch.Generator | None = None,
    return_indices: bool = False,
) -> Any:
    """Pick one cell of every window with probability a / sum(a) of its value a; or their mean.

    Training draws, one random number per output; the gradient goes to the cell drawn. The same seed
    draws the same again, but not the same with the native kernels and without them.
    Evaluation returns the mean under these probabilities, sum(a^2) / sum(a), with its derivative.
    A window of zeros gives 0. Padding counts as zeros, so that it is never drawn.

    Values have to be finite and non-negative, as after a ReLU; checking this waits for the device.
    In compiled and exported graphs it is asserted when they run, a RuntimeError, and `generator`
    has to be None: `torch.manual_seed` seeds them. `torch.vmap` refuses the check.

    Args:
        input: as in `max_pool`; values from 0 up.
        kernel_size: as in `max_pool`.
        stride: as in `max_pool`.
        padding: as in `max_pool`.
        training: draw, instead of averaging.
        generator: source of the random numbers, on the device of `input`; by default torch's own.
        return_indices: also return the indices of the cells drawn, as in `max_pool`; in evaluation
            those of the most probable cells.

    Returns:
        (N, C, *output), sizes as in `max_pool`; with `return_indices` a pair.

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: a value is negative, NaN or infinite; an argument or a shape does not fit.

    Zeiler and Fergus, Stochastic Pooling for Regularization of Deep Convolutional Neural Networks,
    2013, https://arxiv.org/abs/1301.3557.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0, 0.0, 2.0, 0.0, 0.0]]])
    >>> stochastic_pool(x, 2, generator=torch.Generator().manual_seed(1))
    tensor([[[3., 2., 0.]]])
    >>> stochastic_pool(x, 2, training=False)
    tensor([[[2.5000, 2.0000, 0.0000]]])
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            stochastic_pool, (input,), input, kernel_size, stride, padding, training=training,
            generator=generator, return_indices=return_indices,
        )  # fmt: skip
    bound = bind_pool(input, kernel_size, stride, padding)
    if training and return_indices:
        return op.stochastic_pool_with_indices(input, bound, generator)
    if training:
        return op.stochastic_pool(input, bound, generator)
    mean = op.stochastic_mean(input, bound)
    return (mean, op.max_pool_with_indices(input.detach(), bound)[1]) if return_indices else mean


@operator
def max_unpool(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Write values back to where `max_pool` found them; all other cells are zero.

    Where windows overlapped, several values can have one index: the last of them in C order is
    written, on every device and with any number of threads, and it alone gets the gradient. (They
    are equal if they come from `max_pool` unchanged.)

    Args:
        input: (N, C, *pooled), or unbatched.
        indices: of the shape of `input`, int64, flat (C order) among the output's spatial cells.
            Checking them waits for the device. In compiled and exported graphs it is asserted when
            they run, a RuntimeError; `torch.vmap` refuses it.
        kernel_size: as given to `max_pool`. For a dilated window, give its extent.
        stride: as given to `max_pool`.
        padding: as given to `max_pool`; "same" needs `output_size`.
        output_size: spatial size or whole shape of the output. It has to be one that pools to the
            size of `input`; by default, the one that complete windows fill.

    Returns:
        (N, C, *output); per axis (n - 1) * stride + k - low - high, or `output_size`.

    Raises:
        IndexError: an index is below 0 or not below the number of cells. Nothing is written.
        TypeError: `input` is not floating-point, `indices` are not int64, or the devices differ.
        ValueError: an argument or a shape does not fit.

    >>> import torch
    >>> x = torch.tensor([[[3.0, 1.0, 4.0, 1.0, 5.0]]])
    >>> max_unpool(*max_pool(x, 2, return_indices=True), 2, output_size=x.shape)
    tensor([[[3., 0., 4., 0., 0.]]])
    """
    bound = bind_unpool(input, kernel_size, stride, padding, output_size)
    if indices.dtype != torch.int64:
        raise TypeError(f"indices must be int64, got {indices.dtype}")
    if indices.device != input.device:
        raise TypeError(
            f"indices must be on the device of input, {input.device}, got {indices.device}"
        )
    if indices.shape != input.shape:
        raise ValueError(
            f"indices must have the shape of input, {tuple(input.shape)}, "
            f"got {tuple(indices.shape)}"
        )
    return op.max_unpool(input, indices, bound)


@operator
def avg_unpool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Copy every value to its whole window; needs no positions.

    Where windows overlap, a cell gets the average of the values whose windows hold it; a cell that
    no window holds is zero. So constants stay constant, and without overlap
    `avg_pool(avg_unpool(x)) == x`.

    Args:
        input: (N, C, *pooled), or unbatched.
        kernel_size: as given to `avg_pool`.
        stride: as given to `avg_pool`.
        padding: as given to `avg_pool`; "same" needs `output_size`.
        output_size: as in `max_unpool`.

    Returns:
        (N, C, *output), sizes as in `max_unpool`.

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: an argument or a shape does not fit.

    >>> import torch
    >>> avg_unpool(torch.tensor([[[1.0, 2.0]]]), 2)
    tensor([[[1., 1., 2., 2.]]])
    >>> avg_unpool(torch.tensor([[[1.0, 2.0]]]), 3, stride=1)
    tensor([[[1.0000, 1.5000, 1.5000, 2.0000]]])
    """
    return op.avg_unpool(input, bind_unpool(input, kernel_size, stride, padding, output_size))


@memory_checked
def global_avg_pool(input: Tensor) -> Tensor:
    """Average each channel over all its cells: (N, C, *spatial) to (N, C, 1, ..., 1).

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: `input` has no spatial axis, or no cell.

    >>> import torch
    >>> global_avg_pool(torch.arange(12.0).reshape(1, 2, 2, 3)).flatten()
    tensor([2.5000, 8.5000])
    """
    return input.mean(_spatial_axes(input), keepdim=True)


@memory_checked
def global_max_pool(input: Tensor) -> Tensor:
    """Take the maximum of each channel: (N, C, *spatial) to (N, C, 1, ..., 1).

    As in `max_pool`, NaN comes out and one cell gets the gradient.

    Raises:
        TypeError: `input` is not floating-point.
        ValueError: `input` has no spatial axis, or no cell.

    >>> import torch
    >>> global_max_pool(torch.arange(12.0).reshape(1, 2, 2, 3)).flatten()
    tensor([ 5., 11.])
    """
    axes = _spatial_axes(input)
    # A graph is not to depend on sizes, as those of a window are.
    if not is_compiling() and len(axes) <= 3 and layout.channels_innermost(input, len(axes)):
        output: Tensor = max_pool(input, tuple(input.shape[2:]))
        return output
    return input.flatten(2).max(-1).values.reshape(*input.shape[:2], *(1 for _ in axes))


def _spatial_axes(input: Tensor) -> list[int]:
    if not input.is_floating_point():
        raise TypeError(f"input must be floating-point, got {input.dtype}")
    if input.ndim < 3 or 0 in input.shape[2:]:
        raise ValueError(
            f"input must be (N, C, *spatial) with at least one cell, got {tuple(input.shape)}"
        )
    return list(range(2, input.ndim))
