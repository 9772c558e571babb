"""The report of a study: one HTML file that needs nothing else, and no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from . import charts, units
from .settings import Settings
from .store import Row
from .table import Entry, axes


def html(rows: Sequence[Row], entries: Sequence[Entry], settings: Settings, command: str) -> str:
    """Return the report as text."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "count": units.count,
        "memory": units.memory,
        "milliseconds": units.milliseconds,
        "percent": units.percent,
        "ratio": units.ratio,
        "view": units.view,
    }
    template = files("juanji.study").joinpath("report.html").read_text(encoding="utf-8")
    plans = {row["variant"]: row["plan"] for row in reversed(rows) if row.get("plan")}
    environments = []
    for row in rows:
        if row["environment"] not in environments:
            environments.append(row["environment"])
    return environment.from_string(template).render(
        settings=settings,
        sizes=[str(size) for size in dict.fromkeys((1, settings.batch))],
        entries=entries,
        findings=findings(entries, settings),
        against=[
            drawing(f"Accuracy against {name}", charts.accuracy_against(entries, axis))
            for axis, name in zip(
                axes(settings),
                ["multiply-adds", "latency, one image", f"latency, batch of {settings.batch}"],
                strict=False,
            )
        ],
        promises=drawing(
            "Promised and delivered speed-up", charts.promised_and_delivered(entries, settings)
        ),
        training=[
            drawing("Test accuracy", charts.curves(rows, settings, "test_accuracy", "accuracy, %")),
            drawing("Training loss", charts.curves(rows, settings, "train_loss", "cross-entropy")),
        ],
        colours=[charts.css_colour(index) for index in range(len(entries))],
        plans=[(variant, plans[variant]) for variant in settings.variants if variant in plans],
        environments=environments,
        command=command,
        seconds=sum(row["seconds"] for row in rows),
    )


def drawing(title: str, svg: str | None) -> dict[str, Any]:
    """A chart that is safe to insert: matplotlib has escaped the names in it."""
    return {"title": title, "svg": None if svg is None else Markup(svg)}


def findings(entries: Sequence[Entry], settings: Settings) -> list[dict[str, str]]:
    """Return what a reader looks for first, as (label, variant, value, note)."""
    base, *variants = entries
    result = []
    measured = [entry for entry in entries if entry["accuracy"] is not None]
    if measured:
        best = max(measured, key=lambda entry: entry["accuracy"])
        note = "no swap is as accurate"
        if best is not base and base["accuracy"] is not None:
            difference = 100 * (best["accuracy"] - base["accuracy"])
            note = f"{difference:+.1f} points against unswapped"
        value = units.percent(best["accuracy"], best["accuracy_deviation"])
        result.append(finding("Most accurate", best, value, note))
    for size in dict.fromkeys((1, settings.batch)):
        timed = [entry for entry in variants if str(size) in entry["latency"]]
        if not timed:
            continue
        fastest = max(timed, key=lambda entry: entry["latency"][str(size)]["speed_up"])
        speed_up = fastest["latency"][str(size)]["speed_up"]
        note = f"promised {units.ratio(fastest['promised'])}"
        if speed_up <= 1:
            note = f"no swap is faster; next {fastest['variant']}, {units.ratio(speed_up)}"
            fastest, speed_up = base, 1.0
        result.append(finding(f"Fastest at batch {size}", fastest, units.ratio(speed_up), note))
    counted = [entry for entry in variants if entry["promised"] is not None]
    if counted:
        least = max(counted, key=lambda entry: entry["promised"])
        note = f"{units.ratio(least['promised'])} fewer than unswapped"
        value = units.count(least["multiply_adds"])
        result.append(finding("Fewest multiply-adds", least, value, note))
    return result


def finding(label: str, entry: Entry, value: str, note: str) -> dict[str, str]:
    """One of the findings."""
    return {"label": label, "variant": entry["variant"], "value": value, "note": note}
