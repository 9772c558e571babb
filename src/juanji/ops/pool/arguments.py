"""From the arguments of pooling to the bound relation; `op` and `reference` start from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from ...bind import Axis, Bound, bind, bind_transposed, bind_window, extent, resolve_padding
from ...spec import Padding, Pool, Size, Window, per_axis, windows
from ..remember import remembered


def bind_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Bound:
    """Slide windows over the spatial axes of `input`, each of them holding at least one cell.

    What was bound once is remembered, if it is given in plain numbers.
    """
    _require_floating(input)
    return remembered(_bind_pool, input.shape, kernel_size, stride, padding, dilation, ceil_mode)


def _bind_pool(
    shape: torch.Size,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: bool,
) -> Bound:
    wanted = _windows(tuple(shape), kernel_size, stride, padding, dilation)
    bound = bind(Pool(wanted, ceil_mode), tuple(shape[-len(wanted) :]))
    for window, axis in zip(wanted, bound.axes, strict=True):
        _check_padding(window, axis)
    return bound


def bind_unpool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    output_size: Sequence[int] | None,
) -> Bound:
    """Read pooling backwards: `input` is the coarse grid, `output_size` the fine one.

    `output_size` is spatial or a whole shape; without it, it is the smallest that whole windows
    fill.
    """
    _require_floating(input)
    return remembered(_bind_unpool, input.shape, kernel_size, stride, padding, output_size)


def _bind_unpool(
    shape: torch.Size,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    output_size: Sequence[int] | None,
) -> Bound:
    wanted = _windows(tuple(shape), kernel_size, stride, padding)
    coarse = tuple(shape[-len(wanted) :])
    if 0 in coarse:
        raise ValueError(f"input must have at least one cell on each axis, got {coarse}")
    sizes: Sequence[int | None] = (None,) * len(wanted)
    if output_size is not None:
        if len(output_size) not in (len(wanted), len(shape)):
            raise ValueError(
                f"output_size must have one value per spatial axis ({len(wanted)}) or be a whole "
                f"shape ({len(shape)} values), got {tuple(output_size)}"
            )
        sizes = output_size[-len(wanted) :]
    axes = tuple(_unpooled(*arguments) for arguments in zip(wanted, coarse, sizes, strict=True))
    for window, axis in zip(wanted, axes, strict=True):
        _check_padding(window, axis)
    return Bound(Pool(wanted), axes)


def _require_floating(input: Tensor) -> None:
    if not input.is_floating_point():
        raise TypeError(f"input must be floating-point, got {input.dtype}")


def check_weights(input: Tensor) -> None:
    """Raise ValueError unless all values can be weights of a draw."""
    valid = (input >= 0) & (input < float("inf"))
    rule = "input must hold finite values of at least 0"
    _check_values(valid, rule, lambda: ValueError(f"{rule}, got {input[~valid][0].item()}"))


def check_indices(indices: Tensor, size: Sequence[int]) -> None:
    """Raise IndexError unless all indices are of cells of a map of that size."""
    cells = prod(size)
    valid = (indices >= 0) & (indices < cells)
    _check_values(
        valid,
        "indices must be at least 0 and below the number of output cells",
        lambda: IndexError(
            f"indices must be at least 0 and below {cells}, the cells of output size "
            f"{list(size)}, got {indices[~valid][0].item()}"
        ),
    )


def _check_values(valid: Tensor, rule: str, error: Callable[[], Exception]) -> None:
    """Raise `error()` unless all are valid; waits for the device to know.

    In a compiled or exported graph `rule` is asserted when the graph runs: RuntimeError there.
    """
    if torch.compiler.is_compiling():
        torch._assert_async(valid.all(), rule)
    elif not (valid.is_meta or is_fake(valid)) and not bool(valid.all()):
        raise error()


def _windows(
    shape: tuple[int, ...],
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size = 1,
) -> tuple[Window, ...]:
    """Parse the arguments; `kernel_size`, or else the input, says how many axes there are."""
    dimensions = len(kernel_size) if isinstance(kernel_size, Sequence) else len(shape) - 2
    if not 1 <= dimensions <= 3:
        raise ValueError(
            f"kernel_size must have 1 to 3 values, or be an int for an input (N, C, *spatial) with "
            f"1 to 3 spatial axes; got {kernel_size} for shape {shape}"
        )
    if len(shape) not in (dimensions + 1, dimensions + 2):
        raise ValueError(
            f"input must have {dimensions + 2} dimensions (N, C, *spatial), or {dimensions + 1} "
            f"unbatched, for kernel_size {kernel_size}; got shape {shape}"
        )
    kernel = per_axis("kernel_size", kernel_size, dimensions)
    return windows(kernel, kernel if stride is None else stride, padding, dilation)


def _check_padding(window: Window, axis: Axis) -> None:
    """Raise ValueError where a window could lie in the padding alone, so that it has no value."""
    span = extent(window)
    if max(axis.pad_low, axis.pad_high) >= span:
        raise ValueError(
            f"padding must be below the {span} cells that the kernel spans (kernel {axis.kernel}, "
            f"dilation {axis.dilation}), got {axis.pad_low} + {axis.pad_high}"
        )
    # A window that starts in the low padding first meets the input at start mod dilation. The last
    # ones start inside the input: the high padding is smaller than a window.
    if axis.fine < axis.dilation:
        for start in range(-axis.pad_low, min(0, axis.coarse * axis.stride), axis.stride):
            if start % axis.dilation >= axis.fine:
                raise ValueError(
                    f"padding must leave every window a cell: with dilation {axis.dilation} the "
                    f"window at {start} steps over all {axis.fine} cells of the input"
                )


def _unpooled(window: Window, coarse: int, fine: int | None) -> Axis:
    """Find the fine grid that pools to `coarse` cells, or check that `fine` does."""
    if fine is None:
        if window.padding == "same":
            raise ValueError('padding "same" needs output_size: several sizes pool to one')
        return bind_transposed(
            replace(window, padding=resolve_padding(window, coarse)), coarse, output_padding=0
        )
    if not isinstance(fine, int | torch.SymInt):
        raise TypeError(f"output_size must hold integers, got {fine!r}")
    if fine < 1:
        raise ValueError(f"output_size must be at least 1, got {fine}")
    axis = bind_window(window, fine, ceil_mode=True)
    if axis.coarse == coarse:
        return axis
    smaller = bind_window(window, fine)
    if smaller.coarse == coarse:
        return smaller
    raise ValueError(
        f"output_size must be one that pools to the input's {coarse} cells; {fine} pools to "
        f"{smaller.coarse}, in ceil mode to {axis.coarse}"
    )
