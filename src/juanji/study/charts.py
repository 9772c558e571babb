"""The report's charts: matplotlib -> SVG text that takes its colours from the page's style.

A chart is drawn in placeholder colours, which are then replaced by CSS variables, so that one
drawing is readable on a light and on a dark page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from statistics import fmean
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import units
from .labels import label_points, shortened
from .settings import Settings
from .store import Row
from .table import Entry, cost

PAGE = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--card)",
}
INK, MUTED, LINE, CARD = PAGE
SERIES = 9  # colours of the page for variants; then they come round with another marker
MARKERS = "osD^vP"

STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
}


def colour(index: int) -> str:
    """The placeholder of a variant's colour; the unswapped network, index 0, is drawn in ink."""
    return INK if index == 0 else f"#0a00{(index - 1) % SERIES:02d}"


def css_colour(index: int) -> str:
    """The same colour as the page names it."""
    return PAGE[INK] if index == 0 else f"var(--series-{(index - 1) % SERIES})"


def marker(index: int) -> str:
    """A variant's marker."""
    return MARKERS[max(index - 1, 0) // SERIES % len(MARKERS)]


def svg(figure: Figure, name: str) -> str:
    """Return a figure as an SVG element; `name` keeps its identifiers apart from other figures'."""
    stream = StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    text = text.replace("'DejaVu Sans'", "system-ui, sans-serif")
    for placeholder, variable in PAGE.items():
        text = text.replace(placeholder, variable)
    text = re.sub(r"#0a00(\d\d)", lambda found: f"var(--series-{int(found[1])})", text)
    return text.replace("<svg", '<svg role="img" aria-hidden="true"', 1)


def accuracy_against(entries: Sequence[Entry], axis: str) -> str | None:
    """Draw accuracy against a cost, with the Pareto front; None where nothing is known."""
    points = [
        (index, entry, value)
        for index, entry in enumerate(entries)
        if (value := cost(entry, axis)) is not None and entry["accuracy"] is not None
    ]
    if not points:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 3.5), layout="constrained")
        axes = figure.add_subplot()
        scale = 1e6 if axis == "multiply_adds" else 1
        best = sorted(
            (value / scale, 100 * entry["accuracy"])
            for _, entry, value in points
            if axis in entry["pareto"]
        )
        axes.step(*zip(*best, strict=True), where="post", color=MUTED, linewidth=1.2, dashes=(4, 3))
        for index, entry, value in points:
            spread = entry["accuracy_deviation"]
            axes.errorbar(
                value / scale,
                100 * entry["accuracy"],
                yerr=None if spread is None else 100 * spread,
                fmt=marker(index),
                color=colour(index),
                markersize=8,
                elinewidth=1.2,
            )
        axes.margins(0.18, 0.14)
        axes.set_ylabel("accuracy, %")
        if axis == "multiply_adds":
            axes.set_xlabel("multiply-adds per image, millions")
        else:
            axes.set_xlabel(f"latency at batch {axis.removeprefix('latency_')}, ms")
        label_points(
            figure,
            axes,
            [
                (value / scale, 100 * entry["accuracy"], entry["variant"], colour(index))
                for index, entry, value in points
            ],
            [100 * (entry["accuracy_deviation"] or 0) for _, entry, _ in points],
            best,
        )
        return svg(figure, axis)


def promised_and_delivered(entries: Sequence[Entry], settings: Settings) -> str | None:
    """Draw, for each variant, the promised speed-up and the measured ones with their intervals."""
    shown = [
        (index, entry)
        for index, entry in enumerate(entries)
        if entry["latency"] and entry["promised"] is not None
    ]
    if not shown:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 0.8 + 0.34 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(1, color=MUTED, linewidth=1)
        axes.grid(axis="y", visible=False)
        sizes = [str(size) for size in dict.fromkeys((1, settings.batch))]
        for row, (index, entry) in enumerate(shown):
            axes.plot(
                [entry["promised"]] * 2,
                [row - 0.32, row + 0.32],
                color=colour(index),
                linewidth=2.5,
                solid_capstyle="butt",
            )
            for offset, fill, size in zip((-0.16, 0.16), (CARD, None), sizes, strict=False):
                figure_at = entry["latency"].get(size)
                if figure_at is None:
                    continue
                axes.plot(
                    [entry["promised"], figure_at["speed_up"]],
                    [row + offset] * 2,
                    color=LINE,
                    linewidth=1.5,
                    zorder=1,
                )
                axes.errorbar(
                    figure_at["speed_up"],
                    row + offset,
                    xerr=[
                        [figure_at["speed_up"] - figure_at["low"]],
                        [figure_at["high"] - figure_at["speed_up"]],
                    ],
                    fmt="o",
                    color=colour(index),
                    markerfacecolor=fill,
                    markersize=6,
                    elinewidth=1.2,
                )
        axes.set_yticks(
            range(len(shown)),
            [shortened(entry["variant"]) for _, entry in shown],
            color=INK,
            fontsize=9,
            parse_math=False,
        )
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel("speed-up against unswapped")
        axes.xaxis.set_major_formatter(lambda value, _: units.ratio(value).replace(".00", ""))
        return svg(figure, "promised")


def curves(rows: Sequence[Row], settings: Settings, quantity: str, label: str) -> str | None:
    """Draw a quantity over the epochs: the mean over the repeats, and their range."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 3.1), layout="constrained")
        axes = figure.add_subplot()
        epochs = range(1, settings.epochs + 1)
        scale = 100 if "accuracy" in quantity else 1
        drawn = False
        for index, variant in enumerate(settings.variants):
            repeats = [
                [scale * epoch[quantity] for epoch in row["curve"]]
                for row in rows
                if row["variant"] == variant and row["status"] == "finished"
            ]
            if not repeats:
                continue
            drawn = True
            values = list(zip(*repeats, strict=True))
            axes.plot(
                epochs,
                [fmean(at_epoch) for at_epoch in values],
                color=colour(index),
                marker=marker(index) if settings.epochs <= 12 else None,
                markersize=4,
            )
            if len(repeats) > 1:
                axes.fill_between(
                    epochs,
                    [min(at_epoch) for at_epoch in values],
                    [max(at_epoch) for at_epoch in values],
                    color=colour(index),
                    alpha=0.12,
                    linewidth=0,
                )
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        if "loss" in quantity:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
            axes.tick_params(which="minor", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg(figure, quantity) if drawn else None
