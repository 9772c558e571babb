"""Calls that are known again give the same, and all others are declined: ops/native/again.h."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from fuzz import KINDS, Draw, knowing
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from juanji import functional as F
from juanji import native_status
from juanji.ops.pool import native as pool

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")

OPS = torch.ops.juanji
X, W = torch.randn(2, 4, 6, 5), torch.randn(4, 1, 3, 3)
BIAS = torch.randn(4)
NUMBERS = [6, 5, 1, 1, 1, 1, 1, 1], 4  # of a convolution that keeps the size, and its groups


def profiled(call: Callable[[], object]) -> set[str]:
    """Return the names of our operators that a call runs."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    return {event.key for event in profile.key_averages() if event.key.startswith("juanji::")}


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: F.conv(x, w, padding=1, groups=26),
        lambda x, w: F.conv(x, w, x.new_ones(26), padding=1, groups=26),
        lambda x, w: F.conv_transpose(x, w, padding=1, groups=26),
        lambda x, w: F.max_pool(x, (2, 5)),
        lambda x, w: F.avg_pool(x, (2, 5), padding=1, count_include_pad=False),
        lambda x, w: F.avg_unpool(x, (2, 5)),
        lambda x, w: F.channel_shuffle(x, 13),
    ],
)
def test_the_second_call_is_known(call: Callable[[Tensor, Tensor], Tensor]) -> None:
    # Sizes that no other test has: a handle knows some.
    x, weight = torch.randn(2, 26, 32, 34), torch.randn(26, 1, 3, 3)
    first = call(x, weight)
    names = profiled(lambda: call(x, weight))
    assert len(names) == 1
    assert names.pop().startswith("juanji::again_")
    assert call(x, weight).equal(first)
    assert not call(x + 1, weight).equal(first)
    recorded = call(x.requires_grad_(), weight)
    assert recorded.grad_fn is not None
    torch.testing.assert_close(recorded, first)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: F.conv(x, w, padding=1, groups=22),
        lambda x, w: F.conv_transpose(x, w, padding=1, groups=22),
        lambda x, w: F.max_pool(x, (2, 5)),
        lambda x, w: F.avg_pool(x, (2, 5), padding=1),
        lambda x, w: F.avg_unpool(x, (2, 5)),
    ],
)
def test_the_second_gradient_is_known(call: Callable[[Tensor, Tensor], Tensor]) -> None:
    x = torch.randn(2, 22, 32, 34, requires_grad=True)
    weight = torch.randn(22, 1, 3, 3, requires_grad=True)
    output = call(x, weight)
    seed = torch.randn_like(output).requires_grad_()

    def gradients(**options: bool) -> list[Tensor]:
        found = torch.autograd.grad(
            output, (x, weight), seed, retain_graph=True, allow_unused=True, **options
        )
        return [gradient for gradient in found if gradient is not None]

    first = gradients()
    names = profiled(gradients)
    assert names
    assert all(name.startswith("juanji::again_") for name in names)
    torch.testing.assert_close(gradients(), first, rtol=0, atol=0)
    # derivatives of the gradient are recorded as well
    assert all(gradient.requires_grad for gradient in gradients(create_graph=True))


def test_what_is_known_is_not_used_where_calls_are_watched() -> None:
    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.add(str(function))
            return function(*args, **(kwargs or {}))

    seen: set[str] = set()
    x = X.clone().requires_grad_()
    output = F.conv(x, W, padding=1, groups=4)
    (first,) = torch.autograd.grad(output, x, X, retain_graph=True)
    with Watch():
        (watched,) = torch.autograd.grad(output, x, X, retain_graph=True)
    assert "juanji.conv_input_gradient.default" in seen
    assert not any("again" in name for name in seen)
    assert watched.equal(first)


def test_batches_of_gradients_are_those_of_each() -> None:
    x = X.clone().requires_grad_()
    output = F.avg_pool(x, 2)
    seeds = torch.randn(3, *output.shape)
    each = [torch.autograd.grad(output, x, seed, retain_graph=True)[0] for seed in seeds]
    (batch,) = torch.autograd.grad(output, x, seeds, is_grads_batched=True)
    assert batch.equal(torch.stack(each))


def test_a_maximum_with_a_gradient_goes_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 22, 32, 34, requires_grad=True)
    first = F.max_pool(x, (2, 5))
    monkeypatch.setattr(pool, "_numbers", None)
    second = F.max_pool(x, (2, 5))
    assert second.grad_fn is not None
    assert second.equal(first)


