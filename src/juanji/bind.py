"""Specification + input size -> `Bound`: resolved padding and both sizes of every axis.

Per axis, convolution, pooling and their transposes are one relation between an output position o,
a kernel tap k and an input position i:

    i = o * stride + k * dilation - pad_low        0 <= i < fine, 0 <= k < kernel, 0 <= o < coarse

An ordinary convolution reads it from the fine grid to the coarse one, a transposed convolution
from the coarse grid to the fine one. Both sizes are stored: with strides, neither gives the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .spec import LIMIT, Conv, Pool, Window


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the relation, with every number known."""

    fine: int
    coarse: int
    kernel: int
    stride: int
    dilation: int
    pad_low: int
    pad_high: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A specification together with its axes."""

    spec: Conv | Pool
    axes: tuple[Axis, ...]

    @property
    def transposed(self) -> bool:
        """Whether the relation is read from the coarse grid to the fine one."""
        return isinstance(self.spec, Conv) and self.spec.transposed

    @property
    def input_size(self) -> tuple[int, ...]:
        """Size of what the operator reads."""
        return tuple(axis.coarse if self.transposed else axis.fine for axis in self.axes)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Size of what the operator writes."""
        return tuple(axis.fine if self.transposed else axis.coarse for axis in self.axes)


def extent(window: Window) -> int:
    """Return how many cells a window spans, its holes included: dilation * (kernel - 1) + 1.

    >>> extent(Window(kernel=3, dilation=2))
    5
    """
    return window.dilation * (window.kernel - 1) + 1


def resolve_padding(window: Window, size: int) -> tuple[int, int]:
    """Turn a padding mode into (low, high) for an input of `size` cells.

    "same" gives ceil(size / stride) outputs, an odd cell on the high side; "full" starts at the
    first contact of kernel and input.
    """
    if not isinstance(window.padding, str):
        return window.padding
    if window.padding == "valid":
        return 0, 0
    if window.padding == "full":
        return extent(window) - 1, extent(window) - 1
    outputs = -(-size // window.stride)
    total = max((outputs - 1) * window.stride + extent(window) - size, 0)
    return total // 2, total - total // 2


def bind_window(window: Window, size: int, *, ceil_mode: bool = False) -> Axis:
    """Slide `window` over `size` cells.

    Raises:
        ValueError: the window does not fit into the padded input.
    """
    low, high = resolve_padding(window, size)
    span = extent(window)
    # in ceil_mode the last window may hang over the end, as long as it starts inside
    room = size + low + high - span + (window.stride - 1 if ceil_mode else 0)
    if room < 0:
        raise ValueError(
            f"the kernel spans {span} cells (kernel {window.kernel}, dilation {window.dilation}) "
            f"and the padded input has {size + low + high} (input {size}, padding {low} + {high}): "
            f"padding or input must be larger"
        )
    if size + low + high >= LIMIT:
        raise ValueError(f"input size plus padding must be below 2**31, got {size} + {low + high}")
    outputs = room // window.stride + 1
    # as torch: the last window must start inside the input or its low padding
    if ceil_mode and (outputs - 1) * window.stride >= size + low:
        outputs -= 1
    return Axis(size, outputs, window.kernel, window.stride, window.dilation, low, high)


def bind_transposed(window: Window, size: int, output_padding: int) -> Axis:
    """Read the relation backwards, from `size` coarse cells to the fine grid they came from.

    Raises:
        ValueError: a padding mode was given (it has no meaning backwards), or nothing is left.
    """
    if isinstance(window.padding, str):
        raise ValueError(
            f"padding of a transposed convolution must be numbers, got {window.padding!r}"
        )
    low, high = window.padding
    fine = (size - 1) * window.stride + extent(window) - low - high + output_padding
    if fine < 1:
        raise ValueError(
            f"padding must be smaller: an input of {size} with stride {window.stride}, "
            f"extent {extent(window)} and padding {low} + {high} leaves {fine} output cells"
        )
    if fine >= LIMIT:
        raise ValueError(f"the output size must be below 2**31, got {fine}")
    return Axis(fine, size, window.kernel, window.stride, window.dilation, low, high)


def bind(spec: Conv | Pool, input_size: Sequence[int]) -> Bound:
    """Bind a specification to the spatial size of its input.

    Raises:
        ValueError: the number of axes differs, an axis is empty, or a window does not fit.

    >>> from juanji.spec import Conv, windows
    >>> bind(Conv(windows((3, 3), stride=2), in_channels=1, out_channels=1), (5, 7)).output_size
    (2, 3)
    """
    if len(input_size) != len(spec.windows):
        raise ValueError(
            f"input_size must have one value per axis ({len(spec.windows)}), got {input_size}"
        )
    if min(input_size) < 1:
        raise ValueError(f"input size must be at least 1 along every axis, got {tuple(input_size)}")
    pairs = list(zip(spec.windows, input_size, strict=True))
    if isinstance(spec, Pool):
        return Bound(spec, tuple(bind_window(w, n, ceil_mode=spec.ceil_mode) for w, n in pairs))
    if spec.transposed:
        extra = spec.output_padding or (0,) * len(pairs)
        return Bound(
            spec, tuple(bind_transposed(w, n, e) for (w, n), e in zip(pairs, extra, strict=True))
        )
    return Bound(spec, tuple(bind_window(w, n) for w, n in pairs))
