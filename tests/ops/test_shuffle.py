"""Channel shuffle against its definition: sizes, groups, layouts, dtypes, gradients, graphs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji.ops import layout
from juanji.ops.dispatch import why
from juanji.ops.native import native_status
from juanji.ops.shuffle import reference

needs_kernels = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x.contiguous(),
    "channels last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "batch innermost": lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
    "every second cell": lambda x: torch.stack([x, x], -1).flatten(-2)[..., ::2],
    "some channels of more": lambda x: LAYOUTS["channels last"](torch.cat([x, x], 1))[
        :, : x.shape[1]
    ],
    "expanded": lambda x: x[:1].expand(x.shape),
}
DTYPES = (
    torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.bool,
    torch.int64, torch.complex64, torch.complex128,
)  # fmt: skip


def divisors(channels: int) -> list[int]:
    return [groups for groups in range(1, channels + 1) if channels % groups == 0]


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randint(-4, 5, shape).to(dtype)


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("size", [(), (5,), (3, 5), (2, 1, 3), (2, 1, 2, 3)], ids=len)
def test_every_layout_and_dimension(
    make: Callable[[Tensor], Tensor], size: tuple[int, ...]
) -> None:
    for channels in (1, 2, 7, 12, 35, 48, 130):
        x = make(numbers(2, channels, *size))
        for groups in divisors(channels):
            shuffled = F.channel_shuffle(x, groups)
            assert shuffled.equal(reference.channel_shuffle(x, groups)), (channels, groups)
            if channels > 1:
                innermost = layout.channels_innermost(x, len(size))
                assert shuffled.stride() == layout.empty(x, x.shape, innermost).stride()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_every_dtype(make: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
    for channels in (12, 54, 64, 112, 240):
        x = make(numbers(1, channels, 3, 2, dtype=dtype))
        for groups in divisors(channels):
            assert F.channel_shuffle(x, groups).equal(reference.channel_shuffle(x, groups))


def test_planes_larger_than_what_a_thread_copies_at_once() -> None:
    x = torch.randn(2, 6, 200, 333)
    assert F.channel_shuffle(x, 3).equal(reference.channel_shuffle(x, 3))


def test_a_conjugate_view() -> None:
    x = torch.randn(2, 6, 4, dtype=torch.complex64).conj()
    assert F.channel_shuffle(x, 2).equal(reference.channel_shuffle(x.resolve_conj(), 2))


@pytest.mark.parametrize("shape", [(0, 6, 3), (2, 0, 3), (2, 6, 0), (0, 6)])
def test_nothing_to_shuffle(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    shuffled = F.channel_shuffle(x, 3)
    shuffled.sum().backward()
    assert shuffled.shape == shape
    assert x.grad is not None
    assert x.grad.shape == shape


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_the_gradient_is_the_shuffle_back(make: Callable[[Tensor], Tensor]) -> None:
    x = make(numbers(2, 30, 3, 2)).requires_grad_()
    cotangent = numbers(2, 30, 3, 2)
    (gradient,) = torch.autograd.grad(F.channel_shuffle(x, 6), x, cotangent)
    assert gradient.equal(reference.channel_shuffle(cotangent, 5))
    assert (F.channel_shuffle(cotangent, 6) * x).sum() == (
        cotangent * F.channel_shuffle(x, 5)
    ).sum()


def test_vectorized_and_differentiated_forward() -> None:
    x, tangent = numbers(3, 2, 6, 4), numbers(3, 2, 6, 4)
    expected = torch.stack([F.channel_shuffle(part, 3) for part in x])
    assert torch.vmap(lambda part: F.channel_shuffle(part, 3))(x).equal(expected)
    _, moved = torch.func.jvp(lambda part: F.channel_shuffle(part, 3), (x[0],), (tangent[0],))
    assert moved.equal(F.channel_shuffle(tangent[0], 3))


@needs_kernels
def test_which_kernel_and_why() -> None:
    x = torch.zeros(1, 6, 3).mT.contiguous().mT
    for laid in (x, x.contiguous()):
        assert why(F.channel_shuffle, laid, 3) == "channel_shuffle\n  native: taken"
    traced = x.contiguous().requires_grad_()
    assert "torch copies contiguous channels" in why(F.channel_shuffle, traced, 3)
    told = why(F.channel_shuffle, x.to("meta"), 3)
    assert "native: declined, the tensor is torch.strided on meta" in told
    assert why(torch.vmap(lambda x: F.channel_shuffle(x, 3)), x[None]).endswith("torch: taken")


@needs_kernels
@pytest.mark.parametrize("groups", [0, -3, 4, 1 << 62])
def test_the_operator_checks_its_groups(groups: int) -> None:
    with pytest.raises(RuntimeError, match=f"divide the channels, got {groups} for 6 channels"):
        torch.ops.juanji.channel_shuffle(torch.zeros(1, 6, 3), groups)
    with pytest.raises(RuntimeError, match="input must have at least 2 dimensions, got 1"):
        torch.ops.juanji.channel_shuffle(torch.zeros(6), groups)


@needs_kernels
@pytest.mark.parametrize("make", [LAYOUTS["contiguous"], LAYOUTS["channels last"]])
def test_opcheck(make: Callable[[Tensor], Tensor]) -> None:
    x = make(torch.randn(2, 6, 3, 2)).requires_grad_()
    torch.library.opcheck(torch.ops.juanji.channel_shuffle.default, (x, 3))


@pytest.mark.parametrize("make", [LAYOUTS["contiguous"], LAYOUTS["channels last"]])
def test_compiled_and_exported(make: Callable[[Tensor], Tensor]) -> None:
    torch._dynamo.reset()
    x = make(numbers(2, 6, 3, 2))
    graph = torch.compile(
        lambda x: F.channel_shuffle(x, 3) + 1, fullgraph=True, backend="aot_eager"
    )
    assert graph(x).equal(F.channel_shuffle(x, 3) + 1)

    class Module(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.channel_shuffle(x, 3)

    program = torch.export.export(Module(), (x,))
    assert program.module()(x).equal(F.channel_shuffle(x, 3))
