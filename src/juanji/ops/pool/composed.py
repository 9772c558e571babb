"""Pooling and unpooling composed of torch's functions.

torch's own kernels pad alike on both sides, by at most half a window, and average without
dilation. What they do not take goes over explicit padding and strided slices, one per tap; nothing
larger than a few times the padded input or the output is made. Every function keeps the layout of
its input, channels last or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from math import prod
from operator import add, mul
from typing import Any

import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Pool
from .. import layout
from .arguments import check_indices, check_weights

MAXIMUM: dict[int, Callable[..., Any]] = {
    1: torch_functional.max_pool1d,
    2: torch_functional.max_pool2d,
    3: torch_functional.max_pool3d,
}
AVERAGE: dict[int, Callable[..., Any]] = {
    1: torch_functional.avg_pool1d,
    2: torch_functional.avg_pool2d,
    3: torch_functional.avg_pool3d,
}


def max_pool(input: Tensor, bound: Bound) -> Tensor:
    """Take the maximum of every window."""
    if not _torch_maximizes(input, bound):
        return max_pool_with_indices(input, bound)[0]
    output: Tensor = _call(lambda x: _maximum(x, bound, return_indices=False), input, bound)
    return layout.follow(output, input, len(bound.axes))


def max_pool_with_indices(input: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
    """Take the maximum of every window, and its flat index among the input's spatial cells."""
    if _torch_maximizes(input, bound):
        output, indices = _call(lambda x: _maximum(x, bound, return_indices=True), input, bound)
    else:
        indices = _call(lambda x: _padded_maximum(x, bound.axes), input.detach(), bound)
        output = take(input, indices, bound)
    dimensions = len(bound.axes)
    return layout.follow(output, input, dimensions), layout.follow(indices, input, dimensions)


