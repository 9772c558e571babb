"""Write the pages that are made from tables in the code: `python docs/generate.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from juanji import catalog

DOCS = Path(__file__).parent


def operators() -> str:
    """Return the page of the operators."""
    rows = catalog.rows()
    titles = ["operator", "function", "layers", "formula", "multiply-adds", "source", "cases"]
    lines = [
        "# Operators and layers",
        "",
        f"{len(rows)} entries, {sum(len(operator.cases) for operator in catalog.CATALOG)} cases on "
        "which the tests in `tests/contract/` run; the same table as `juanji operators`.",
        "",
        "K, I and O are the cells of kernel, input and output, C channels, g groups, d spatial "
        "dimensions.",
        "",
        f"| {' | '.join(titles)} |",
        "|" + "---|" * len(titles),
    ]
    for row in rows:
        layers = row["layers"]
        assert isinstance(layers, list)
        function = f"`{row['function']}`" if row["function"] else ""
        cells = [
            row["operator"], function, ", ".join(f"`{layer}`" for layer in layers),
            row["formula"], row["cost"], row["source"], row["cases"],
        ]  # fmt: skip
        lines.append(f"| {' | '.join(str(cell).replace('|', '∣') for cell in cells)} |")
    lines += ["", "## What does not hold", "", "| operator | property | |", "|---|---|---|"]
    for row in rows:
        limits = row["limits"]
        assert isinstance(limits, dict)
        lines += [f"| {row['operator']} | {name} | {reason} |" for name, reason in limits.items()]
    return "\n".join(lines) + "\n"


def onnx_cases() -> str:
    """Return the page of ONNX's cases."""
    sys.path.append(str(DOCS.parent / "tests" / "third_party"))
    from onnx_cases import table

    return table()


PAGES = {"operators.md": operators, "onnx-cases.md": onnx_cases}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
