"""The claims' rules, their page and how results are kept: without any training or timing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from benchmarks.claims import data
from benchmarks.claims.accuracy import more_accurate
from benchmarks.claims.page import page
from benchmarks.claims.record import Cell, Claim, Results
from benchmarks.claims.store import Store
from benchmarks.claims.timing import faster
from benchmarks.claims.verdict import FAILS, HOLDS, MISSING, UNDECIDED, interval, overall, verdict


def test_interval_is_that_of_student() -> None:
    from scipy import stats

    values = [0.93, 0.95, 0.946]
    low, high = stats.t.interval(0.95, 2, stats.tmean(values), stats.sem(values))
    assert interval(values) == pytest.approx((stats.tmean(values), low, high), rel=1e-4)


@pytest.mark.parametrize(
    ("values", "limit", "expected"),
    [
        ([0.02, 0.021, 0.022], 0, HOLDS),
        ([-0.02, -0.021, -0.022], 0, FAILS),
        ([0.02, -0.01, 0.01], 0, UNDECIDED),
        ([0.02, -0.01, 0.01], -0.1, HOLDS),
        ([0.0, 0.0, 0.0], 0, FAILS),  # nothing gained is no gain
        ([8.47], 9, MISSING),  # one repeat says nothing
        ([], 0, MISSING),
    ],
)
def test_verdict_follows_from_the_interval(
    values: list[float], limit: float, expected: str
) -> None:
    assert verdict(values, limit) == expected


def test_a_count_needs_no_repeats() -> None:
    assert verdict([8.47], 8, exact=True) == HOLDS
    assert verdict([8.47], 9, exact=True) == FAILS


def test_verdict_changes_sides_with_the_values() -> None:
    values = [0.4, 0.5, 0.62]
    for limit in (0.0, 0.3, 0.5, 0.7, 1.0):
        mirrored = verdict([-value for value in values], -limit)
        assert {HOLDS: FAILS, FAILS: HOLDS}.get(mirrored, mirrored) == verdict(values, limit)


def test_differences_are_taken_repeat_by_repeat() -> None:
    results = {
        f"{name} {repeat}": {"accuracy": base + 0.1 * repeat}
        for name, base in (("a", 0.6), ("b", 0.5))
        for repeat in range(3)
    }  # each wanders by 0.2, their difference not at all
    assert more_accurate("", results, "a", "b").verdict == HOLDS
    assert more_accurate("", results, "b", "a").verdict == FAILS
    assert more_accurate("", {}, "b", "a").verdict == MISSING


def test_what_is_not_measured_has_no_verdict() -> None:
    assert faster("", {}, "work", "forward").verdict == MISSING
    assert overall([HOLDS, MISSING]) == "not measured in 1 of 2"


def test_patches_to_learn_from_and_to_test_on_do_not_overlap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def texture(name: str) -> torch.Tensor:  # the left half is 0 to 2, by texture, the right 10 on
        photograph = torch.full((64, 96), float(data.TEXTURES.index(name)))
        photograph[:, 48:] += 10
        return photograph

    monkeypatch.setattr(data, "texture", texture)
    patches, labels = data.texture_patches(repeat=0, training=100)
    learnt, tested = patches[:100], patches[100:]
    assert torch.equal(learnt, labels[:100, None, None, None].expand_as(learnt).float())
    assert torch.equal(tested, 10 + labels[100:, None, None, None].expand_as(tested).float())
    assert labels[:100].bincount().tolist() == [34, 33, 33]


class Counting:
    """A study of two cells, which counts how often it is worked."""

    name = "counting"

    def __init__(self, epochs: int = 1) -> None:
        self.epochs = epochs
        self.worked: list[str] = []

    def cells(self) -> Iterator[Cell]:
        for name in ("one", "two"):
            yield Cell(name, {"epochs": self.epochs}, lambda name=name: self.work(name))

    def work(self, name: str) -> dict[str, float]:
        self.worked.append(name)
        return {"accuracy": 0.5}

    def table(self, results: Results) -> list[list[str]]:
        return [["cell"], *([name] for name in results)]


def claim(study: Counting) -> Claim:
    def statements(results: object) -> list:
        return [more_accurate("one | two", {}, "one", "two")]

    return Claim("a", "Is it so?", "003", "It is so.", "Tried.", [study], statements)


def test_a_result_is_worked_out_once_for_its_settings(tmp_path: Path) -> None:
    study = Counting()
    store = Store(tmp_path)
    for _, cell in store.missing([claim(study)])[:1]:
        store.work(study, cell)
    again = Store(tmp_path)
    for _, cell in again.missing([claim(study)]):
        again.work(study, cell)
    assert study.worked == ["one", "two"]
    assert set(again.results(study)) == {"one", "two"}
    assert len(again.missing([claim(Counting(epochs=2))])) == 2


def test_a_broken_file_counts_as_missing(tmp_path: Path) -> None:
    study, store = Counting(), Store(tmp_path)
    cells = list(study.cells())
    store.work(study, cells[0])
    store.path(study, cells[0]).write_text('{"settings": {"epochs"', encoding="utf-8")
    assert store.get(study, cells[0]) is None


def test_page_shows_every_claim_and_says_what_is_missing(tmp_path: Path) -> None:
    study, store = Counting(), Store(tmp_path)
    text = page([claim(study)], store)
    assert "nothing has been measured yet" in text
    assert "| 1 | [Is it so?](#a) | 003 | not measured |" in text
    assert "| one ∣ two | – | **not measured** |" in text
    for cell in study.cells():
        store.work(study, cell)
    text = page([claim(study)], store)
    kept = json.loads(next(tmp_path.glob("*/*.json")).read_text(encoding="utf-8"))
    assert kept["environment"]["processor"] in text
