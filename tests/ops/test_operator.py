"""Operators remember what they decided: calls alike go the same way, others do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx

import juanji
from juanji import functional as F
from juanji.ops.follow import take
from juanji.ops.operator import operator


class Doubling:
    """An operator that counts how often all of its way is gone."""

    def __init__(self) -> None:
        self.gone = 0

        @operator
        def double(input: Tensor, weight: Tensor | None = None, factor: Any = 2) -> Tensor:
            self.gone += 1
            if isinstance(factor, bool):
                raise TypeError("factor must be a number")
            output: Tensor = take(
                lambda x, w, f: (x if w is None else x + w) * f, (input, weight, factor)
            )
            return output

        self.double = double

    def goes(self, *args: Any, **kwargs: Any) -> bool:
        """Call it; return whether it went all of its way."""
        before = self.gone
        self.double(*args, **kwargs)
        return self.gone > before


X = torch.arange(6.0).view(2, 3)


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x.double(),
        lambda x: x[:1],
        lambda x: x.T.contiguous().T,
        lambda x: x.clone().requires_grad_(),
        lambda x: x.to("meta"),
    ],
)
def test_only_tensors_alike_in_all_but_values_are_recalled(
    other: Callable[[Tensor], Tensor],
) -> None:
    counted = Doubling()
    assert counted.goes(X)
    assert not counted.goes(X + 1)
    assert counted.goes(other(X))
    assert not counted.goes(other(X + 1))


def test_arguments_and_grad_mode_count() -> None:
    counted = Doubling()
    assert counted.goes(X)
    assert counted.goes(X, factor=3)
    assert counted.goes(X, None, 3)
    for _ in range(2):
        assert counted.goes(X, None, 3.0)  # no number of a kernel
    assert not counted.goes(X, factor=3)
    with torch.no_grad():
        assert counted.goes(X)
    assert not counted.goes(X)


def test_what_equals_a_number_is_still_refused() -> None:
    counted = Doubling()
    counted.double(X, None, 1)
    with pytest.raises(TypeError, match="factor must be a number"):
        counted.double(X, None, True)
    F.conv(torch.ones(1, 2, 5), torch.ones(2, 2, 3), stride=(1,))
    with pytest.raises(TypeError, match="stride"):
        F.conv(torch.ones(1, 2, 5), torch.ones(2, 2, 3), stride=(True,))


def test_one_tensor_given_twice_is_not_taken_for_two() -> None:
    counted = Doubling()
    assert torch.equal(counted.double(X, X), X * 4)
    assert torch.equal(counted.double(X, X + 1), X * 4 + 2)
    assert torch.equal(counted.double(X, X), X * 4)


@pytest.mark.parametrize("groups", [1, 4])
def test_what_was_made_on_the_way_is_made_each_time(groups: int) -> None:
    x, weight = torch.randn(2, 4, 7), torch.randn(4, 4 // groups, 3)
    for _ in range(3):
        flipped = F.conv(x, weight, groups=groups, flip=True)
        assert torch.equal(flipped, F.conv(x, weight.flip(2), groups=groups))


def test_values_are_checked_each_time() -> None:
    x, good = torch.ones(1, 1, 2), torch.tensor([[[0, 3]]])
    for _ in range(2):
        assert F.max_unpool(x, good, 2).tolist() == [[[1, 0, 0, 1]]]
    with pytest.raises(IndexError, match=r"below 4.*got 9"):
        F.max_unpool(x, good * 3, 2)


@pytest.mark.parametrize("groups", [1, 4])
def test_special_calls_go_their_own_way(groups: int) -> None:
    x, weight = torch.randn(2, 4, 7), torch.randn(4, 4 // groups, 3)

    def conv(x: Tensor) -> Tensor:
        return F.conv(x, weight, padding=1, groups=groups)

    wanted = conv(x)
    assert torch.equal(conv(x), wanted)
    torch.testing.assert_close(torch.vmap(conv)(x.unsqueeze(0))[0], wanted)
    torch.testing.assert_close(make_fx(conv)(x)(x), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(conv(forward_ad.make_dual(x, x))).tangent
    torch.testing.assert_close(tangent, wanted)
    assert "taken" in juanji.why(conv, x)


def test_draws_differ() -> None:
    x = torch.ones(1, 1, 64)
    drawn = [F.stochastic_pool(x, 2, return_indices=True)[1] for _ in range(3)]
    assert not torch.equal(drawn[1], drawn[2])
