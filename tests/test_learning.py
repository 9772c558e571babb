"""Every network of the table has a small task to learn, with arguments that it takes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks import learning
from benchmarks.claims.store import Store

from juanji.nets import NETS


@pytest.mark.parametrize("name", NETS)
def test_every_network_can_be_as_small_as_its_task_asks(name: str) -> None:
    with torch.device("meta"):
        net = NETS[name](**learning.arguments(NETS[name]))
    assert sum(parameter.numel() for parameter in net.parameters()) < 3_000_000


def test_needs_are_those_of_known_networks() -> None:
    assert set(learning.NEEDS) <= set(NETS)
    assert {need for needs in learning.NEEDS.values() for need in needs} <= {
        "width", "epochs", "extent"
    }  # fmt: skip


def result(score: float) -> dict[str, float]:
    return {"score": score, "seconds": 1.0, "weights": 1000, "threads": 1}


def test_table_says_who_learns_and_who_was_not_tried(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, score in (("resnet18", 0.91), ("resnet34", 0.9)):
        piece = replace(learning.cell(NETS[name]), work=partial(result, score))
        store.work(learning.TASKS["classification"], piece)
    verdicts = {row[0]: row[-1] for row in learning.table(store)}
    assert verdicts["resnet18"] == "learns"
    assert verdicts["resnet34"] == "**does not learn**"  # the threshold is to be passed
    assert verdicts["resnet50"] == "not tried"


def test_labels_of_a_canvas_are_where_its_digits_are() -> None:
    canvases = learning.canvases(8)
    images, labels = canvases.train.tensors
    assert images.shape == (1000, 1, 16, 16)
    assert labels.shape == (1000, 16, 16)
    assert set(labels.unique().tolist()) == set(range(11))
    assert images[:, 0][labels > 0].mean() > images[:, 0][labels == 0].mean() + 0.5
    for half in labels.split(8, dim=2):  # a digit of 8x8 in each
        assert torch.equal((half > 0).sum((1, 2)), torch.full((1000,), 64))
