"""The main job: train and measure a network and its variants side by side, and report."""

from __future__ import annotations

import importlib
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from .. import swaps as known_swaps
from . import networks
from .data import Data, from_pair, load
from .row import run_row
from .settings import OPTIMIZERS, Settings, isolated
from .store import Row, Store, write
from .table import Entry, table
from .train import fingerprint

__all__ = ["Comparison", "compare"]

Pair = tuple[Dataset[Any], Dataset[Any]]


@dataclass(frozen=True)
class Comparison:
    """A finished study: its rows, the table they give, and the report that shows them."""

    rows: tuple[Row, ...]  # one for each variant and repeat; see `study/row.py`
    table: tuple[Entry, ...]  # one for each variant; see `study/table.py`
    report: Path

    @property
    def failed(self) -> tuple[str, ...]:
        """The variants of which a row failed; `reason` in their table entry says why."""
        return tuple(entry["variant"] for entry in self.table if entry["reason"] is not None)

    def show(self) -> None:
        """Print the table, styled where it is read on a terminal."""
        from .terminal import show

        show(list(self.table))

    def __str__(self) -> str:
        from .terminal import text

        return text(list(self.table))


def compare(
    net: str | Callable[..., nn.Module],
    data: str | os.PathLike[str] | Pair | Data,
    swaps: Sequence[Any],
    *,
    epochs: int,
    repeats: int,
    out: str | os.PathLike[str],
    batch: int = 128,
    optimizer: str = "adamw",
    learning_rate: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = True,
) -> Comparison:
    """Train a network as it is and with each swap, measure all, and write a report.

    For each variant and repeat: convert, analyze, train, evaluate, and measure latency against the
    unswapped network. Every finished row is kept at once; the same call again continues where it
    stopped, and tries rows that failed once more. A variant that fails becomes a row that says why.

    Repeat r starts every variant from the network that seed + r gives, converted, and shows it the
    data in the same order.

    Args:
        net: a name in `juanji.nets.NETS`, "package.module:function", or a callable that builds an
            `nn.Module` with logits (N, classes); it gets `in_channels` and `classes` if it takes
            them. For images below 64x64, a network of `juanji.nets` is built in its form for small
            images, if it has one.
        data: "digits", "mnist5k", a folder with a folder of images for each class, or a pair
            (train, test) of datasets of (image, label).
        swaps: records of `juanji.swaps` or their command-line forms.
        epochs: passes over the training part; all of them are made.
        repeats: trainings of every variant.
        out: the folder of this run; its `report.html` is the result.
        batch: images in a training step; latency is measured at this size too.
        optimizer: "adamw", or "sgd" with momentum; either with a one-cycle schedule.
        learning_rate: the highest of the schedule; 0.01 for AdamW and 0.1 for SGD if not given.
        seed: of the first repeat.
        threads: as torch has them if not given.
        progress: show progress on the error stream.

    Raises:
        ValueError, TypeError: an argument is wrong; nothing has been trained.
        FileNotFoundError, OSError: the data or `out` cannot be used.
        ImportError: the `study` extra is not installed.

    >>> import tempfile
    >>> net = lambda in_channels, classes: torch.nn.Sequential(
    ...     torch.nn.Conv2d(in_channels, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, classes))
    >>> result = compare(net, "digits", ["grouped:4"], epochs=1, repeats=1,
    ...                  out=tempfile.mkdtemp(), progress=False)
    >>> [(entry["variant"], entry["weights"]) for entry in result.table]
    [('unswapped', 754), ('grouped:4', 322)]
    """
    require_extra()
    if learning_rate is None:
        learning_rate = OPTIMIZERS.get(optimizer, 1.0)  # `Settings` refuses an unknown optimizer
    settings = Settings(  # without the names yet, to refuse what is wrong before the data is read
        net="",
        net_fingerprint="",
        data="",
        data_fingerprint="",
        swaps=spell(swaps),
        epochs=epochs,
        repeats=repeats,
        batch=batch,
        optimizer=optimizer,
        learning_rate=learning_rate,
        seed=seed,
        threads=torch.get_num_threads() if threads is None else threads,
    )
    if isinstance(net, str):
        networks.find(net)
    loaded = as_data(data)
    net_name, build = networks.builder(
        net, loaded.size, in_channels=loaded.channels, classes=loaded.classes
    )
    with isolated(seed, settings.threads):
        first = networks.checked(build, loaded, net_name)
    settings = replace(
        settings,
        net=net_name,
        net_fingerprint=networks.fingerprint(first),
        data=loaded.name,
        data_fingerprint=fingerprint(loaded),
    )
    store = Store(out, settings)
    run(store, build, loaded, progress)
    rows = [
        store.rows[variant, repeat]
        for variant in settings.variants
        for repeat in range(settings.repeats)
    ]
    entries = table(rows, settings)
    report = store.folder / "report.html"
    from .report import html

    write(report, html(rows, entries, settings, command(net, data, settings, out)))
    return Comparison(tuple(rows), tuple(entries), report)


