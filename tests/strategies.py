"""Random convolutions for the laws, and the tensors to try them on."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from juanji.bind import Bound, bind, extent
from juanji.spec import Conv, Window, windows


@st.composite
def bounds(draw: st.DrawFn, *, transposed: bool = False, dimensions: int = 3) -> Bound:
    """Convolutions of 1 to `dimensions` axes with every argument, bound to a size that fits."""
    axes = draw(st.integers(1, dimensions))
    small = axes == 3
    kernel = [draw(st.integers(1, 3 if small else 4)) for _ in range(axes)]
    stride = [draw(st.integers(1, 2 if small else 3)) for _ in range(axes)]
    dilation = [draw(st.integers(1, 2)) for _ in range(axes)]
    pad = st.integers(0, 2)
    numbers = st.tuples(*(st.tuples(pad, pad) for _ in range(axes)))
    modes = st.sampled_from(["valid", "same", "full"])
    padding: Any = draw(numbers if transposed else numbers | modes)
    shape = windows(kernel, stride, padding, dilation)
    groups = draw(st.integers(1, 3))
    spec = Conv(
        shape,
        in_channels=groups * draw(st.integers(1, 2)),
        out_channels=groups * draw(st.integers(1, 2)),
        groups=groups,
        flip=False if transposed else draw(st.booleans()),
        transposed=transposed,
        output_padding=tuple(draw(st.integers(0, max(w.stride, w.dilation) - 1)) for w in shape)
        if transposed
        else (),
    )
    smallest = [_smallest(window, transposed) for window in shape]
    return bind(spec, [n + draw(st.integers(0, 2 if small else 4)) for n in smallest])


def _smallest(window: Window, transposed: bool) -> int:
    """Return the smallest size that the window fits into."""
    if transposed:
        return 1 + max(0, -(-(sum(map(int, window.padding)) + 1 - extent(window)) // window.stride))
    if window.padding in ("same", "full"):
        return 1
    pads = 0 if window.padding == "valid" else sum(map(int, window.padding))
    return max(1, extent(window) - pads)


def arguments(bound: Bound) -> dict[str, Any]:
    """Return what `conv`, or `conv_transpose`, is called with for this specification."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    padding: Any = [window.padding for window in spec.windows]
    if isinstance(padding[0], str):
        padding = padding[0]
    result = {
        "stride": [window.stride for window in spec.windows],
        "padding": padding,
        "dilation": [window.dilation for window in spec.windows],
        "groups": spec.groups,
    }
    if spec.transposed:
        return result | {"output_padding": spec.output_padding}
    return result | {"flip": spec.flip}


def tensors(bound: Bound, *, batch: int = 2, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Return input, weight and bias of small whole numbers, on which sums are exact."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    first, second = spec.out_channels, spec.in_channels
    if spec.transposed:
        first, second = second, first
    shapes = (
        (batch, spec.in_channels, *bound.input_size),
        (first, second // spec.groups, *(window.kernel for window in spec.windows)),
        (spec.out_channels,),
    )
    generator = torch.Generator().manual_seed(sum(sum(shape) for shape in shapes))
    return [torch.randint(-4, 5, shape, generator=generator).to(dtype) for shape in shapes]
