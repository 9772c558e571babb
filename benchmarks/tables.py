"""The tables of README.md and docs/benchmarks.md, out of the results of `juanji bench`.

python -m benchmarks.tables runs/bench/results.json

What stands around the tables, counts among it, is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from juanji.bench.bars import verdicts
from juanji.bench.cases import LAYOUTS, SIZES, Case, Cell

ROOT = Path(__file__).parent.parent
README_TABLE = "| work | direction | contiguous | channels-last |"

Row = dict[str, Any]
Sizes = dict[str, Row]  # the rows of a cell, by size
Cells = dict[tuple[str, str, str], Sizes]  # by name, direction and layout


def cell_of(row: Row) -> Cell:
    """Return what a row was measured for."""
    given = {**row["case"], "shape": tuple(row["case"]["shape"])}
    del given["label"]
    return Cell(Case(**given), row["direction"], row["layout"])


def cells_of(rows: list[Row]) -> Cells:
    """Return the rows of all sizes together."""
    cells: Cells = {}
    for row in rows:
        name = f"{row['case']['operator']} {row['case']['label']}"
        key = name, row["direction"], row["layout"]
        cells.setdefault(key, {})[row["case"]["size"]] = row
    return cells


def ratio(row: Row | None, against: str) -> str:
    """Write how many times as fast as a peer a cell is, ~ where the machine was unsteady."""
    if row is None or row["status"] != "measured":
        return "–"
    return f"{'' if row['steady'] else '~'}{row['ratios'][against]['ratio']:.2f}"


def bars_table(rows: list[Row]) -> list[str]:
    """Return what was asked and what was reached: cells met at each size."""
    lines = [
        "| work | at least | small | medium | large | beyond the limit | worst cell |",
        "|---|---|---|---|---|---|---|",
    ]
    measured = [(cell_of(row), row) for row in rows]
    by_size = [verdicts(one for one in measured if one[0].case.size == size) for size in SIZES]
    for bar, *of_size in zip(verdicts(measured), *by_size, strict=True):
        met = [f"{b['cells met']} of {b['cells']}" if b["cells"] else "–" for b in of_size]
        if bar["against"] == "limit":
            asked = f"{bar['least']:.0%} of the limit".replace("%", " %")
            worst = f"{bar['worst']:.0%}".replace("%", " %")
        else:
            asked, worst = f"{bar['least']:.2f} × {bar['against']}", f"{bar['worst']:.2f} ×"
        what = f"{worst}: {bar['worst cell']}"
        beyond = bar["cells beyond"] or "–"
        lines.append(f"| {' | '.join((bar['work'], asked, *met, str(beyond), what))} |")
    return lines


def cells_table(cells: Cells) -> list[str]:
    """Return every cell: time and limit at the medium size or the only one, ratios at all."""
    lines = [
        "| cell | direction | layout | time | limit | as given: small | medium | large "
        "| better layout: small | medium | large |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, sizes in cells.items():
        shown = sizes.get("medium") or next(iter(sizes.values()))
        time = f"{shown['seconds']['ours'] * 1e3:.3g} ms"
        part = f"{shown['limit']['part']:.0%}".replace("%", " %")
        ratios = [
            ratio(sizes.get(s), peer) for peer in ("as given", "better layout") for s in SIZES
        ]
        lines.append(f"| {' | '.join((*key, time, part, *ratios))} |")
    return lines


def readme_row(line: str, cells: Cells) -> str:
    """Return a row of the README's table with these figures, of the medium size."""
    _, name, direction, *_ = (part.strip() for part in line.split("|"))
    operator, label = re.split(r" (?=\d-D)", name)
    cell = f"{operator.replace(' ', '-')} {label}", direction
    figures = [ratio(cells[(*cell, layout)].get("medium"), "as given") for layout in LAYOUTS]
    return f"| {name} | {direction} | {' × | '.join(figures)} × |"


def replace_table(text: str, header: str, lines: list[str]) -> str:
    """Put a table in the place of the one that starts with this header."""
    new, count = re.subn(
        re.escape(header) + r"[^\n]*\n(?:\|[^\n]*\n)+", lambda _: "\n".join(lines) + "\n", text
    )
    if count != 1:
        raise ValueError(f"{count} tables start with {header!r}")
    return new


def main() -> None:
    """Write both files anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    rows = json.loads(parser.parse_args().results.read_text())["rows"]
    cells = cells_of(rows)
    page, readme = ROOT / "docs/benchmarks.md", ROOT / "README.md"
    text = replace_table(page.read_text(), "| work | at least | small", bars_table(rows))
    page.write_text(replace_table(text, "| cell | direction | layout", cells_table(cells)))
    text = readme.read_text()
    table = text[text.index(README_TABLE) :].split("\n\n")[0].splitlines()
    filled = [*table[:2], *(readme_row(line, cells) for line in table[2:])]
    readme.write_text(replace_table(text, README_TABLE, filled))


if __name__ == "__main__":
    main()
