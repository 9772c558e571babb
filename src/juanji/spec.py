"""Specifications: what an operator is, before it meets an input.

A specification is a frozen, validated record without behaviour. `bind` gives it a size; every
other derivation (matrix, cost, view, picture, loop bounds) is a function of the bound form.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Mode: TypeAlias = Literal["valid", "same", "full"]
Padding: TypeAlias = int | Sequence[int | tuple[int, int]] | Mode
Size: TypeAlias = int | Sequence[int]

MODES = ("valid", "same", "full")
# Above this, sizes computed from an argument would leave the range in which indices are checked.
LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Window:
    """One axis of a sliding window: `kernel` taps, `dilation` apart, moved by `stride`.

    `padding` is the pair (low, high), or a mode whose numbers depend on the input's size.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: tuple[int, int] | Mode = (0, 0)

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            value = getattr(self, name)
            if not 1 <= value < LIMIT:
                raise ValueError(f"{name} must be at least 1 and below 2**31, got {value}")
        if self.dilation * (self.kernel - 1) >= LIMIT:
            raise ValueError(
                f"dilation * (kernel - 1) must be below 2**31, "
                f"got dilation {self.dilation} and kernel {self.kernel}"
            )
        if isinstance(self.padding, str):
            if self.padding not in MODES:
                raise ValueError(f"padding must be one of {MODES} or numbers, got {self.padding!r}")
        elif not all(0 <= value < LIMIT for value in self.padding):
            raise ValueError(
                f"padding must be at least 0 and below 2**31, got {tuple(self.padding)}"
            )


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, or with `transposed` its adjoint: one `Window` per spatial axis.

    The windows always describe the ordinary direction, from the fine grid to the coarse one; a
    transposed convolution reads the same relation backwards. `output_padding` belongs to it alone.
    """

    windows: tuple[Window, ...]
    in_channels: int
    out_channels: int
    groups: int = 1
    flip: bool = False
    transposed: bool = False
    output_padding: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("a convolution needs at least one spatial axis, got none")
        if integer("groups", self.groups) < 1:
            raise ValueError(f"groups must be at least 1, got {self.groups}")
        for name in ("in_channels", "out_channels"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
            if value % self.groups:
                raise ValueError(f"groups must divide {name}: {value} % {self.groups} != 0")
        if self.output_padding and len(self.output_padding) != len(self.windows):
            raise ValueError(
                f"output_padding must have one value per axis ({len(self.windows)}), "
                f"got {self.output_padding}"
            )
        for extra, window in zip(self.output_padding, self.windows, strict=False):
            if not 0 <= extra < max(window.stride, window.dilation):
                raise ValueError(
                    f"output_padding must be at least 0 and below the stride or the dilation, "
                    f"got {extra} with stride {window.stride} and dilation {window.dilation}"
                )


@dataclass(frozen=True, slots=True)
class Pool:
    """A pooling window per spatial axis; `ceil_mode` keeps a last, incomplete window."""

    windows: tuple[Window, ...]
    ceil_mode: bool = False


def integer(name: str, value: Any) -> int:
    """Return `value` as an int, or say which argument is not one."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def per_axis(name: str, value: Any, dimensions: int) -> tuple[int, ...]:
    """Spread an int over the axes, or check that a sequence has one int for each of them."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != dimensions:
            raise ValueError(
                f"{name} must be an int or have one value per axis ({dimensions}), "
                f"got {len(value)} values: {tuple(value)}"
            )
        return tuple(integer(name, item) for item in value)
    return (integer(name, value),) * dimensions


def paddings(value: Any, dimensions: int) -> tuple[tuple[int, int] | Mode, ...]:
    """Parse padding: an int, one int or (low, high) pair per axis, or a mode's name."""
    if isinstance(value, str):
        if value not in MODES:
            raise ValueError(f"padding must be one of {MODES} or numbers, got {value!r}")
        return (value,) * dimensions  # type: ignore[return-value]
    if not isinstance(value, Sequence):
        return ((integer("padding", value),) * 2,) * dimensions
    if len(value) != dimensions:
        raise ValueError(
            f"padding must be an int, a mode, or have one int or (low, high) pair per axis "
            f"({dimensions}), got {len(value)} values: {tuple(value)}"
        )
    pairs: list[tuple[int, int] | Mode] = []
    for item in value:
        if isinstance(item, Sequence) and not isinstance(item, str):
            if len(item) != 2:
                raise ValueError(f"padding of one axis must be a (low, high) pair, got {item}")
            pairs.append((integer("padding", item[0]), integer("padding", item[1])))
        else:
            pairs.append((integer("padding", item),) * 2)
    return tuple(pairs)


def windows(
    kernel: Sequence[int], stride: Size = 1, padding: Padding = 0, dilation: Size = 1
) -> tuple[Window, ...]:
    """Parse torch-style arguments into one `Window` per axis; `kernel` fixes how many there are.

    >>> windows((3, 5), stride=2, padding=((0, 1), 2))
    (Window(kernel=3, stride=2, dilation=1, padding=(0, 1)),
     Window(kernel=5, stride=2, dilation=1, padding=(2, 2)))
    """
    dimensions = len(kernel)
    return tuple(
        Window(*arguments)
        for arguments in zip(
            kernel,
            per_axis("stride", stride, dimensions),
            per_axis("dilation", dilation, dimensions),
            paddings(padding, dimensions),
            strict=True,
        )
    )
