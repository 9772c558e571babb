"""Numbers of a few repeats -> a verdict, by one rule.

The values of the repeats have a mean and a 95 % interval, Student's t: three repeats make it reach
2.48 deviations to both sides, with five 1.24. A statement says that the true mean is above a limit.
It *holds* where the whole interval is above the limit, *does not hold* where none of it is, and is
*not decided at this size* otherwise. A count is exact, and its one value is its interval.

Two variants are compared by their differences, repeat by repeat, since the two had the same data,
the same order and the same seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this size"
MISSING = "not measured"

# The 97.5 % quantile of Student's t for one repeat less than the number of repeats.
QUANTILES = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of the repeats, or one exact value, and its 95 % interval.

    >>> interval([0.5])
    (0.5, 0.5, 0.5)
    >>> [round(value, 2) for value in interval([1.0, 2.0, 3.0])]
    [2.0, -0.48, 4.48]
    """
    mean = statistics.fmean(values)
    if len(values) == 1:
        return mean, mean, mean
    quantile = QUANTILES.get(len(values), 2.262)
    reach = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - reach, mean + reach


def verdict(values: Sequence[float], limit: float, *, exact: bool = False) -> str:
    """Say whether the repeats' mean, or an exact value, is above a limit.

    >>> verdict([1.1, 1.2, 1.15], 1), verdict([0.8, 0.7, 0.75], 1), verdict([0.5, 1.6, 1.1], 1)
    ('holds', 'does not hold', 'not decided at this size')
    >>> verdict([2], 2, exact=True), verdict([2], 1)
    ('does not hold', 'not measured')
    """
    if len(values) < (1 if exact else 2):
        return MISSING
    _, low, high = interval(values)
    return HOLDS if low > limit else FAILS if high <= limit else UNDECIDED


@dataclass(frozen=True)
class Statement:
    """A sentence of a claim that numbers can bear out: `values`, one a repeat, are above `limit`.

    `factor` and `unit` say how the numbers are shown; `exact`, that the value is a count.
    """

    text: str
    values: Sequence[float]
    limit: float
    factor: float = 1
    unit: str = ""
    exact: bool = False

    @property
    def verdict(self) -> str:
        """What the numbers say."""
        return verdict(self.values, self.limit, exact=self.exact)

    @property
    def numbers(self) -> str:
        """The mean, its interval and the limit, as text.

        >>> Statement("better", [0.011, 0.012, 0.013], 0, 100, " points").numbers
        '1.20 points [0.95, 1.45], to be above 0'
        >>> Statement("fewer", [8.47], 9, unit=" x", exact=True).numbers
        '8.47 x, to be above 9'
        """
        if self.verdict == MISSING:
            return "–"
        mean, low, high = (self.factor * value for value in interval(self.values))
        spread = f" [{low:.2f}, {high:.2f}]" if len(self.values) > 1 else ""
        return f"{mean:.2f}{self.unit}{spread}, to be above {self.factor * self.limit:g}"


def overall(verdicts: Sequence[str]) -> str:
    """Sum the verdicts on a claim's statements up.

    >>> overall([HOLDS, HOLDS]), overall([HOLDS, FAILS]), overall([FAILS])
    ('holds', 'holds in part: 1 of 2', 'does not hold')
    >>> overall([UNDECIDED, FAILS]), overall([UNDECIDED])
    ('does not hold in 1 of 2, the rest is not decided at this size', 'not decided at this size')
    """
    kinds = set(verdicts)
    if len(kinds) == 1:
        return kinds.pop()
    if MISSING in kinds:
        return f"not measured in {verdicts.count(MISSING)} of {len(verdicts)}"
    if HOLDS in kinds:
        return f"holds in part: {verdicts.count(HOLDS)} of {len(verdicts)}"
    return f"does not hold in {verdicts.count(FAILS)} of {len(verdicts)}, the rest is {UNDECIDED}"
