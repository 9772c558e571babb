"""The relation of `bind`, walked position by position: what every step of a picture reads or hits.

For each axis separately the relation gives (tap, position) pairs; a window is their product.
Positions outside the grid are kept: a picture shows the padding too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ..bind import Axis, Bound
from ..spec import Conv
from .scene import Position


@dataclass(frozen=True, slots=True)
class Reach:
    """One tap k of a window and the position it meets; `inside`: a cell is there."""

    tap: tuple[int, ...]
    position: Position
    inside: bool


@dataclass(frozen=True, slots=True)
class Place:
    """One step: the position it stands at and what its window reaches, in C order of position."""

    position: tuple[int, ...]
    reaches: tuple[Reach, ...]


def gather(bound: Bound) -> Iterator[Place]:
    """Yield for every output position the input positions it reads, C order.

    Of a transposed bound these are o = (i + pad_low - k * dilation) / stride, and one with a
    fraction lies in a hole of the zero-stuffed input.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> one = bind(Conv(windows((3,), padding=1), 1, 1), (4,))
    >>> [reach.position for reach in next(gather(one)).reaches]
    [(-1.0,), (0.0,), (1.0,)]
    """
    axes = [_gather_transposed(a) if bound.transposed else _gather(a) for a in bound.axes]
    return _product(axes, bound.output_size)


def scatter(bound: Bound) -> Iterator[Place]:
    """Yield for every input position of a transposed bound the output positions it adds to."""
    return _product([_gather(axis) for axis in bound.axes], bound.input_size)


_Pairs = list[tuple[int, float, bool]]  # (tap, position, inside)


def _gather(axis: Axis) -> list[_Pairs]:
    """Solve i = o * stride + k * dilation - pad_low for i, for every o."""
    found = []
    for o in range(axis.coarse):
        positions = [o * axis.stride + k * axis.dilation - axis.pad_low for k in range(axis.kernel)]
        found.append([(k, float(i), 0 <= i < axis.fine) for k, i in enumerate(positions)])
    return found


def _gather_transposed(axis: Axis) -> list[_Pairs]:
    """Solve the relation for o, for every i; taps descend so that o ascends."""
    found = []
    for i in range(axis.fine):
        pairs = []
        for k in reversed(range(axis.kernel)):
            o = (i + axis.pad_low - k * axis.dilation) / axis.stride
            pairs.append((k, o, o.is_integer() and 0 <= o < axis.coarse))
        found.append(pairs)
    return found


def _product(axes: Sequence[list[_Pairs]], size: Sequence[int]) -> Iterator[Place]:
    for position in product(*map(range, size)):
        windows = [pairs[at] for pairs, at in zip(axes, position, strict=True)]
        reaches = (
            Reach(
                tuple(tap for tap, _, _ in meeting),
                tuple(at for _, at, _ in meeting),
                all(inside for _, _, inside in meeting),
            )
            for meeting in product(*windows)
        )
        yield Place(position, tuple(reaches))


def around(axis: Axis) -> tuple[int, int]:
    """Return how many places the windows reach over the fine grid, and padding at least.

    Input padding of a convolution; what a transposed one cuts off.
    """
    last = (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) - axis.pad_low
    return max(axis.pad_low, 0), max(axis.pad_high, last - (axis.fine - 1), 0)


def around_stuffed(axis: Axis) -> tuple[int, int]:
    """Return how many places the windows reach over the zero-stuffed coarse grid."""
    low = axis.dilation * (axis.kernel - 1) - axis.pad_low
    high = axis.fine - 1 + axis.pad_low - (axis.coarse - 1) * axis.stride
    return max(low, 0), max(high, 0)


def crop(bound: Bound, first: Sequence[int], size: Sequence[int]) -> tuple[Bound, tuple[int, ...]]:
    """Return the bound of `size` output cells from `first` on, and the first input cell it reads.

    Its input is every cell that those outputs see, so their values stay what they are.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> whole = bind(Conv(windows((3,), stride=2, padding=1), 1, 1), (9,))
    >>> part, start = crop(whole, (1,), (2,))
    >>> part.axes[0].fine, part.axes[0].pad_low, start
    (5, 0, (1,))
    """
    cut = _crop_transposed if bound.transposed else _crop
    parts = [cut(*arguments) for arguments in zip(bound.axes, first, size, strict=True)]
    return replace(bound, axes=tuple(axis for axis, _ in parts)), tuple(at for _, at in parts)


def _crop(axis: Axis, first: int, size: int) -> tuple[Axis, int]:
    low = first * axis.stride - axis.pad_low  # the first place seen
    high = low + (size - 1) * axis.stride + axis.dilation * (axis.kernel - 1)
    start, end = min(max(low, 0), axis.fine - 1), max(min(high, axis.fine - 1), 0)
    fine = max(end - start + 1, 1)
    over = high - (start + fine - 1)
    cut = replace(axis, fine=fine, coarse=size, pad_low=start - low, pad_high=max(over, 0))
    return cut, start


def _crop_transposed(axis: Axis, first: int, size: int) -> tuple[Axis, int]:
    reach = axis.dilation * (axis.kernel - 1)
    start = min(max(-((reach - axis.pad_low - first) // axis.stride), 0), axis.coarse - 1)
    end = max(min((first + size - 1 + axis.pad_low) // axis.stride, axis.coarse - 1), start)
    pad = axis.pad_low + first - start * axis.stride
    over = (end - start) * axis.stride + reach - pad - (size - 1)
    cut = replace(axis, fine=size, coarse=end - start + 1, pad_low=pad, pad_high=max(over, 0))
    return cut, start


def channels_per_group(spec: Conv) -> tuple[int, int]:
    """Return how many input and output channels a group has."""
    return spec.in_channels // spec.groups, spec.out_channels // spec.groups