def run(store: Store, build: networks.Build, data: Data, shown: bool) -> None:
    """Work out the rows that are missing or failed: every variant once, then every one again."""
    from .terminal import Progress

    settings = store.settings
    finished = {key for key, row in store.rows.items() if row["status"] == "finished"}
    with Progress(settings, len(finished), shown=shown) as progress:
        for repeat in range(settings.repeats):
            for variant in settings.variants:
                if (variant, repeat) in finished:
                    continue
                progress.begin(variant, repeat)
                row = run_row(build, data, settings, variant, repeat, progress.say, progress.tell)
                store.add(row)
                progress.end(row)


def spell(swaps: Sequence[Any]) -> tuple[str, ...]:
    """Return the command-line form of every swap, checked."""
    if isinstance(swaps, str) or not isinstance(swaps, Sequence):
        raise TypeError(f"swaps must be a list of swaps, got {swaps!r}")
    return tuple(
        known_swaps.spelled(known_swaps.parse(swap) if isinstance(swap, str) else swap)
        for swap in swaps
    )


def as_data(data: str | os.PathLike[str] | Pair | Data) -> Data:
    """Load, or wrap, what was given."""
    if isinstance(data, Data):
        return data
    if isinstance(data, str | os.PathLike):
        return load(data)
    if isinstance(data, tuple | list) and len(data) == 2:
        return from_pair(*data)
    raise TypeError(
        f"data must be a name, a folder or a pair (train, test) of datasets, got {type(data)}"
    )


def command(net: Any, data: Any, settings: Settings, out: str | os.PathLike[str]) -> str:
    """Return what repeats the run: a command line, or a call where objects were given."""
    usual = {"batch": 128, "optimizer": "adamw", "seed": 0}
    usual["learning_rate"] = OPTIMIZERS[settings.optimizer]
    options = {name: getattr(settings, name) for name in ("epochs", "repeats")}
    options |= {
        name: getattr(settings, name)
        for name, value in usual.items()
        if getattr(settings, name) != value
    }
    options["threads"] = settings.threads  # the machine decides it otherwise
    if isinstance(net, str) and isinstance(data, str | os.PathLike):
        words = ["juanji", "compare", "--net", net, "--data", os.fspath(data)]
        for swap in settings.swaps:
            words += ["--swap", swap]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join([*words, "--out", os.fspath(out)])
    network = repr(net) if isinstance(net, str) else settings.net.replace(":", ".")
    images = repr(os.fspath(data)) if isinstance(data, str | os.PathLike) else "(train, test)"
    keywords = ", ".join(f"{name}={value!r}" for name, value in options.items())
    swaps = list(settings.swaps)
    return f"juanji.compare({network}, {images}, {swaps}, {keywords}, out={os.fspath(out)!r})"


def require_extra() -> None:
    """Raise ImportError, which says what to install, before any work is done."""
    for module in ("jinja2", "matplotlib", "rich"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(f'{error}: pip install "juanji[study]"') from error
