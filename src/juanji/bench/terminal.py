"""What the benchmark shows in the terminal: progress while it works, the tables at the end."""

from __future__ import annotations

from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from . import figures
from .bars import Row


class Progress:
    """Progress on the error stream: a live bar on a terminal, plain lines elsewhere."""

    def __init__(self, *, shown: bool = True) -> None:
        self.console = Console(stderr=True, quiet=not shown, highlight=False)
        self.live = self.console.is_terminal and shown
        self.bars = Bars(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            transient=True,
            auto_refresh=False,  # a thread that draws would disturb what is being timed
            disable=not self.live,
        )
        self.total, self.done = 0, 0
        self.task = self.bars.add_task("")

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

    def begin(self, total: int) -> None:
        """So many cells are to be measured."""
        self.total = total
        self.bars.update(self.task, total=total)

    def say(self, what: str) -> None:
        """Something begins."""
        self.bars.update(self.task, description=escape(what), refresh=True)

    def end(self, row: Row) -> None:
        """A cell is measured."""
        self.done += 1
        self.bars.update(self.task, completed=self.done)
        if row["status"] == "wrong":
            outcome = f"WRONG, {row['reason']}"
        else:
            outcome = figures.ratio(row["ratios"]["better layout"], row["steady"])
            outcome = f"{figures.duration(row['seconds']['ours'])}, {outcome}"
        if row["status"] == "wrong" or not self.live:
            line = f"[{self.done}/{self.total}] {row['name']}: {outcome}"
            self.console.print(escape(line), soft_wrap=True)


def cells_table(rows: list[Row]) -> Table:
    """Return the table of cells."""
    result = table(*figures.COLUMNS, left=5)
    for row in rows:
        if row["status"] == "wrong":
            result.add_row(*figures.names(row), escape(f"WRONG, {row['reason']}"))
        else:
            result.add_row(*map(escape, (*figures.names(row), *figures.values(row))))
    return result


def bars_table(bars: list[dict[str, Any]]) -> Table:
    """Return the table of bars."""
    result = table(*figures.BAR_COLUMNS, left=1)
    for bar in bars:
        result.add_row(*map(escape, figures.bar(bar)))
    return result


def table(*columns: str, left: int) -> Table:
    """Return an empty table, its first columns aligned to the left, as is the last."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        aligned = "left" if index < left or index == len(columns) - 1 else "right"
        result.add_column(name, justify=aligned, overflow="fold")  # type: ignore[arg-type]
    return result


def show(results: dict[str, Any], stream: IO[str] | None = None) -> None:
    """Print cells, bars and the machine to a stream (standard output if not given)."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=10_000)
    console.print(cells_table(results["rows"]))
    console.print()
    console.print(bars_table(results["bars"]))
    console.print()
    console.print(escape(figures.machine(results)), soft_wrap=True)
