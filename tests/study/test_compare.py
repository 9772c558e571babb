from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_study import TinyNet, tiny_pair
from torch import nn

from juanji import study, swaps
from juanji.study import Comparison, compare

pytestmark = pytest.mark.usefixtures("_no_report")

PAIR = tiny_pair()
SWAPS = ["octave:0.25", swaps.Grouped(groups=4)]


def run(out: Path, net: Any = TinyNet, given: Any = SWAPS, **options: Any) -> Comparison:
    arguments = {"epochs": 2, "repeats": 2, "batch": 16, "threads": 1, "progress": False}
    return compare(net, PAIR, given, out=out, **(arguments | options))


def accuracies(result: Comparison) -> list[Any]:
    return [
        (row["variant"], row["repeat"], row["accuracy"], row["curve"][-1]["train_loss"])
        for row in result.rows
    ]


class Spy:
    """Counts the rows that are worked out, and fails at one of them if told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[tuple[str, int]] = []
        self.stop_at: int | None = None
        self.error: type[BaseException] = KeyboardInterrupt
        original: Callable[..., Any] = study.run_row

        def run_row(*args: Any) -> Any:
            if len(self.rows) == self.stop_at:
                raise self.error
            self.rows.append((args[3], args[4]))
            return original(*args)

        monkeypatch.setattr(study, "run_row", run_row)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


@pytest.fixture
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is what takes longest in so small a study; test_report.py looks at it."""
    monkeypatch.setattr("juanji.study.report.html", lambda *_: "")


def test_a_study(tmp_path: Path) -> None:
    result = run(tmp_path / "a")
    assert [entry["variant"] for entry in result.table] == ["unswapped", "octave:0.25", "grouped:4"]
    assert result.failed == ()
    assert len(result.rows) == 6
    unswapped, octave, grouped = result.table
    assert unswapped["weights"] == sum(p.numel() for p in TinyNet().parameters())
    assert octave["weights"] == unswapped["weights"]
    assert grouped["weights"] == unswapped["weights"] - 8 * 6 * 9
    assert grouped["promised"] > 1 == unswapped["promised"]
    for entry in result.table:
        assert 0 <= entry["accuracy"] <= 1
        assert set(entry["latency"]) == {"1", "16"}
    for row in result.rows:
        assert len(row["curve"]) == 2
        assert row["curve"][-1]["test_accuracy"] == row["accuracy"]
        changed = [one for one in row["plan"] if one["reason"] is None]
        expected = {"unswapped": [], "octave:0.25": ["0", "2"], "grouped:4": ["2"]}
        assert [one["name"] for one in changed] == expected[row["variant"]]
        assert (tmp_path / "a" / "rows").is_dir()
    assert result.report == tmp_path / "a" / "report.html"
    assert result.report.exists()
    assert "grouped:4" in str(result)
    json.dumps(result.table, allow_nan=False)

    again = run(tmp_path / "b")
    assert accuracies(again) == accuracies(result)
    other = run(tmp_path / "c", seed=1)
    # repeat 1 of seed 0 is repeat 0 of seed 1
    assert [a[2:] for a in accuracies(other)[::2]] == [a[2:] for a in accuracies(result)[1::2]]


