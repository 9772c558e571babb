"""The definition of pooling and unpooling, cell by cell: slow, and to be checked by eye.

Functions have the names and arguments of the public ones. Inputs are (..., *spatial).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import isnan, prod
from typing import Any

import torch
from torch import Tensor

from ...bind import Bound
from ...spec import Padding, Size
from .arguments import bind_pool, bind_unpool

Cell = tuple[int, ...]


def window(bound: Bound, o: Cell, *, padded: bool = False) -> list[Cell]:
    """Return the cells i of window o that are in the input, or in the padded input, in C order."""
    cells = []
    for k in product(*(range(axis.kernel) for axis in bound.axes)):
        i = tuple(
            o_a * axis.stride + k_a * axis.dilation - axis.pad_low
            for o_a, k_a, axis in zip(o, k, bound.axes, strict=True)
        )
        if all(
            -axis.pad_low * padded <= i_a < axis.fine + axis.pad_high * padded
            for i_a, axis in zip(i, bound.axes, strict=True)
        ):
            cells.append(i)
    return cells


def coarse_cells(bound: Bound) -> Iterator[Cell]:
    """Return the positions of all windows in C order."""
    return product(*(range(axis.coarse) for axis in bound.axes))


def flat(i: Cell, bound: Bound) -> int:
    """Return the index of cell i among the input's cells in C order."""
    index = 0
    for i_a, axis in zip(i, bound.axes, strict=True):
        index = index * axis.fine + i_a
    return index


def each_plane(input: Tensor, bound: Bound, function: Callable[[Tensor], list[Any]]) -> Tensor:
    """Apply `function`, plane of cells to list of outputs in C order, to every plane."""
    planes = input.reshape(-1, *input.shape[-len(bound.axes) :])
    outputs = [torch.stack([torch.as_tensor(y) for y in function(plane)]) for plane in planes]
    lead = input.shape[: -len(bound.axes)]
    return torch.stack(outputs).reshape(*lead, *bound.output_size)