def avg_pool(
    input: Tensor, bound: Bound, count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """Divide the sum of every window by the number of its cells."""
    axes, spec = bound.axes, bound.spec
    assert isinstance(spec, Pool)
    options: list[Any] = [spec.ceil_mode, count_include_pad]
    if len(axes) > 1:  # torch's 1-D function alone has no divisor_override
        options.append(divisor_override)
    if _torch_averages(bound) and (len(axes) > 1 or divisor_override is None):
        kernel, stride, padding, _ = _numbers(axes)
        # torch's 3-D kernel for CPUs has no half precision, and its other gradients sum in it
        wide = _sum_dtype(input) if input.is_cpu else input.dtype
        output: Tensor = _call(
            lambda x: AVERAGE[len(axes)](x.to(wide), kernel, stride, padding, *options),
            input,
            bound,
        )
        output = output.to(input.dtype)
    else:
        divisor: int | Tensor | None = divisor_override
        if divisor is None:
            divisor = reduce(mul, _counts(axes, count_include_pad, input.device))
        output = (_window_sum(input, axes) / divisor).to(input.dtype)
    return layout.follow(output, input, len(bound.axes))


def stochastic_pool(input: Tensor, bound: Bound, generator: torch.Generator | None) -> Tensor:
    """Draw one cell of every window in proportion to its value."""
    return stochastic_pool_with_indices(input, bound, generator)[0]


def stochastic_pool_with_indices(
    input: Tensor, bound: Bound, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw one cell of every window in proportion to its value; its index too."""
    check_weights(input.detach())
    indices = stochastic_indices(input, bound, generator)
    return take(input, indices, bound), indices


def stochastic_indices(input: Tensor, bound: Bound, generator: torch.Generator | None) -> Tensor:
    """Draw one cell of every window in proportion to its value; the first one if all are zero."""
    axes = bound.axes
    total = _window_sum(input.detach(), axes)
    # drawn in C order whatever the layout, so that a seed means one sample
    random = total.new_empty(total.shape).uniform_(generator=generator)
    threshold = total * random
    starts = _starts(axes, input.device)
    start, chosen = _flat_index(starts, axes), _flat_index(_first_cells(starts, axes), axes)
    padded = _pad(input.detach(), axes, 0)
    below = torch.zeros_like(total)
    for tap in product(*(range(axis.kernel) for axis in axes)):
        step = [k * axis.dilation for k, axis in zip(tap, axes, strict=True)]
        value = padded
        for dimension, axis in enumerate(axes):
            value = _slice(value, dimension - len(axes), step[dimension], axis)
        # the last cell that begins at or below the threshold; a zero, padded or not, is never it
        reached = (value > 0) & (below <= threshold)
        chosen = torch.where(reached, start + _flat_index(step, axes), chosen)
        below = below + value
    return layout.follow(chosen, input, len(bound.axes))


def take(input: Tensor, indices: Tensor, bound: Bound) -> Tensor:
    """Read the cells at flat spatial indices: (..., *spatial), (..., *output) to (..., *output)."""
    spatial = len(bound.axes)
    cells = input.flatten(-spatial).gather(-1, indices.flatten(-spatial))
    return layout.follow(cells.reshape(indices.shape), input, len(bound.axes))


def max_unpool(input: Tensor, indices: Tensor, bound: Bound) -> Tensor:
    """Write every value to the cell of its index; of several for one cell, the last in C order.

    The winner of every cell is found first, by a maximum, which needs no order; then each cell
    reads its winner. So the result does not depend on threads, and the gradient follows from it.
    """
    size = [axis.fine for axis in bound.axes]
    check_indices(indices, size)
    cell, values = indices.flatten(-len(size)), input.flatten(-len(size))
    position = torch.arange(cell.shape[-1], device=cell.device).expand_as(cell)
    nobody = cell.new_full((*cell.shape[:-1], prod(size)), -1)
    winner = nobody.scatter_reduce(-1, cell, position, "amax")
    output = values.gather(-1, winner.clamp(min=0)).masked_fill(winner < 0, 0)
    return layout.follow(output.reshape(*input.shape[: -len(size)], *size), input, len(size))


def avg_unpool(input: Tensor, bound: Bound) -> Tensor:
    """Give every cell the average of the values whose windows hold it; zero where none does."""
    output = input.to(_sum_dtype(input))
    for dimension, axis in enumerate(bound.axes, start=-len(bound.axes)):
        windows = _spread(output.new_ones(axis.coarse), -1, axis).clamp(min=1)
        output = _spread(output, dimension, axis) / _along(windows, dimension)
    return layout.follow(output.to(input.dtype), input, len(bound.axes))


# ------------------------------------------------------------------------- torch's own kernels


def _torch_pads(bound: Bound) -> bool:
    """Whether torch's kernels take the padding."""
    strided_same = any(w.padding == "same" and w.stride > 1 for w in bound.spec.windows)
    if strided_same and torch.compiler.is_exporting():
        return False  # the parity of the size decides, which an exported graph may leave open
    return all(axis.pad_low == axis.pad_high <= axis.kernel // 2 for axis in bound.axes)


def _torch_maximizes(input: Tensor, bound: Bound) -> bool:
    """Whether torch's kernels take the maximum.

    In 3-D with channels innermost, torch 2.13 gives windows of -inf an index outside of them.
    """
    if len(bound.axes) == 3 and layout.channels_innermost(input, 3):
        return False
    return _torch_pads(bound)


def _torch_averages(bound: Bound) -> bool:
    """Whether torch's kernels take the average; in 3-D the input has to be as large as a window."""
    if any(axis.dilation > 1 for axis in bound.axes):
        return False
    fits = len(bound.axes) < 3 or all(axis.kernel <= axis.fine for axis in bound.axes)
    return fits and _torch_pads(bound)


def _numbers(axes: Sequence[Axis]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return kernel, stride, low padding and dilation as torch takes them."""
    return (
        [axis.kernel for axis in axes],
        [axis.stride for axis in axes],
        [axis.pad_low for axis in axes],
        [axis.dilation for axis in axes],
    )


def _maximum(input: Tensor, bound: Bound, *, return_indices: bool) -> Any:
    spec = bound.spec
    assert isinstance(spec, Pool)
    return MAXIMUM[len(bound.axes)](
        input, *_numbers(bound.axes), ceil_mode=spec.ceil_mode, return_indices=return_indices
    )


def _padded_maximum(input: Tensor, axes: Sequence[Axis]) -> Tensor:
    """Return the indices of the maxima, whatever the padding."""
    padded = _pad(input, axes, float("-inf"))
    kernel, stride, _, dilation = _numbers(axes)
    maximum, index = MAXIMUM[len(axes)](padded, kernel, stride, 0, dilation, return_indices=True)
    coordinates: list[Tensor] = []
    for size, axis in zip(reversed(padded.shape), reversed(axes), strict=False):
        coordinates.insert(0, index % size - axis.pad_low)
        index = index // size
    indices: Tensor = _flat_index(coordinates, axes)
    # where all is -inf, padding can have won: there the first cell counts
    first = _flat_index(_first_cells(_starts(axes, input.device), axes), axes)
    return torch.where(maximum == float("-inf"), first, indices)


def _call(kernel: Callable[[Tensor], Any], input: Tensor, bound: Bound) -> Any:
    """Call a kernel of torch, which refuses no channels but takes an empty batch."""
    if input.numel() > 0:
        return kernel(input)
    spatial = len(bound.axes)
    empty = kernel(input.reshape(0, 1, *input.shape[-spatial:]))
    shape = (*input.shape[:-spatial], *bound.output_size)
    return (
        tuple(x.reshape(shape) for x in empty) if isinstance(empty, tuple) else empty.reshape(shape)
    )


# ------------------------------------------------------------------------------ one axis, one tap


def _sum_dtype(input: Tensor) -> torch.dtype:
    """Half precision is summed in single."""
    return torch.promote_types(input.dtype, torch.float32)


def _along(vector: Tensor, dimension: int) -> Tensor:
    """Shape a vector so that it broadcasts along `dimension`, counted from the end."""
    return vector.reshape(-1, *(1,) * (-dimension - 1))


def _pad(input: Tensor, axes: Sequence[Axis], value: float) -> Tensor:
    """Pad to exactly the cells that windows reach; cells that none reaches are cut off."""
    sides: list[int] = []
    for axis in reversed(axes):  # torch's pad begins at the last axis
        reach = (axis.coarse - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
        sides += [axis.pad_low, reach - axis.pad_low - axis.fine]
    return torch_functional.pad(input, sides, value=value)


def _slice(padded: Tensor, dimension: int, start: int, axis: Axis) -> Tensor:
    """View the cell at `start` of every window along `dimension`, counted from the end."""
    cells = slice(start, start + (axis.coarse - 1) * axis.stride + 1, axis.stride)
    index: Any = (..., cells, *(slice(None),) * (-dimension - 1))
    view: Tensor = padded[index]
    return view


def _window_sum(input: Tensor, axes: Sequence[Axis]) -> Tensor:
    """Sum every window, one axis after the other."""
    total = _pad(input, axes, 0).to(_sum_dtype(input))
    for dimension, axis in enumerate(axes, start=-len(axes)):
        taps = range(0, axis.kernel * axis.dilation, axis.dilation)
        total = reduce(add, [_slice(total, dimension, tap, axis) for tap in taps])
    return total


def _spread(input: Tensor, dimension: int, axis: Axis) -> Tensor:
    """Do the adjoint of the sum along one axis: add every value to each cell of its window."""
    shape = list(input.shape)
    shape[dimension] = reach = (axis.coarse - 1) * axis.stride + axis.kernel
    output = input.new_zeros(shape)
    for tap in range(axis.kernel):
        _slice(output, dimension, tap, axis).add_(input)
    sides = [0, 0] * (-dimension - 1) + [-axis.pad_low, axis.fine + axis.pad_low - reach]
    return torch_functional.pad(output, sides)


def _starts(axes: Sequence[Axis], device: torch.device) -> list[Tensor]:
    """Return where the windows start, per axis; together they broadcast to the output."""
    return [
        _along(torch.arange(axis.coarse, device=device) * axis.stride - axis.pad_low, dimension)
        for dimension, axis in enumerate(axes, start=-len(axes))
    ]


def _first_cells(starts: Sequence[Tensor], axes: Sequence[Axis]) -> list[Tensor]:
    """Return the first input cell of each window, per axis."""
    return [
        torch.where(start < 0, start % axis.dilation, start)
        for start, axis in zip(starts, axes, strict=True)
    ]


def _flat_index(coordinates: Sequence[Any], axes: Sequence[Axis]) -> Any:
    """Combine coordinates, tensors or numbers, to an index among the input's cells in C order."""
    flat: Any = 0
    for coordinate, axis in zip(coordinates, axes, strict=True):
        flat = flat * axis.fine + coordinate
    return flat


def _counts(axes: Sequence[Axis], include_pad: bool, device: torch.device) -> list[Tensor]:
    """Count the cells of each window per axis, in the padded input or in the input alone.

    What a last, incomplete window has beyond the padding is never counted.
    """
    counts = []
    for start, axis in zip(_starts(axes, device), axes, strict=True):
        low, high = (axis.pad_low, axis.pad_high) if include_pad else (0, 0)
        # cells before a limit: ceil((limit - start) / dilation), between 0 and kernel
        before = [
            (-((start - limit) // axis.dilation)).clamp(0, axis.kernel)
            for limit in (-low, axis.fine + high)
        ]
        counts.append(before[1] - before[0])
    return counts
