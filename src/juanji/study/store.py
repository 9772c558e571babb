"""The folder of a run: its settings, and one file for each finished row.

    settings.json             what the run is; never changes
    rows/01-octave-0.25-0.json   one finished (variant, repeat)
    report.html

A file is written beside its place and moved there, so that whatever kills the process leaves the
last complete state.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from .settings import Settings

Row = dict[str, Any]  # plain data; `study/row.py` says what it holds

TEMPORARY = ".tmp"


class Store:
    """The rows of one run.

    Raises where the folder cannot be written (OSError), is a file, or holds something else
    (ValueError). A row that cannot be parsed counts as missing.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Settings) -> None:
        self.folder = Path(folder)
        self.settings = settings
        self._claim()
        self.rows: dict[tuple[str, int], Row] = {}
        for variant in settings.variants:
            for repeat in range(settings.repeats):
                row = read(self._path(variant, repeat))
                if row is not None and (row.get("variant"), row.get("repeat")) == (variant, repeat):
                    self.rows[variant, repeat] = row

    def add(self, row: Row) -> None:
        """Write a row, in place of an earlier one of its variant and repeat."""
        text = json.dumps(row, indent=1, allow_nan=False)
        write(self._path(row["variant"], row["repeat"]), text)
        self.rows[row["variant"], row["repeat"]] = row

    def _path(self, variant: str, repeat: int) -> Path:
        index = self.settings.variants.index(variant)
        name = re.sub(r"[^a-z0-9.]+", "-", variant.lower()).strip("-.")[:60]
        return self.folder / "rows" / f"{index:02d}-{name}-{repeat}.json"

    def _claim(self) -> None:
        """Make the folder this run's, or find that it is."""
        folder, marker = self.folder, self.folder / "settings.json"
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"out {str(folder)!r} is a file; give a folder")
        if marker.exists():
            stored = read(marker)
            if stored is None:
                raise ValueError(f"out {str(folder)!r} holds a settings.json that cannot be read")
            differences = self.settings.differences(stored)
            if differences:
                raise ValueError(
                    f"out {str(folder)!r} holds another run: {'; '.join(differences)}; "
                    "give another folder"
                )
        elif folder.exists() and any(path.suffix != TEMPORARY for path in folder.iterdir()):
            raise ValueError(f"out {str(folder)!r} is not empty and holds no run; give another")
        try:
            (folder / "rows").mkdir(parents=True, exist_ok=True)
            for leftover in [*folder.glob(f"*{TEMPORARY}"), *folder.glob(f"rows/*{TEMPORARY}")]:
                leftover.unlink()
            write(marker, self.settings.to_json())
        except OSError as error:
            raise type(error)(
                f"out {str(folder)!r} cannot be written: {error.strerror or error}"
            ) from error


def write(path: Path, text: str) -> None:
    """Write a whole file or none: beside its place, to the disk, then moved."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError, AttributeError):  # not every system can sync a folder
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path) -> Row | None:
    """Return the JSON object in a file, or None where there is none that is whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None