@pytest.mark.parametrize("number", range(60))
def test_what_the_fuzz_calls_is_known(number: int) -> None:
    draw = Draw(number)
    draw.dtype = torch.float64
    for name, arguments, _ in KINDS[number % len(KINDS)](draw):
        if (again := knowing(name, arguments)) is None:
            continue
        tensors = [x for x in arguments if isinstance(x, Tensor)]
        assert again(*tensors).equal(getattr(OPS, name)(*arguments))
        wider = [torch.cat((x, x), -1) if x.ndim else x for x in tensors]
        assert again(*wider) is None


@pytest.mark.parametrize(
    "tensors",
    [
        (X[:1], W),
        (X[..., :4], W),
        (X.mT.contiguous().mT, W),
        (X.double(), W.double()),
        (X, W.double()),
        (X, W[:, :, :2]),
        (X, W, BIAS),
        (X,),
        (X, None, BIAS),
        (X.unsqueeze(2), W.unsqueeze(2)),
    ],
)
def test_tensors_that_lie_otherwise_are_declined(tensors: tuple[Any, ...]) -> None:
    handle = OPS.remember_conv(X, W, None, *NUMBERS, -1)
    assert OPS.again_conv(handle, X + 1, W).equal(OPS.conv(X + 1, W, None, *NUMBERS))
    assert OPS.again_conv(handle, *tensors) is None


@pytest.mark.parametrize(
    "tensors",
    [
        (X.to("meta"), W),
        (X.to_sparse(), W),
        (X.to_mkldnn(), W),
        (X, W.to("meta")),
        (X, W.to_sparse()),
        (X, W.to_mkldnn()),
    ],
)
def test_tensors_of_another_kind_are_refused(tensors: tuple[Tensor, ...]) -> None:
    handle = OPS.remember_conv(X, W, None, *NUMBERS, -1)
    with pytest.raises(NotImplementedError):
        OPS.again_conv(handle, *tensors)
    with pytest.raises(NotImplementedError):
        OPS.remember_conv(*tensors, None, *NUMBERS, handle)


def test_handles_are_no_addresses() -> None:
    for handle in (-1, -(2**63), 2**31, 2**63 - 1):
        assert OPS.again_conv(handle, X, W) is None
    first = OPS.remember_conv(X, W, None, *NUMBERS, 2**62)
    assert OPS.again_conv(first, X, W) is not None


def test_a_handle_knows_some_layouts() -> None:
    handle, images = -1, [torch.randn(1, 4, size, 5) for size in range(3, 103)]
    numbers = [([x.shape[2], *NUMBERS[0][1:]], 4) for x in images]
    for x, told in zip(images, numbers, strict=True):
        handle = OPS.remember_conv(x, W, BIAS, *told, handle)
    known = [OPS.again_conv(handle, x, W, BIAS) for x in images]
    assert [y is not None for y in known] == [True] * 64 + [False] * 36
    for y, x, told in zip(known[:64], images, numbers, strict=False):
        assert y.equal(OPS.conv(x, W, BIAS, *told))


def test_what_is_wrong_is_told_each_time() -> None:
    x = torch.ones(1, 2, 4)
    indices = torch.tensor([[[0, 1, 2, 3], [0, 1, 2, 3]]])
    handle = OPS.remember_max_unpool(x, indices, [8], -1)
    assert OPS.again_max_unpool(handle, x, indices).equal(OPS.max_unpool(x, indices, [8]))
    with pytest.raises(RuntimeError, match="indices must be"):
        OPS.again_max_unpool(handle, x, indices + 8)


def test_negated_views_are_read_as_they_are() -> None:
    z = torch.randn(2, 4, 6, 5, dtype=torch.complex64)
    for _ in range(3):
        negated = z.conj().imag
        assert negated.is_neg()
        wanted = F.conv(negated.resolve_neg(), W, padding=1, groups=4)
        torch.testing.assert_close(F.conv(negated, W, padding=1, groups=4), wanted)


def test_threads_may_share_what_is_known() -> None:
    def work(seed: int) -> bool:
        x = torch.randn(1, 4, 3 + seed % 5, 8, generator=torch.Generator().manual_seed(seed))
        wanted = OPS.conv(x, W, None, [*x.shape[2:], *NUMBERS[0][2:]], 4)
        return all(F.conv(x, W, padding=1, groups=4).equal(wanted) for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))
