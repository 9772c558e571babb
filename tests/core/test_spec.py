"""What specifications refuse, and how they say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from juanji.spec import Conv, Window, paddings, per_axis, windows


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Window(0), ValueError, "kernel must be at least 1 and below 2**31, got 0"),
        (lambda: Window(2**31), ValueError, "kernel must be at least 1 and below 2**31, got 2147"),
        (lambda: Window(3, 0), ValueError, "stride must be at least 1 and below 2**31, got 0"),
        (lambda: Window(3, -2), ValueError, "stride must be at least 1 and below 2**31, got -2"),
        (lambda: Window(3, 2**62), ValueError, "stride must be at least 1 and below 2**31, got 46"),
        (lambda: Window(3, 1, 0), ValueError, "dilation must be at least 1 and below 2**31, got 0"),
        (lambda: Window(3, 1, 2**62), ValueError, "dilation must be at least 1 and below 2**31"),
        (
            lambda: Window(3, 1, 2**30),
            ValueError,
            "dilation * (kernel - 1) must be below 2**31, got dilation 1073741824 and kernel 3",
        ),
        (
            lambda: Window(3, padding=(0, -1)),
            ValueError,
            "padding must be at least 0 and below 2**31, got (0, -1)",
        ),
        (lambda: Window(3, padding=(2**62, 0)), ValueError, "padding must be at least 0 and below"),
        (
            lambda: Window(3, padding="sane"),  # type: ignore[arg-type]
            ValueError,
            "padding must be one of ('valid', 'same', 'full') or numbers, got 'sane'",
        ),
        (lambda: Conv((), 1, 1), ValueError, "needs at least one spatial axis"),
        (
            lambda: Conv((Window(3),), 4, 6, groups=4),
            ValueError,
            "groups must divide out_channels: 6 % 4 != 0",
        ),
        (
            lambda: Conv((Window(3),), 6, 4, groups=4),
            ValueError,
            "groups must divide in_channels: 6 % 4 != 0",
        ),
        (
            lambda: Conv((Window(3),), 1, 1, groups=0),
            ValueError,
            "groups must be at least 1, got 0",
        ),
        (
            lambda: Conv((Window(3),), 1, 1, groups=1.0),  # type: ignore[arg-type]
            TypeError,
            "groups must be an integer, got 1.0",
        ),
        (lambda: Conv((Window(3),), -1, 1), ValueError, "in_channels must be at least 0, got -1"),
        (
            lambda: Conv((Window(3, 2),), 1, 1, transposed=True, output_padding=(2,)),
            ValueError,
            "output_padding must be at least 0 and below the stride or the dilation, "
            "got 2 with stride 2 and dilation 1",
        ),
        (
            lambda: Conv((Window(3),) * 2, 1, 1, transposed=True, output_padding=(0,)),
            ValueError,
            "output_padding must have one value per axis (2), got (0,)",
        ),
        (
            lambda: per_axis("stride", (1,), 2),
            ValueError,
            "stride must be an int or have one value per axis (2), got 1 values: (1,)",
        ),
        (lambda: per_axis("stride", 1.5, 2), TypeError, "stride must be an integer, got 1.5"),
        (lambda: per_axis("stride", "12", 2), TypeError, "stride must be an integer, got '12'"),
        (
            lambda: per_axis("stride", (1, True), 2),
            TypeError,
            "stride must be an integer, got True",
        ),
        (lambda: per_axis("stride", None, 2), TypeError, "stride must be an integer, got None"),
        (
            lambda: paddings((1,), 2),
            ValueError,
            "padding must be an int, a mode, or have one int or (low, high) pair per axis (2), "
            "got 1 values: (1,)",
        ),
        (
            lambda: paddings(((1, 2, 3), 1), 2),
            ValueError,
            "padding of one axis must be a (low, high) pair, got (1, 2, 3)",
        ),
        (lambda: paddings("reflect", 2), ValueError, "got 'reflect'"),
        (lambda: paddings(0.5, 2), TypeError, "padding must be an integer, got 0.5"),
        (lambda: paddings(("same", 1), 2), TypeError, "padding must be an integer, got 'same'"),
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_what_would_be_right(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        build()
    assert message in str(caught.value)


def test_arguments_are_spread_over_the_axes_or_taken_one_by_one() -> None:
    assert windows((2, 3), stride=2, padding=1, dilation=(1, 3)) == (
        Window(2, 2, 1, (1, 1)),
        Window(3, 2, 3, (1, 1)),
    )
    assert windows([2, 3], padding=((0, 1), 2)) == (
        Window(2, padding=(0, 1)),
        Window(3, padding=(2, 2)),
    )
    assert windows((2,), padding="full") == (Window(2, padding="full"),)
    assert per_axis("stride", np.int64(2), 3) == (2, 2, 2)


def test_specifications_are_values() -> None:
    first, second = (Conv(windows((3, 5), padding=[1, (0, 2)]), 4, 6, groups=2) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(AttributeError):
        first.groups = 3  # type: ignore[misc]
