"""What follows from the relation of `bind` alone: its pairs, its matrix, its receptive field."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .bind import Axis, Bound, extent
from .spec import Conv, Pool, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def tap_range(axis: Axis, tap: int) -> range:
    """Return the coarse positions o for which tap k lies inside the fine grid."""
    shift = tap * axis.dilation - axis.pad_low  # i = o * stride + shift
    first = max(0, -(shift // axis.stride))  # ceil(-shift / stride)
    last = min(axis.coarse - 1, (axis.fine - 1 - shift) // axis.stride)
    return range(first, max(first, last + 1))


def pairs(axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return all (o, k, i) of the relation, ordered by o, then k."""
    o, k = np.meshgrid(np.arange(axis.coarse), np.arange(axis.kernel), indexing="ij")
    i = o * axis.stride + k * axis.dilation - axis.pad_low
    inside = (i >= 0) & (i < axis.fine)
    return o[inside], k[inside], i[inside]


def count_pairs(axis: Axis) -> int:
    """Return how many (o, k, i) the relation has."""
    return sum(len(tap_range(axis, tap)) for tap in range(axis.kernel))


def matrix(bound: Bound, weight: Tensor) -> Tensor:
    """Write a convolution out as a sparse matrix acting on its flattened input.

    Shapes: weight as in torch, (C_out, C_in / groups, *K), transposed (C_in, C_out / groups, *K);
    result CSR, (C_out * prod(output_size), C_in * prod(input_size)).
    """
    import torch

    spec = bound.spec
    assert isinstance(spec, Conv)
    # (row position, column position, tap), flattened over the axes in C order
    row = column = tap = np.zeros(1, np.int64)
    for axis in bound.axes:
        o, k, i = pairs(axis)
        out, into = (i, o) if spec.transposed else (o, i)
        sizes = (axis.fine, axis.coarse) if spec.transposed else (axis.coarse, axis.fine)
        row = np.add.outer(row * sizes[0], out).ravel()
        column = np.add.outer(column * sizes[1], into).ravel()
        reach = axis.kernel - 1 - k if spec.flip else k
        tap = np.add.outer(tap * axis.kernel, reach).ravel()

    # (output channel, input channel) of every block that groups leave, and its place in the weight
    per_group = (spec.out_channels // spec.groups, spec.in_channels // spec.groups)
    group, c_out, c_in = (
        index.ravel() for index in np.indices((spec.groups, *per_group), dtype=np.int64)
    )
    out_channel, in_channel = group * per_group[0] + c_out, group * per_group[1] + c_in
    block = (
        in_channel * per_group[0] + c_out if spec.transposed else out_channel * per_group[1] + c_in
    )
    rows, columns = prod(bound.output_size), prod(bound.input_size)
    row = np.add.outer(out_channel * rows, row).ravel()
    column = np.add.outer(in_channel * columns, column).ravel()
    place = np.add.outer(block * prod(axis.kernel for axis in bound.axes), tap).ravel()

    order = np.lexsort((column, row))
    shape = (spec.out_channels * rows, spec.in_channels * columns)
    starts = np.searchsorted(row[order], np.arange(shape[0] + 1))
    values = weight.detach().reshape(-1)[torch.from_numpy(place[order]).to(weight.device)]
    with warnings.catch_warnings():  # torch calls all of its sparse CSR support a beta
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(starts), torch.from_numpy(column[order]), values, shape,
            device=weight.device, check_invariants=False,  # sorted and unique by construction
        )  # fmt: skip


def look_back(
    cells: tuple[int, int], window: Window, *, pad_low: int, transposed: bool = False
) -> tuple[int, int]:
    """Return the first and last input cell that output cells (first, last) see; none: last < first.

    >>> look_back((0, 1), Window(kernel=3, stride=2), pad_low=1)
    (-1, 3)
    """
    reach = extent(window) - 1
    first, last = cells
    if transposed:  # i sees every o with i + pad - reach <= o * stride <= i + pad
        return -((reach - pad_low - first) // window.stride), (last + pad_low) // window.stride
    return first * window.stride - pad_low, last * window.stride - pad_low + reach


def receptive_field(chain: Iterable[Conv | Pool | Bound]) -> tuple[int, ...]:
    """Return the receptive field of a chain of layers: the most input cells, per axis, from the
    first to the last that one output position sees.

    Behind a transposed convolution positions differ, also by padding; the padding of a mode is
    known of bound links alone.

    >>> from juanji.spec import Conv, windows
    >>> two = [Conv(windows((3,)), 1, 1), Conv(windows((3,)), 1, 1)]
    >>> receptive_field(two)
    (5,)
    """
    links = list(chain)
    return tuple(
        max(_seen(links, axis, position) for position in range(_period(links, axis)))
        for axis in range(len(_spec(links[0]).windows))
    )


def _spec(link: Conv | Pool | Bound) -> Conv | Pool:
    return link.spec if isinstance(link, Bound) else link


def _transposed(link: Conv | Pool | Bound) -> bool:
    spec = _spec(link)
    return isinstance(spec, Conv) and spec.transposed


def _period(links: list[Conv | Pool | Bound], axis: int) -> int:
    """After how many output positions the view repeats, shifted."""
    return prod(_spec(link).windows[axis].stride for link in links if _transposed(link))


def _seen(links: list[Conv | Pool | Bound], axis: int, position: int) -> int:
    """Count the input cells from the first to the last that an output position sees."""
    cells = (position, position)
    for link in reversed(links):
        window = _spec(link).windows[axis]
        if isinstance(link, Bound):
            pad = link.axes[axis].pad_low
        else:
            pad = 0 if isinstance(window.padding, str) else window.padding[0]
        cells = look_back(cells, window, pad_low=pad, transposed=_transposed(link))
        if cells[1] < cells[0]:
            return 0
    return cells[1] - cells[0] + 1
