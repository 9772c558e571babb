from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_study import SETTINGS

from juanji.study.settings import deterministic, isolated
from juanji.study.store import Store, read, write


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"repeats": 2.0}, TypeError, "repeats must be an integer, got 2.0"),
        ({"batch": True}, TypeError, "batch must be an integer, got True"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"optimizer": "adam"}, ValueError, "one of adamw, sgd, got 'adam'"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be above 0 and finite, got 0.0"),
        ({"learning_rate": float("nan")}, ValueError, "above 0 and finite, got nan"),
        ({"learning_rate": "1"}, TypeError, "learning_rate must be a number, got '1'"),
        ({"swaps": ()}, ValueError, "at least one swap"),
        ({"swaps": ("grouped:4", "grouped:4")}, ValueError, "got grouped:4 twice"),
    ],
)
def test_settings_refuse(change: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        replace(SETTINGS, **change)


def test_settings_identify_a_run() -> None:
    stored = json.loads(SETTINGS.to_json())
    assert SETTINGS.differences(stored) == []
    assert replace(SETTINGS, seed=1).differences(stored) == ["seed was 0, is now 1"]
    assert len(replace(SETTINGS, epochs=3, net="other").differences(stored)) == 2


def test_isolated_leaves_the_callers_state() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), float(np.random.rand()), random.random()

    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = draw()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    threads = torch.get_num_threads()
    with isolated(3, threads + 1):
        assert torch.get_num_threads() == threads + 1
        first = draw()
    with isolated(3, threads):
        assert draw() == first
    assert draw() == expected
    assert torch.get_num_threads() == threads


def test_deterministic_is_put_back_after_an_error() -> None:
    def interrupted() -> None:
        with deterministic():
            assert torch.are_deterministic_algorithms_enabled()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def row(variant: str, repeat: int, **more: Any) -> dict[str, Any]:
    return {"variant": variant, "repeat": repeat, "status": "finished", **more}


def test_store_finds_its_rows_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b", SETTINGS)
    store.add(row("unswapped", 0, accuracy=0.5))
    store.add(row("octave:0.25", 1))
    store.add(row("unswapped", 0, accuracy=0.75))
    again = Store(tmp_path / "a" / "b", SETTINGS)
    assert again.rows == store.rows
    assert again.rows["unswapped", 0]["accuracy"] == 0.75
    assert set(again.rows) == {("unswapped", 0), ("octave:0.25", 1)}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"variant": "grouped:4", "repeat": 0}', "\xff"])
def test_a_damaged_row_counts_as_missing(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path, SETTINGS)
    store.add(row("unswapped", 0))
    store.add(row("octave:0.25", 0))
    path = next(tmp_path.glob("rows/*octave*"))
    path.write_bytes(damage.encode("latin-1"))
    assert set(Store(tmp_path, SETTINGS).rows) == {("unswapped", 0)}


def test_names_of_files_hold_nothing_strange(tmp_path: Path) -> None:
    strange = replace(SETTINGS, swaps=("../../etc:<b>", "a" * 300))
    store = Store(tmp_path, strange)
    for variant in strange.swaps:
        store.add(row(variant, 0))
    assert len(list((tmp_path / "rows").iterdir())) == 2
    assert set(Store(tmp_path, strange).rows) == {(variant, 0) for variant in strange.swaps}


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, SETTINGS)
    store.add(row("unswapped", 0, accuracy=0.5))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(row("unswapped", 0, accuracy=0.6))
    monkeypatch.undo()
    assert Store(tmp_path, SETTINGS).rows["unswapped", 0]["accuracy"] == 0.5
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    Store(tmp_path, SETTINGS)
    leftover = tmp_path / "rows" / ".00-unswapped-0.json.17.tmp"
    leftover.write_text('{"varia')
    assert Store(tmp_path, SETTINGS).rows == {}
    assert not leftover.exists()


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    store = Store(tmp_path, SETTINGS)
    with pytest.raises(ValueError, match="JSON"):
        store.add(row("unswapped", 0, accuracy=float("nan")))
    assert Store(tmp_path, SETTINGS).rows == {}


def test_a_folder_that_is_not_this_runs_is_refused_untouched(tmp_path: Path) -> None:
    Store(tmp_path / "run", SETTINGS)
    with pytest.raises(ValueError, match="holds another run: epochs was 2, is now 3"):
        Store(tmp_path / "run", replace(SETTINGS, epochs=3))

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("dear")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        Store(tmp_path / "full", SETTINGS)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]

    with pytest.raises(ValueError, match="is a file"):
        Store(tmp_path / "full" / "thesis.txt", SETTINGS)
    with pytest.raises(OSError, match="cannot be written"):
        Store(tmp_path / "full" / "thesis.txt" / "below", SETTINGS)

    (tmp_path / "run" / "settings.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        Store(tmp_path / "run", SETTINGS)


def test_write_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read(path) is None
    write(path, '{"名": "卷积"}')
    assert read(path) == {"名": "卷积"}
