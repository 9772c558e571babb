"""Scenes of convolution and its transpose."""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

from ..bind import Bound
from ..spec import Conv
from . import facts
from .scene import CELLS, STEPS, TAPS, Scene, at_most
from .stages import (
    Numbers,
    bias_grid,
    gathered,
    input_grid,
    output_grid,
    rest_grid,
    scattered,
    sparse,
    weight_grid,
)  # fmt: skip
from .windows import channels_per_group

How: TypeAlias = Literal["gather", "scatter"]


def scene(
    bound: Bound,
    input: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    *,
    rest: Numbers | None = None,
    how: How = "gather",
    title: str | None = None,
) -> Scene:
    """Return the scene of a convolution, or of a transposed one.

    Shapes, flat in C order: input (C_in, *input_size); weight as in torch; bias (C_out,);
    rest (C_out, *output_size): what channels that are not shown add to each output.
    Numbers that are not given are made up, small and always the same.

    With how="gather" a step computes one output cell, of a transposed convolution from its
    zero-stuffed input; with "scatter" (transposed only) it spreads one input cell.

    Raises:
        ValueError: how does not fit, sizes do not fit, or there is too much to draw.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> small = scene(bind(Conv(windows((2,)), 1, 1), (3,)), [1, 2, 3], [1, 10])
    >>> [step.arithmetic for step in small.steps]
    ['1*1 + 2*10 = 21', '2*1 + 3*10 = 32']
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    if how not in ("gather", "scatter"):
        raise ValueError(f'how must be "gather" or "scatter", got {how!r}')
    if how == "scatter" and not spec.transposed:
        raise ValueError('how must be "gather" unless the convolution is transposed, got "scatter"')
    bounded(bound)
    source = input_grid(bound, input, stuffed=spec.transposed and how == "gather")
    kernels = weight_grid(bound, weight, column=1)
    added = bias_grid(bias, column=1, row=1) if bias is not None else None
    others = rest_grid(bound, rest, column=2, row=0) if rest is not None else None
    if how == "gather":
        steps = gathered(bound, source, kernels, "output", bias=added, rest=others)
    else:
        steps = scattered(bound, source, kernels, "output", bias=added, rest=others)
    target = output_grid(bound, steps, column=3 if others else 2, cut=how == "scatter")
    matrix = sparse("C^T" if spec.transposed else "C", steps, source, target)
    return Scene(
        operator="conv-transpose" if spec.transposed else "conv",
        title=title if title is not None else facts.describe(bound),
        facts=(*facts.of_conv(bound, bias=bias is not None), facts.of_matrix(source, target)),
        grids=tuple(grid for grid in (source, kernels, added, target, others) if grid),
        steps=steps,
        matrix=matrix,
    )


def bounded(bound: Bound) -> None:
    """Refuse a convolution with too much to draw, before any of it is made.

    Raises:
        ValueError: there are more cells, steps or taps than a picture shows.
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    kernel = prod(axis.kernel for axis in bound.axes)
    into = spec.in_channels * prod(bound.input_size)
    out = spec.out_channels * prod(bound.output_size)
    weights = spec.out_channels * channels_per_group(spec)[0] * kernel
    at_most("cells", into + out + weights, CELLS)
    at_most("steps", out, STEPS)
    at_most("taps", out * channels_per_group(spec)[0] * kernel, TAPS)
