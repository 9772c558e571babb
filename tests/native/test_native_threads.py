"""Threads change nothing: neither torch's own inside a call, nor several that call at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji import native_status

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def layouts(*shape: int) -> list[Tensor]:
    """Return leaves with the channels outermost and innermost, and one that is neither."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(shape, generator=generator)
    inner = x.movedim(1, -1).contiguous().movedim(-1, 1)
    return [
        y.detach().requires_grad_()
        for y in (x, inner, x.transpose(0, -1).contiguous().transpose(0, -1))
    ]


def weight(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()


DEPTHWISE, GROUPED = weight(48, 1, 5, 5), weight(48, 4, 3, 3)
LONG, DEEP = weight(48, 1, 31), weight(16, 1, 3, 3, 3)
FOLDED, BIAS = weight(48, 12, 1, 1), weight(48)
CALLS: dict[str, tuple[tuple[int, ...], list[Tensor], Callable[..., Tensor]]] = {
    "depthwise": (
        (3, 48, 48, 50),
        [DEPTHWISE, BIAS],
        lambda x, w, b: F.conv(x, w, b, padding=2, groups=48),
    ),
    "strided": (
        (3, 48, 48, 50),
        [DEPTHWISE],
        lambda x, w: F.conv(x, w, stride=2, dilation=2, groups=48),
    ),
    "grouped": ((3, 48, 40, 42), [GROUPED], lambda x, w: F.conv(x, w, padding=1, groups=12)),
    "transposed": (
        (3, 48, 24, 25),
        [DEPTHWISE],
        lambda x, w: F.conv_transpose(x, w, stride=2, groups=48),
    ),
    "1-D": ((3, 48, 1200), [LONG], lambda x, w: F.conv(x, w, padding=15, groups=48)),
    "3-D": ((2, 16, 12, 20, 22), [DEEP], lambda x, w: F.conv(x, w, padding=1, groups=16)),
    "shuffled": (
        (3, 48, 48, 50),
        [FOLDED, BIAS],
        lambda x, w, b: F.shuffled_group_conv(x, w, b, groups=4),
    ),
    "shuffle": ((3, 48, 48, 50), [], lambda x: F.channel_shuffle(x, 4)),
    "maximum": ((3, 48, 48, 50), [], lambda x: F.max_pool(x, (3, 3), 2, 1)),
    "average": ((3, 48, 48, 50), [], lambda x: F.avg_pool(x, (3, 3), 2, 1)),
    "stochastic": (
        (3, 48, 48, 50),
        [],
        lambda x: F.stochastic_pool(x, (2, 2), generator=torch.Generator().manual_seed(3)),
    ),
    "average unpooling": ((3, 48, 24, 25), [], lambda x: F.avg_unpool(x, (3, 3), 2)),
    "max unpooling": (
        (3, 48, 48, 50),
        [],
        lambda x: F.max_unpool(*F.max_pool(x, (2, 2), return_indices=True), (2, 2)),
    ),
}


def computed(name: str, threads: int) -> list[Tensor]:
    """Return outputs and gradients in every layout."""
    shape, weights, call = CALLS[name]
    torch.set_num_threads(threads)
    results = []
    for x in layouts(*shape):
        y = call(x, *weights)
        cotangent = torch.rand(y.shape, generator=torch.Generator().manual_seed(2))
        results += [y.detach(), *torch.autograd.grad(y, [x, *weights], cotangent)]
    return results


@pytest.mark.parametrize("name", CALLS)
def test_bitwise_the_same_with_one_two_and_eight_threads(name: str) -> None:
    alone = computed(name, 1)
    for threads in (2, 8):
        assert all(a.equal(b) for a, b in zip(alone, computed(name, threads), strict=True)), threads


def test_concurrent_calls_give_what_calls_in_turn_give() -> None:
    names = list(CALLS)
    expected = [computed(name, 2) for name in names]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            for name, one, other in zip(
                names, expected, pool.map(computed, names, [2] * len(names)), strict=True
            ):
                assert all(a.equal(b) for a, b in zip(one, other, strict=True)), name
