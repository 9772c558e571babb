"""The benchmark's page: one HTML file that needs nothing else, and no network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from ..study.latency import DRIFT
from . import figures
from .answers import ERROR
from .cases import OPERATORS
from .roofline import roofline, series


def html(results: dict[str, Any]) -> str:
    """Return the page as text; `results` may have been read from JSON."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("juanji.bench").joinpath("report.html").read_text(encoding="utf-8")
    rows, machine = results["rows"], results["machine"]
    directions = list(dict.fromkeys(row["direction"] for row in rows))
    pictures = [roofline(rows, direction, machine) for direction in directions]
    drawn = {
        row["case"]["operator"] for row in rows if row["status"] == "measured" and row["flops"]
    }
    return environment.from_string(template).render(
        results=results,
        machine=figures.machine(results),
        columns=figures.COLUMNS,
        bar_columns=figures.BAR_COLUMNS,
        bars=[(figures.bar(bar), bar["met"]) for bar in results["bars"]],
        met=sum(bar["met"] is True for bar in results["bars"]),
        judged=sum(bar["met"] is not None for bar in results["bars"]),
        rows=[
            {
                "names": figures.names(row),
                "values": figures.values(row) if row["status"] == "measured" else None,
                "reason": row.get("reason"),
                "lost": row["status"] == "measured" and row["ratios"]["better layout"]["ratio"] < 1,
            }
            for row in rows
        ],
        pictures=[picture for picture in pictures if picture],
        legend=[(name, series(name)) for name in OPERATORS if name in drawn],
        error=ERROR,
        drift=DRIFT,
    )
