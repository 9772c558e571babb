"""Random windows and values for the tests of pooling."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch import Tensor

from juanji.ops.pool.arguments import bind_pool

Arguments = dict[str, Any]


@st.composite
def pools(
    draw: st.DrawFn, *, symmetric: bool = False, dilated: bool = True, ceil: bool = True
) -> tuple[Tensor, Arguments]:
    """An input of 1 to 3 axes and a window that fits it.

    With `symmetric`, padding is such that torch takes it: alike on both sides, half a window.
    """
    axes = draw(st.integers(1, 3))
    spread = range(axes)
    size = [draw(st.integers(1, 4 if axes == 3 else 7)) for _ in spread]
    kernel = [draw(st.integers(1, 3 if axes == 3 else 4)) for _ in spread]
    stride = [draw(st.integers(1, 3)) for _ in spread]
    dilation = [draw(st.integers(1, 3)) if dilated else 1 for _ in spread]
    if symmetric:
        padding: Any = [draw(st.integers(0, k // 2)) for k in kernel]
    else:
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        pairs = st.tuples(*(st.tuples(st.integers(0, r), st.integers(0, r)) for r in reach))
        padding = draw(pairs | st.sampled_from(["same", "full", "valid"]))
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding}
    if dilated:
        arguments["dilation"] = dilation
    if ceil:
        arguments["ceil_mode"] = draw(st.booleans())
    x = values(draw(st.integers(0, 2**16)), (2, 3, *size))
    try:
        bind_pool(x, **arguments)
    except ValueError:
        assume(False)
    return x, arguments


def values(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Small whole numbers: many are equal, and their sums are exact."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=generator).double()


def innermost(x: Tensor) -> Tensor:
    """Lay a batched map out with its channels innermost."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def is_innermost(x: Tensor) -> bool:
    """Whether the channels are innermost."""
    return x.movedim(1, -1).is_contiguous()


def same(actual: Any, expected: Any) -> None:
    """Assert bitwise equality of tensors or tuples of them; NaN equals NaN."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)
