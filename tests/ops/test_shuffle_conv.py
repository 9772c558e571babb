"""Convolution between shuffles: the folded kernels against the definition, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from test_shuffle import LAYOUTS, needs_kernels, numbers
from torch import Tensor

from juanji import functional as F
from juanji.bind import bind
from juanji.ops.conv import conv_spec
from juanji.ops.dispatch import why
from juanji.ops.pointwise import reference
from juanji.ops.shuffle import op

# channels in and out, groups, shuffled before and after: remainders of every tile
CHANNELS = [
    (6, 6, 2, 1, 2),
    (12, 20, 4, 1, 4),
    (35, 21, 7, 5, 3),
    (64, 64, 2, 1, 2),
    (27, 99, 3, 9, 11),
    (40, 8, 8, 4, 2),
    (16, 132, 4, 1, 66),
    (150, 46, 2, 2, 23),  # gradients are packed
    (1300, 14, 2, 1, 7),  # fewer positions at once
]
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def between(
    x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, before: int, after: int
) -> Tensor:
    bound = bind(conv_spec(weight, bias, 1, 0, 1, groups), x.shape[2 - x.ndim :])
    return op.convolve(x, weight, bias, bound, before, after)


def one_after_the_other(
    x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, before: int, after: int
) -> Tensor:
    """Compose with torch alone, in float64."""
    convolve: Any = (torch.conv1d, torch.conv2d, torch.conv3d)[x.ndim - 3]

    def shuffle(x: Tensor, groups: int) -> Tensor:
        return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)

    x, weight = shuffle(x.double(), before), weight.double()
    bias = None if bias is None else bias.double()
    return shuffle(convolve(x, weight, bias, groups=groups), after)


def operands(
    channels: tuple[int, ...], size: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    inputs, outputs, groups = channels[:3]
    ones = (1,) * len(size)
    weight = numbers(outputs, inputs // groups, *ones, dtype=dtype)
    return numbers(2, inputs, *size, dtype=dtype), weight, numbers(outputs, dtype=dtype)


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("size", [(67,), (1, 1), (3, 2), (7, 9), (3, 4, 5)], ids=str)
def test_integers_exactly(make: Callable[[Tensor], Tensor], size: tuple[int, ...]) -> None:
    for channels in CHANNELS:
        x, weight, bias = operands(channels, size)
        x = make(x)
        for added in (bias, None):
            found = between(x, weight, added, *channels[2:])
            assert found.equal(reference.pointwise_conv(x, weight, added, *channels[2:])), channels


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_and_its_gradients(
    make: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    for channels in CHANNELS:
        x, weight, bias = operands(channels, (7, 5), dtype)
        leaves = [make(x).requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]
        found = between(*leaves, *channels[2:])
        expected = one_after_the_other(*leaves, *channels[2:])
        assert found.equal(expected.to(dtype))
        for cotangent in (make(numbers(*found.shape, dtype=dtype)), torch.ones((), dtype=dtype)):
            given = cotangent.expand(found.shape)
            ours = torch.autograd.grad(found, leaves, given, retain_graph=True)
            theirs = torch.autograd.grad(expected, leaves, given.double(), retain_graph=True)
            for one, other in zip(ours, theirs, strict=True):
                assert one.equal(other.to(dtype)), channels


def test_many_positions_have_their_parts_summed() -> None:
    for make in (LAYOUTS["contiguous"], LAYOUTS["channels last"]):
        x, weight = make(numbers(3, 8, 61, 59)), numbers(8, 4, 1, 1).requires_grad_()
        cotangent = make(numbers(3, 8, 61, 59))
        found = torch.autograd.grad(between(x, weight, None, 2, 1, 2), weight, cotangent)
        expected = torch.autograd.grad(
            one_after_the_other(x, weight, None, 2, 1, 2), weight, cotangent.double()
        )
        assert found[0].equal(expected[0].float())


@pytest.mark.parametrize("make", [LAYOUTS["contiguous"], LAYOUTS["channels last"]])
@pytest.mark.parametrize("size", [(3,), (2, 3)], ids=len)
def test_differentiates_twice(make: Callable[[Tensor], Tensor], size: tuple[int, ...]) -> None:
    x, weight, bias = operands((6, 9, 3), size, torch.float64)
    leaves = (make(x).requires_grad_(), weight.requires_grad_(), bias.requires_grad_())

    def call(*leaves: Tensor) -> Tensor:
        return between(*leaves, groups=3, before=2, after=9 // 3)

    assert torch.autograd.gradcheck(call, leaves)
    assert torch.autograd.gradgradcheck(call, leaves)


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": "same"}, {"stride": 2}, {"padding": 1}, {"padding": ((1, 0),), "stride": 3}],
    ids=str,
)
@pytest.mark.parametrize("batch", [(), (0,), (2,)], ids=str)
def test_shuffled_convolutions_of_one_tap(options: dict[str, Any], batch: tuple[int, ...]) -> None:
    x, weight, bias = numbers(*batch, 6, 8), numbers(10, 3, 1), numbers(10)
    found = F.shuffled_group_conv(x, weight, bias, groups=2, **options)
    convolved = F.conv(x, weight, bias, groups=2, **options)
    assert found.equal(convolved.unflatten(-2, (2, 5)).transpose(-3, -2).flatten(-3, -2))


@needs_kernels
@pytest.mark.parametrize(
    ("size", "options", "reason"),
    [
        (1, {"groups": 2}, None),
        (3, {"groups": 2}, "the kernel is 3 x 3 (it takes one tap)"),
        (1, {"groups": 2, "stride": 2}, "there is a stride or a padding"),
        (1, {"groups": 2, "padding": 1}, "there is a stride or a padding"),
        (1, {"groups": 1}, "there is one group"),
    ],
)
def test_which_kernel_and_why(size: int, options: dict[str, Any], reason: str | None) -> None:
    weight = torch.zeros(4, 4 // options["groups"], size, size)
    told = why(F.shuffled_group_conv, torch.zeros(1, 4, 5, 5), weight, **options)
    wanted = "native: taken" if reason is None else f"native: declined, {reason}"
    assert f"shuffled_conv\n  {wanted}" in told
    assert ("conv\n" in told.removeprefix("shuffled_conv\n")) == (reason is not None)


@needs_kernels
def test_both_shuffles_of_an_interleaved_convolution_are_folded() -> None:
    told = why(
        F.interleaved_group_conv, torch.zeros(1, 6, 5), torch.zeros(6, 3, 3), torch.zeros(6, 2, 1),
        primary_groups=2, secondary_groups=3,
    )  # fmt: skip
    assert "shuffled_conv\n  native: taken" in told
    assert "channel_shuffle" not in told


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@needs_kernels
@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_threads_change_no_bit(
    make: Callable[[Tensor], Tensor], threads: Callable[[int], None]
) -> None:
    torch.manual_seed(0)
    x, weight = make(torch.randn(2, 24, 61, 31)), torch.randn(24, 6, 1, 1, requires_grad=True)
    bias, cotangent = torch.randn(24, requires_grad=True), make(torch.randn(2, 24, 61, 31))
    leaves = (x.requires_grad_(), weight, bias)

    def run(count: int) -> list[Tensor]:
        threads(count)
        y = between(*leaves, 4, 3, 4)
        return [y, *torch.autograd.grad(y, leaves, cotangent)]

    one = run(1)
    for count in (2, 8):
        assert all(a.equal(b) for a, b in zip(one, run(count), strict=True))


@needs_kernels
def test_calls_from_several_threads_at_once() -> None:
    x, weight, bias = operands((24, 24, 4), (9, 11))
    expected = reference.pointwise_conv(x, weight, bias, 4, 1, 4)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: between(x, weight, bias, 4, 1, 4), range(40)))
    assert all(y.equal(expected) for y in found)


@needs_kernels
@pytest.mark.parametrize("make", [LAYOUTS["contiguous"], LAYOUTS["channels last"]])
@pytest.mark.parametrize("transposed", [False, True])
def test_opcheck(make: Callable[[Tensor], Tensor], transposed: bool) -> None:
    operator = torch.ops.juanji.pointwise_conv.default
    x, weight = make(torch.randn(2, 6, 3, 2)), torch.randn(6, 3, 1, 1)
    leaves = (x.requires_grad_(), weight.requires_grad_(), torch.randn(6, requires_grad=True))
    torch.library.opcheck(operator, (*leaves, 2, 3, 2, transposed, not transposed))


@needs_kernels
def test_opcheck_of_the_weights_gradient() -> None:
    leaves = [torch.randn(2, channels, 3, 2, requires_grad=True) for channels in (4, 6)]
    operator = torch.ops.juanji.pointwise_conv_weight_gradient.default
    torch.library.opcheck(operator, (*leaves, 2, 3, 2))


@needs_kernels
@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        ((1, 6, 3), (4, 3, 1), (2, 1, 3), "after must be at least 1 and divide"),
        ((1, 6, 3), (4, 3, 1), (2, 4, 2), "before must be at least 1 and divide"),
        ((1, 6, 3), (4, 3, 1), (0, 1, 1), "groups must be at least 1 and divide"),
        ((1, 6, 3), (4, 2, 1), (2, 1, 2), "weight does not fit 6 input channels in 2 groups"),
        ((1, 6, 3), (4, 3, 3), (2, 1, 2), "weight must have one tap"),
        ((1, 6, 3), (4, 3, 1, 1), (2, 1, 2), "input must have 4 dimensions"),
        ((6, 3), (4, 3), (2, 1, 2), "input must have at least 3 dimensions"),
    ],
)
def test_the_operator_checks_its_arguments(
    x: tuple[int, ...], weight: tuple[int, ...], options: tuple[int, ...], message: str
) -> None:
    tensors = torch.zeros(x), torch.zeros(weight)
    with pytest.raises(RuntimeError, match=message):
        torch.ops.juanji.pointwise_conv(*tensors, None, *options, False, False)
    with pytest.raises(RuntimeError, match="input must have the other dtype"):
        torch.ops.juanji.pointwise_conv(
            torch.zeros(1, 6, 3), torch.zeros(4, 3, 1).double(), None, 2, 1, 2, False, False
        )


@pytest.mark.parametrize("make", [LAYOUTS["contiguous"], LAYOUTS["channels last"]])
def test_compiled_and_exported(make: Callable[[Tensor], Tensor]) -> None:
    torch._dynamo.reset()
    x, weight, bias = operands((6, 4, 2), (3, 2))
    leaves = (make(x).requires_grad_(), weight.requires_grad_(), bias.requires_grad_())

    class Module(torch.nn.Module):
        def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return F.shuffled_group_conv(x, weight, bias, groups=2)

    eager = Module()(*leaves)
    found = torch.compile(Module(), fullgraph=True, backend="aot_eager")(*leaves)
    assert found.equal(eager)
    assert found.stride() == eager.stride()
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), leaves),
        torch.autograd.grad(eager.square().sum(), leaves),
        strict=True,
    ):
        assert one.equal(other)
    assert torch.export.export(Module(), leaves).module()(*leaves).equal(eager)
