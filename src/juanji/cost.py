"""What a bound specification costs: weights, multiply-adds, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .bind import Bound
from .relation import count_pairs
from .spec import Conv


@dataclass(frozen=True, slots=True)
class MultiplyAdds:
    """Multiply-adds of one operator.

    `dense` counts every tap of every output, as papers do; `touched` only the taps that lie inside
    the input, which is what an implementation has to compute.
    """

    dense: int = 0
    touched: int = 0

    def __add__(self, other: MultiplyAdds) -> MultiplyAdds:
        return MultiplyAdds(self.dense + other.dense, self.touched + other.touched)


def weights(spec: Conv, *, bias: bool = False) -> int:
    """Return the number of weights of a convolution.

    >>> from juanji.spec import windows
    >>> weights(Conv(windows((3, 3)), 256, 256, groups=8))
    73728
    """
    taps = prod(window.kernel for window in spec.windows)
    channels = spec.out_channels * (spec.in_channels // spec.groups)
    return channels * taps + (spec.out_channels if bias else 0)


def multiply_adds(bound: Bound, batch: int = 1) -> MultiplyAdds:
    """Return the multiply-adds of a convolution on `batch` inputs, its bias not counted.

    >>> from juanji.bind import bind
    >>> from juanji.spec import windows
    >>> multiply_adds(bind(Conv(windows((3,), padding=1), 1, 1), (4,)))
    MultiplyAdds(dense=12, touched=10)
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    channels = batch * spec.out_channels * (spec.in_channels // spec.groups)
    return MultiplyAdds(
        dense=channels * prod(axis.coarse * axis.kernel for axis in bound.axes),
        touched=channels * prod(count_pairs(axis) for axis in bound.axes),
    )


def traffic(bound: Bound, batch: int = 1, *, itemsize: int = 4) -> int:
    """Return the bytes a convolution must move at least: input, weights and output, once each."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    cells = batch * spec.in_channels * prod(bound.input_size)
    cells += batch * spec.out_channels * prod(bound.output_size)
    return itemsize * (cells + weights(spec))
