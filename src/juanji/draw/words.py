"""What a command line says -> the arguments of a picture. `x` parts axes: 5x7; `+` low and high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..spec import MODES
from .operators import Operator
from .scene import Scene


def scene(operator: Operator, words: Mapping[str, str], dimensions: int | None = None) -> Scene:
    """Build a picture's scene from words; what is not said is as in the operator's table.

    `channels` stands for the input channels where an operator tells those from the output's. One
    size for `input` is taken along all axes: as many as `dimensions`, or as the table has.

    Raises:
        ValueError: a word is not known or cannot be read, or there is too much to draw.

    >>> from juanji.draw.operators import find
    >>> scene(find("conv"), {"kernel": "3", "stride": "2", "input": "5"}).title
    'conv 3 x 3, stride 2'
    """
    if dimensions is not None and not 1 <= dimensions <= 3:
        raise ValueError(f"dimensions must be 1, 2 or 3, got {dimensions}")
    table = operator.arguments
    given: dict[str, Any] = {}
    for word, text in words.items():
        name = word.replace("-", "_")
        if name == "channels" and name not in table:
            name = "in_channels"
        given[name] = _read(name, text, table.get(name), operator)
    axes = dimensions or len(table.get("input", ()))
    if "input" in table:
        given.setdefault("input", table["input"] if dimensions is None else table["input"][0])
        if isinstance(given["input"], int):
            given["input"] = (given["input"],) * axes
        elif dimensions not in (None, len(given["input"])):
            raise ValueError(
                f"input must have one size per axis ({dimensions}), got {len(given['input'])}"
            )
    return operator.scene(**given)


def settings(texts: Sequence[str]) -> dict[str, str]:
    """Part "name=value" texts.

    Raises:
        ValueError: one has no "=".

    >>> settings(["flip=true"])
    {'flip': 'true'}
    """
    for text in texts:
        if "=" not in text:
            raise ValueError(f"set must be name=value, got {text!r}")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _read(name: str, text: str, default: Any, operator: Operator) -> Any:
    """Read one word as what its default is."""
    try:
        if name in operator.numbers:
            return [float(value) for value in text.split(",")]
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, str) or text in MODES:
            return text
        if isinstance(default, float):
            return float(text)
        return sizes(text)
    except (ValueError, KeyError):
        raise ValueError(f"{name} cannot be read: got {text!r}, {_wanted(name, default)}") from None


def _wanted(name: str, default: Any) -> str:
    if isinstance(default, bool):
        return "wanted true or false"
    if isinstance(default, float):
        return "wanted a number"
    modes = f", or one of {', '.join(MODES)}" if name == "padding" else ""
    return f"wanted whole numbers: one for all axes, as 3, or one per axis, as 3x5{modes}"


def sizes(text: str) -> Any:
    """Read sizes, one for all axes or one per axis; `1+0` is a (low, high) pair of padding.

    >>> sizes("3"), sizes("3x5"), sizes("1+0x2")
    (3, (3, 5), ((1, 0), 2))
    """
    parts = [
        tuple(map(int, part.split("+"))) if "+" in part else int(part) for part in text.split("x")
    ]
    return parts[0] if len(parts) == 1 and isinstance(parts[0], int) else tuple(parts)
