"""Stochastic pooling in place of max pooling: a swap that is not about convolutions."""

import pytest
import torch
from small_networks import X
from torch import nn
from torch.nn import functional as torch_functional

import juanji
from juanji import swaps


class Hand(nn.Module):
    """A network with one pooling layer for all stages, as people write them."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(4, 4, 3)
        self.pool = nn.MaxPool2d(2)
        self.again = self.pool

    def forward(self, x):
        x = self.pool(torch.relu(self.one(x)))
        return self.again(self.pool(torch.relu(self.two(x))))


def test_stochastic_pooling_is_about_max_pooling_layers():
    model = Hand()
    plan = juanji.plan(model, "stochastic-pool", X)
    assert [e.name for e in plan.entries] == ["pool", "again"]
    assert plan.entries[0].weights_after == plan.entries[0].multiply_adds_after == 0
    assert plan.summary.startswith("2 of 2 layers swapped, weights 0 -> 0")
    changed = plan.apply(model).eval()
    hidden = torch.relu(model.one(X))
    values = torch_functional.unfold(hidden, 2, stride=2).unflatten(1, (4, 4))
    mean = (values.square().sum(2) / values.sum(2).clamp(min=1e-30)).view(2, 4, 7, 6)
    torch.testing.assert_close(changed.pool(hidden), mean)
    assert isinstance(changed.again, juanji.nn.StochasticPool2d)
    changed.train()
    assert not torch.equal(changed(X), changed(X))  # it draws
    assert not juanji.plan(model, "stochastic-pool", X, where="pool").entries[1].after


def test_patterns_match_among_the_layers_that_a_swap_is_about():
    mapping = {"*": swaps.StochasticPool(), "two": swaps.Grouped(2)}
    plan = juanji.plan(Hand(), mapping, X)
    assert {e.name: e.swap for e in plan.entries} == {
        "one": None, "two": "grouped:2", "pool": "stochastic-pool", "again": "stochastic-pool",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"where 'two' matches none of the 2 layers \(pool, again"):
        juanji.plan(Hand(), "stochastic-pool", X, where="two")
    with pytest.raises(ValueError, match="swap 'pool' matches none of the 2 layers"):
        juanji.plan(Hand(), {"pool": "grouped:2"}, X)


class Idle(nn.MaxPool2d):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (nn.MaxPool2d(2), None),
        (nn.MaxPool2d(3, 2, 1), None),
        (juanji.nn.MaxPool2d(3, 2, padding="same"), None),
        (nn.MaxPool2d(2, ceil_mode=True), "ceil_mode"),
        (nn.MaxPool2d(2, dilation=2), "dilated"),
        (nn.MaxPool2d(2, return_indices=True), "its indices are used"),
        (Idle(2), "Idle has a forward of its own"),
    ],
)  # fmt: skip
def test_pools_that_stay(pool, expected):
    (only,) = juanji.plan(nn.Sequential(nn.ReLU(), pool), "stochastic-pool", X).entries
    assert only.reason == expected
    if expected is None:
        changed = juanji.convert(nn.Sequential(nn.ReLU(), pool), "stochastic-pool", X)
        assert changed(X).shape == pool(X).shape
    (only,) = juanji.plan(nn.Sequential(pool), "stochastic-pool", -X.abs()).entries
    assert only.reason == (expected or "its input has negative values")
