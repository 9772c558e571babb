"""How many channels are low: the one place that computes it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

Alpha: TypeAlias = float | Fraction | Decimal | str


def low_channels(alpha: Alpha, channels: int, name: str = "alpha") -> int:
    """Return int(alpha * channels), exact for alpha as it is written in decimal.

    Raises:
        ValueError: alpha is not a number in [0, 1].

    >>> low_channels(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    try:
        part = Fraction(str(alpha))
    except (ValueError, ZeroDivisionError):
        part = Fraction(-1)
    if not 0 <= part <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], got {alpha!r}")
    return part.numerator * channels // part.denominator
