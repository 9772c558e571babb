"""Every operator and layer, as one explicit table: for tests, documentation and the command line.

>>> [operator.name for operator in CATALOG][:2]
['convolution', 'transposed convolution']
>>> find("octave convolution").layers
('OctaveConv1d', 'OctaveConv2d', 'OctaveConv3d')
"""

from __future__ import annotations

from .. import functional
from . import compositions, convolutions, layers, octave, pooling
from .record import Argument, Case, Limit, Operator, dimensions, each, named, tensors

__all__ = [
    "CATALOG",
    "Argument",
    "Case",
    "Limit",
    "Operator",
    "dimensions",
    "each",
    "find",
    "function_name",
    "named",
    "rows",
    "tensors",
    "text",
]

CATALOG: tuple[Operator, ...] = (
    *convolutions.OPERATORS,
    *compositions.OPERATORS,
    *layers.OPERATORS,
    *octave.OPERATORS,
    *pooling.OPERATORS,
)


def find(name: str) -> Operator:
    """Return the operator of this name.

    Raises:
        ValueError: there is none.
    """
    for operator in CATALOG:
        if operator.name == name:
            return operator
    raise ValueError(f"name must be one of {[operator.name for operator in CATALOG]}, got {name!r}")


def function_name(operator: Operator) -> str | None:
    """Return the operator's name in `juanji.functional`, or None for what is a layer alone."""
    name = operator.call.__name__
    return name if getattr(functional, name, None) is operator.call else None


def rows() -> list[dict[str, object]]:
    """Return the catalogue as plain data, one row per operator."""
    return [
        {
            "operator": operator.name,
            "function": function_name(operator),
            "layers": list(operator.layers),
            "dimensions": list(operator.dimensions),
            "formula": operator.formula,
            "cost": operator.cost,
            "source": operator.source,
            "cases": len(operator.cases),
            "limits": {name: limit.reason for name, limit in operator.limits.items()},
        }
        for operator in CATALOG
    ]


def text() -> str:
    """Return the catalogue for a terminal."""
    blocks = []
    for row in rows():
        lines = [str(row["operator"])]
        for title, value in fields(row):
            lines.append(f"  {title:<11}{value}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def fields(row: dict[str, object]) -> list[tuple[str, str]]:
    """Return what there is to say of an operator, as (title, text)."""
    names, dimensions, limits = row["layers"], row["dimensions"], row["limits"]
    assert isinstance(names, list)
    assert isinstance(dimensions, list)
    assert isinstance(limits, dict)
    entries = [
        ("function", f"functional.{row['function']}" if row["function"] else ""),
        ("layers", ", ".join(f"nn.{layer}" for layer in names)),
        ("dimensions", ", ".join(f"{d}-D" for d in dimensions)),
        ("formula", str(row["formula"])),
        ("cost", str(row["cost"])),
        ("source", str(row["source"])),
        ("cases", str(row["cases"])),
        ("limits", "; ".join(f"{name}: {reason}" for name, reason in limits.items())),
    ]
    return [(title, value) for title, value in entries if value]