def max_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the first of the greatest cells; a NaN is greater than all, and the last NaN counts."""
    bound = bind_pool(input, kernel_size, stride, padding, dilation, ceil_mode)

    def greatest(plane: Tensor) -> list[Cell]:
        found = []
        values = plane.detach()
        for o in coarse_cells(bound):
            best, *others = window(bound, o)
            for i in others:
                if values[i] > values[best] or isnan(values[i]):
                    best = i
            found.append(best)
        return found

    output = each_plane(input, bound, lambda plane: [plane[i] for i in greatest(plane)])
    indices = each_plane(input, bound, lambda plane: [flat(i, bound) for i in greatest(plane)])
    return (output, indices) if return_indices else output


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
    """Sum the cells of the window; divide by their number."""
    bound = bind_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    return each_plane(
        input,
        bound,
        lambda plane: [
            sum(plane[i] for i in window(bound, o))
            / (divisor_override or len(window(bound, o, padded=count_include_pad)))
            for o in coarse_cells(bound)
        ],
    )


def stochastic_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    *,
    training: bool = True,
    generator: torch.Generator | None = None,
    return_indices: bool = False,
    random: Tensor | None = None,
) -> Any:
    """Lay the values of the window end to end; the random number points at one of them.

    Random numbers, one for each output in C order, are `random` or what the generator gives.
    """
    bound = bind_pool(input, kernel_size, stride, padding)
    if not training:
        mean = each_plane(
            input,
            bound,
            lambda plane: [
                sum(plane[i] ** 2 for i in window(bound, o))
                / (sum(plane[i] for i in window(bound, o)) or 1)
                for o in coarse_cells(bound)
            ],
        )
        _, indices = max_pool(input, kernel_size, stride, padding, return_indices=True)
        return (mean, indices) if return_indices else mean
    shape = (*input.shape[: -len(bound.axes)], *bound.output_size)
    if random is None:
        random = torch.rand(shape, generator=generator, dtype=input.dtype)
    numbers = iter(random.flatten().tolist())

    def draw(plane: Tensor) -> list[Cell]:
        drawn = []
        for o in coarse_cells(bound):
            cells = window(bound, o)
            rest = next(numbers) * float(sum(plane[i] for i in cells))
            choice = cells[0]
            for i in cells:
                if plane[i] > 0 and rest >= 0:
                    choice = i
                rest -= float(plane[i])
            drawn.append(choice)
        return drawn

    indices = each_plane(input, bound, lambda plane: [flat(i, bound) for i in draw(plane)])
    output = input.flatten(-len(bound.axes)).gather(-1, indices.flatten(-len(bound.axes)))
    output = output.reshape(indices.shape)
    return (output, indices) if return_indices else output


def uniforms(seed: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return the random numbers of the native kernel: shape (N, C, *output), as random.h has them.

    Every slice, the outputs at one depth of a plane, has a key of 64 bits, mixed from the seed and
    the slice's number. Each number mixes a place: a slice's outputs in C order go from one half of
    the key in steps of the other.
    """
    outputs = prod(shape[-2:] if len(shape) > 3 else shape[-1:])
    return torch.tensor(
        [
            _uniform(output, *_key(seed, number), dtype)
            for number in range(prod(shape) // max(outputs, 1))
            for output in range(outputs)
        ],
        dtype=dtype,
    ).reshape(tuple(shape))


def _key(seed: int, number: int) -> tuple[int, int]:
    """Mix as splitmix64 does."""
    x = (seed + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    x ^= x >> 31
    return x % 2**32, x >> 32


def _mixed(output: int, start: int, step: int) -> int:
    """Mix the place of an output; the constants: https://github.com/skeeto/hash-prospector."""
    x = (start + output * (step | 1)) % 2**32
    x = (x ^ x >> 16) * 0x21F0AAAD % 2**32
    x = (x ^ x >> 15) * 0xD35A2D97 % 2**32
    return x ^ x >> 15


def _uniform(output: int, first: int, second: int, dtype: torch.dtype) -> float:
    """Keep as many bits as the type that sums has."""
    x = _mixed(output, first, second)
    if dtype != torch.float64:
        return (x >> 8) / 2**24
    return ((x >> 5) * 2**26 + (_mixed(output, second, first) >> 6)) / 2**53


def max_unpool(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Write the values one after the other, in C order, each to the cell of its index."""
    bound = bind_unpool(input, kernel_size, stride, padding, output_size)
    size = tuple(axis.fine for axis in bound.axes)
    where = indices.reshape(-1, prod(input.shape[-len(size) :]))
    values = input.reshape(where.shape)
    output = input.new_zeros(len(where), prod(size))
    for plane in range(len(where)):
        for place, index in enumerate(where[plane].tolist()):
            output[plane, index] = values[plane, place]
    return output.reshape(*input.shape[: -len(size)], *size)


def avg_unpool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Average, for every cell, the values of the windows that hold it."""
    bound = bind_unpool(input, kernel_size, stride, padding, output_size)
    held: dict[Cell, list[Tensor]] = {
        i: [] for i in product(*(range(axis.fine) for axis in bound.axes))
    }
    for o in coarse_cells(bound):
        for i in window(bound, o):
            position: Any = (..., *o)
            held[i].append(input[position])
    nothing = input.new_zeros(input.shape[: -len(bound.axes)])
    averages = [torch.stack(values).mean(0) if values else nothing for values in held.values()]
    size = tuple(axis.fine for axis in bound.axes)
    return torch.stack(averages, dim=-1).reshape(*nothing.shape, *size)


def global_avg_pool(input: Tensor) -> Tensor:
    """Average over one window as large as the input."""
    return avg_pool(input, tuple(input.shape[2:]))


def global_max_pool(input: Tensor) -> Tensor:
    """Take the maximum of one window as large as the input."""
    output: Tensor = max_pool(input, tuple(input.shape[2:]))
    return output
