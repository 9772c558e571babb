"""What a study shows in the terminal: progress while it works, the table at the end."""

from __future__ import annotations

import time
from io import StringIO
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from . import units
from .settings import Settings
from .store import Row
from .table import Entry


class Progress:
    """Progress on the error stream: live bars on a terminal, plain lines elsewhere."""

    def __init__(self, settings: Settings, finished: int, *, shown: bool = True) -> None:
        self.settings = settings
        self.total = len(settings.variants) * settings.repeats
        self.done = finished
        self.console = Console(stderr=True, quiet=not shown, highlight=False)
        self.live = self.console.is_terminal and shown
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            auto_refresh=False,  # a thread that draws would disturb what is being timed
            disable=not self.live,
        )
        self.overall = self.bars.add_task("rows", total=self.total, completed=finished, note="")
        self.current = self.bars.add_task("", total=settings.epochs, note="", visible=False)
        self.title = ""
        self.drawn = 0.0
        if finished:
            self.line(f"{finished} of {self.total} rows are finished already")

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(escape(text), soft_wrap=True)

    def begin(self, variant: str, repeat: int) -> None:
        """A row begins."""
        self.title = f"{variant}, repeat {repeat + 1} of {self.settings.repeats}"
        self.bars.reset(self.current, description=escape(self.title), visible=True, note="")

    def say(self, stage: str) -> None:
        """A stage of the row begins."""
        self.bars.update(self.current, note=stage, refresh=True)

    def tell(self, epoch: int, part: float, loss: float) -> None:
        """A training went on."""
        now = time.monotonic()
        if now - self.drawn > 0.1 or part == 1:
            self.drawn = now
            done = int(epoch + part)
            self.bars.update(self.current, completed=done, note=f"loss {loss:.3f}", refresh=True)
        if part == 1 and not self.live:
            self.line(f"  {self.title}: epoch {epoch + 1}/{self.settings.epochs}, loss {loss:.3f}")

    def end(self, row: Row) -> None:
        """A row is finished and written."""
        self.done += 1
        self.bars.update(self.overall, completed=self.done)
        if row["status"] == "failed":
            outcome = f"failed while {row['stage']}: {row['reason']}"
        else:
            outcome = f"{units.percent(row['accuracy'])} in {row['seconds']:.0f} s"
        self.line(f"[{self.done}/{self.total}] {self.title}: {outcome}")


def rich_table(entries: list[Entry], width: int | None = None) -> Table:
    """Return the table for a terminal; where it is too wide, without what can be spared."""
    sizes = list(dict.fromkeys(size for entry in entries for size in entry["latency"]))
    columns = {
        "variant": [escape(entry["variant"]) for entry in entries],
        "accuracy": [
            units.percent(entry["accuracy"], entry["accuracy_deviation"]) for entry in entries
        ],
        "weights": [units.count(entry["weights"]) for entry in entries],
        "multiply-adds": [units.count(entry["multiply_adds"]) for entry in entries],
        "memory": [units.memory(entry["memory_peak"]) for entry in entries],
        "view": [units.view(entry["view"], entry["whole"]) for entry in entries],
        "promised": [units.ratio(entry["promised"]) for entry in entries],
    }
    for size in sizes:
        figures = [entry["latency"].get(size, {}) for entry in entries]
        columns[f"batch {size}"] = [units.ratio(figure.get("speed_up")) for figure in figures]
        columns[f"ms, {size}"] = [
            units.MISSING if not figure else f"{figure['milliseconds']:.2f}" for figure in figures
        ]
    for spare in ("view", "memory", "weights"):
        if width is not None and measured(columns) > width:
            del columns[spare]
    result = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        result.add_column(name, justify="left" if name == "variant" else "right", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        result.add_row(*row)
    return result


def measured(columns: dict[str, list[str]]) -> int:
    """The width of a table with these columns."""
    return sum(2 + max(map(len, [name, *cells])) for name, cells in columns.items()) - 2


def show(entries: list[Entry], stream: IO[str] | None = None) -> None:
    """Print the table, and below it what failed, to a stream (standard output if not given)."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=10_000)
    console.print(rich_table(entries, console.width))
    for entry in entries:
        if entry["reason"] is not None:
            text = f"{entry['variant']} {entry['status']} {entry['reason']}"
            console.print(escape(text), soft_wrap=True)


def text(entries: list[Entry]) -> str:
    """Return the table as plain text."""
    stream = StringIO()
    show(entries, stream)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
