"""Figures as people read them; None, where a figure is missing, becomes a dash."""

from __future__ import annotations

from collections.abc import Sequence

MISSING = "–"


def count(number: int | None) -> str:
    """Three digits and a unit.

    >>> count(272_474), count(40_813_184), count(97), count(999_999), count(None)
    ('272 k', '40.8 M', '97', '1.00 M', '–')
    """
    if number is None:
        return MISSING
    value, unit = float(number), ""
    for larger in ("k", "M", "G", "T"):
        if value < 999.5:
            break
        value, unit = value / 1000, f" {larger}"
    return f"{number}" if not unit else f"{three_digits(value)}{unit}"


def memory(size: int | None) -> str:
    """Bytes.

    >>> memory(250_880), memory(512)
    ('251 kB', '512 B')
    """
    text = count(size)
    return text if size is None else f"{text}B" if " " in text else f"{text} B"


def milliseconds(value: float | None) -> str:
    """A time.

    >>> milliseconds(3.14159), milliseconds(0.0421), milliseconds(1234.5)
    ('3.14 ms', '0.042 ms', '1.23 s')
    """
    if value is None:
        return MISSING
    if value >= 999.5:
        return f"{three_digits(value / 1000)} s"
    return f"{value:.3f} ms" if value < 1 else f"{three_digits(value)} ms"


def percent(value: float | None, deviation: float | None = None) -> str:
    """A part in [0, 1], with its deviation where there is one.

    >>> percent(0.97531), percent(0.97531, 0.0042)
    ('97.5 %', '97.5 ± 0.4 %')
    """
    if value is None:
        return MISSING
    spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
    return f"{100 * value:.1f}{spread} %"


def ratio(value: float | None) -> str:
    """A speed-up.

    >>> ratio(1.3333)
    '1.33×'
    """
    return MISSING if value is None else f"{value:.2f}×"


def view(extents: Sequence[int] | None, whole: bool | None = False) -> str:
    """A receptive field in cells of the input; a plus says that it covers the whole input.

    >>> view([15, 13]), view([81, 81], True), view(None)
    ('15×13', '81×81+', '–')
    """
    return "×".join(map(str, extents)) + ("+" if whole else "") if extents else MISSING


def three_digits(value: float) -> str:
    """A number from 1 to 1000 with three digits."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
