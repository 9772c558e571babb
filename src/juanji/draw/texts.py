"""Numbers as a picture shows them, and the numbers a picture has when nobody gives any.

Both are defined so that JavaScript gives the very same: `Number.toFixed(2)`, `toExponential(1)`
and arithmetic on integers below 2**53.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from math import isfinite, isnan

TERMS = 9  # of a sum that are written out
SUMS = 3  # of a scattering step
_HUNDREDTHS = Decimal("0.01")
_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_UP)


def number(value: float) -> str:
    """Write a number in few characters: two decimals where they are enough.

    >>> [number(x) for x in (4.0, -0.5, 0.125, 0.00321, 1e6, float("nan"))]
    ['4', '-0.5', '0.13', '3.2e-3', '1.0e+6', 'NaN']
    """
    if not isfinite(value):
        return "NaN" if isnan(value) else "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    if 0.01 <= abs(value) < 100_000:
        text = str(Decimal(value).quantize(_HUNDREDTHS, ROUND_HALF_UP))
        return text.rstrip("0").rstrip(".")
    return f"{_TWO_DIGITS.create_decimal(Decimal(value)):.1e}"


def product(value: float, factor: float | None) -> str:
    """Write one term of a sum; a negative factor stands in brackets.

    >>> product(2, -1), product(0.5, None)
    ('2*(-1)', '0.5')
    """
    if factor is None:
        return number(value)
    written = number(factor)
    return f"{number(value)}*({written})" if factor < 0 else f"{number(value)}*{written}"


def total(terms: Sequence[str], result: float) -> str:
    """Write a sum, its middle left out where it is long.

    >>> total(["1*1", "0*1"], 1)
    '1*1 + 0*1 = 1'
    """
    return f"{' + '.join(kept(terms)) or '0'} = {number(result)}"


def kept(terms: Sequence[str]) -> list[str]:
    """Leave out the middle of many terms."""
    if len(terms) <= TERMS:
        return list(terms)
    return [*terms[: TERMS - 2], "...", terms[-1]]


def running(sums: Sequence[tuple[float, str, float]]) -> str:
    """Write what a scattering step adds: (sum before, term, sum after) for every cell.

    >>> running([(0, "2*1", 2), (3, "2*2", 7)])
    '0 + 2*1 = 2;  3 + 2*2 = 7'
    """
    texts = [f"{number(before)} + {term} = {number(after)}" for before, term, after in sums]
    return ";  ".join([*texts[:SUMS], "..."] if len(texts) > SUMS else texts)


def shape(size: Iterable[object]) -> str:
    """Write a size.

    >>> shape((3, 5))
    '3 x 5'
    """
    return " x ".join(map(str, size))


def sample(count: int, low: int, high: int, seed: int) -> tuple[float, ...]:
    """Return whole numbers in [low, high], always the same, for a picture without data.

    >>> sample(6, 0, 9, seed=1)
    (9.0, 9.0, 5.0, 4.0, 3.0, 9.0)
    """
    values, state = [], seed
    for _ in range(count):
        state = (state * 75 + 74) % 65537
        values.append(float(low + state % (high - low + 1)))
    return tuple(values)
