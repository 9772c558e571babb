from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
from tiny_study import SETTINGS

from juanji.study import units
from juanji.study.table import front, table


def make_row(variant: str, repeat: int, accuracy: float, adds: int, speed: float) -> dict[str, Any]:
    return {
        "variant": variant,
        "repeat": repeat,
        "status": "finished",
        "accuracy": accuracy,
        "figures": {
            "weights": 7,
            "multiply_adds": adds,
            "multiply_adds_touched": adds - 1,
            "memory_peak": 64,
            "memory_sum": 128,
            "view": [3, 5],
            "whole": False,
            "uncounted": [],
        },
        "plan": [],
        "curve": [],
        "latency": [
            {
                "batch": batch,
                "unswapped_seconds": 0.5 * batch + 0.1 * repeat,
                "variant_seconds": 1.0,
                "ratios": [speed, speed],
                "unswapped_layout": "contiguous",
                "variant_layout": "contiguous",
                "drift": 0.0,
                "steady": repeat == 0,
            }
            for batch in (1, 16)
        ],
        "seconds": 1.0,
        "environment": {},
    }


def rows() -> list[dict[str, Any]]:
    return [
        make_row("grouped:4", 1, 0.6, 25, 1.5),
        make_row("unswapped", 0, 0.8, 100, 1.0),
        make_row("grouped:4", 0, 0.8, 25, 2.5),
        make_row("octave:0.25", 0, 0.7, 80, 0.5),
        make_row("unswapped", 1, 0.9, 100, 1.0),
        {
            "variant": "octave:0.25",
            "repeat": 1,
            "status": "failed",
            "stage": "training",
            "reason": "nan",
        },
    ]


def test_table() -> None:
    unswapped, octave, grouped = table(rows(), SETTINGS)
    assert [one["variant"] for one in (unswapped, octave, grouped)] == list(SETTINGS.variants)
    assert grouped["accuracy"] == pytest.approx(0.7)
    assert grouped["accuracy_deviation"] == pytest.approx(np.std([0.8, 0.6], ddof=1))
    assert (octave["status"], octave["repeats"]) == ("partly failed", 1)
    assert octave["reason"] == "while training: nan"
    assert octave["accuracy_deviation"] is None
    assert (unswapped["promised"], octave["promised"], grouped["promised"]) == (1, 1.25, 4)
    assert grouped["latency"]["16"]["speed_up"] == 2.0  # over the pairs of both repeats
    assert not grouped["latency"]["1"]["steady"]
    assert octave["latency"]["1"]["steady"]
    # the unswapped median over the five measurements, 8.0 and 8.1, divided by the speed-up
    assert grouped["latency"]["16"]["milliseconds"] == pytest.approx(8000 / 2)
    assert unswapped["pareto"] == ["multiply_adds", "latency_1", "latency_16"]
    assert grouped["pareto"] == ["multiply_adds", "latency_1", "latency_16"]
    assert octave["pareto"] == []  # costs more than grouped and is no more accurate
    assert json.loads(json.dumps(unswapped, allow_nan=False)) == unswapped


def test_a_variant_that_failed_altogether_has_no_figures() -> None:
    failed = {"status": "failed", "stage": "converting", "reason": "no"}
    entries = table(
        [{"variant": v, "repeat": r, **failed} for v in SETTINGS.variants for r in (0, 1)], SETTINGS
    )
    assert [one["status"] for one in entries] == ["failed"] * 3
    assert all(one["accuracy"] is None and one["latency"] == {} for one in entries)
    assert all(one["promised"] is None and one["pareto"] == [] for one in entries)


def test_front_against_the_definition() -> None:
    points = [(c, a / 10) for c, a in product(range(4), range(3)) if (c * a) % 4 != 1]
    chosen = set(front(points))
    for index, (cost, accuracy) in enumerate(points):
        beaten = any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points)
        assert (index in chosen) is not beaten
    assert front([(1, 0.5), (1, 0.5)]) == [0, 1]  # equals stand together
    assert front([(None, 0.5), (1, None)]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.count(0), "0"),
        (units.count(999), "999"),
        (units.count(1000), "1.00 k"),
        (units.count(999_499), "999 k"),
        (units.count(999_500), "1.00 M"),
        (units.memory(0), "0 B"),
        (units.memory(999_500), "1.00 MB"),
        (units.memory(None), "–"),
        (units.milliseconds(999.6), "1.00 s"),
        (units.milliseconds(None), "–"),
        (units.percent(1.0, 0.0), "100.0 ± 0.0 %"),
        (units.view([]), "–"),
        (units.ratio(None), "–"),
    ],
)
def test_units(text: str, expected: str) -> None:
    assert text == expected