def test_the_callers_random_state_and_threads_stay(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        run(tmp_path, repeats=1, epochs=1, threads=1)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("done", [0, 1, 4])
def test_an_interrupted_study_goes_on(tmp_path: Path, spy: Spy, done: int) -> None:
    whole = run(tmp_path / "whole")
    order, spy.rows = spy.rows, []
    assert order == [(v, r) for r in range(2) for v in ("unswapped", "octave:0.25", "grouped:4")]

    spy.stop_at = done
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    assert len(list((tmp_path / "cut" / "rows").glob("*.json"))) == done
    assert not (tmp_path / "cut" / "report.html").exists()

    spy.rows, spy.stop_at = [], None
    result = run(tmp_path / "cut")
    assert spy.rows == order[done:]
    assert accuracies(result) == accuracies(whole)

    spy.rows = []
    assert accuracies(run(tmp_path / "cut")) == accuracies(whole)
    assert spy.rows == []


def test_lost_and_damaged_rows_are_worked_out_again(tmp_path: Path, spy: Spy) -> None:
    whole = run(tmp_path)
    first, second, *_ = sorted((tmp_path / "rows").iterdir())
    first.unlink()
    second.write_text(second.read_text()[:100])
    spy.rows = []
    assert accuracies(run(tmp_path)) == accuracies(whole)
    assert spy.rows == [("unswapped", 0), ("unswapped", 1)]


def test_a_full_disk_keeps_what_is_there(
    tmp_path: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, repeats=1)
    next(tmp_path.glob("rows/*grouped*")).unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("juanji.study.store.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, repeats=1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


class Spoiled(TinyNet):
    """Fails in training once its second convolution is grouped."""

    error: Exception | None = None

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        spoiled = self.training and getattr(self[2], "groups", 1) > 1
        if spoiled and self.error is not None:
            raise self.error
        return super().forward(input) * (torch.nan if spoiled else 1)


class NoMemory(Spoiled):
    error = MemoryError("unable to allocate array")


class NoMemoryInTorch(Spoiled):
    error = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")


class Broken(Spoiled):
    error = KeyError("layer")


@pytest.mark.parametrize(
    ("net", "given", "reason"),
    [
        (Spoiled, "grouped:4", "while training: the loss became nan in epoch 1, step 1"),
        (NoMemory, "grouped:4", "while training: out of memory: unable to allocate array"),
        (NoMemoryInTorch, "grouped:4", "while training: out of memory: [enforce fail]"),
        (Broken, "grouped:4", "while training: KeyError: 'layer'"),
        (TinyNet, "grouped:3", "while converting: grouped:3 changes no layer: "),
    ],
)
def test_a_variant_that_fails_is_a_row_that_says_why(
    tmp_path: Path, spy: Spy, net: type[nn.Module], given: str, reason: str
) -> None:
    result = run(tmp_path, net, [given, "octave:0.25"])
    assert result.failed == (given,)
    unswapped, failed, octave = result.table
    assert failed["status"] == "failed"
    assert failed["reason"].startswith(reason)
    assert failed["accuracy"] is None
    assert unswapped["accuracy"] is not None
    assert octave["accuracy"] is not None
    assert reason.split(":")[0] in str(result)

    spy.rows = []
    run(tmp_path, net, [given, "octave:0.25"])  # rows that failed are tried again, others not
    assert spy.rows == [(given, 0), (given, 1)]


def test_a_failing_baseline_does_not_stop_the_others(tmp_path: Path) -> None:
    class Backwards(TinyNet):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            plain = self.training and getattr(self[2], "groups", 1) == 1
            return super().forward(input) * (torch.inf if plain else 1)

    result = run(tmp_path, Backwards, ["grouped:4"])
    assert result.failed == ("unswapped",)
    assert result.table[1]["accuracy"] is not None
    assert result.table[1]["latency"]["1"]["speed_up"] > 0


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"given": "octave:0.25"}, TypeError, "swaps must be a list of swaps"),
        ({"given": []}, ValueError, "at least one swap"),
        ({"given": ["grouped:4", swaps.Grouped(4)]}, ValueError, "got grouped:4 twice"),
        ({"given": ["octav:0.25"]}, ValueError, "octave"),
        ({"net": "resnet2o"}, ValueError, "did you mean 'resnet20'"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"optimizer": "adam"}, ValueError, "one of adamw, sgd"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be above 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, spy: Spy, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run(tmp_path / "out", **options)
    assert spy.rows == []
    assert not (tmp_path / "out").exists()


def test_the_data_may_be_three_things(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="data must be a name, a folder or a pair"):
        compare(TinyNet, 3, SWAPS, epochs=1, repeats=1, out=tmp_path)  # type: ignore[arg-type]
    options: dict[str, Any] = {"epochs": 1, "repeats": 1, "threads": 1, "progress": False}
    result = compare(TinyNet, "digits", ["grouped:4"], out=tmp_path / "a", **options)
    loaded = study.load("digits")
    again = compare(TinyNet, loaded, ["grouped:4"], out=tmp_path / "b", **options)
    assert accuracies(result) == accuracies(again)


def test_another_run_is_never_overwritten(tmp_path: Path, spy: Spy) -> None:
    run(tmp_path, repeats=1)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for change in ({"seed": 1}, {"epochs": 3}, {"net": Broken}, {"given": ["grouped:2"]}):
        with pytest.raises(ValueError, match="holds another run"):
            run(tmp_path, **({"repeats": 1} | change))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept
