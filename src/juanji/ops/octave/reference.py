"""The definition of octave convolution, path by path and axis by axis, to be checked by eye.

Functions have the names and arguments of the public ones; input is batched.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import torch
from torch import Tensor

from ...bind import Axis, bind
from ...spec import Padding, Size
from ..conv import conv_spec
from ..conv import reference as conv_reference
from .alpha import Alpha, low_channels


def down(x: Tensor, dimension: int, side: int = 2) -> Tensor:
    """Average the cells that exist in every block of `side` cells."""
    n = x.shape[dimension]
    blocks = [
        x.narrow(dimension, start, min(side, n - start)).mean(dimension)
        for start in range(0, n, side)
    ]
    return torch.stack(blocks, dimension)


def up(x: Tensor, dimension: int, size: int) -> Tensor:
    """Repeat every cell twice, cropped to `size`."""
    return x.repeat_interleave(2, dimension).narrow(dimension, 0, size)


def octave_split(x: Tensor, alpha: Alpha) -> tuple[Tensor | None, Tensor | None]:
    """Average the last channels over blocks of two cells per axis."""
    low = low_channels(alpha, x.shape[1])
    high = x.shape[1] - low
    x_low = x[:, high:]
    for dimension in range(2, x.ndim):
        x_low = down(x_low, dimension)
    return x[:, :high] if high else None, x_low if low else None


def octave_merge(high: Tensor | None, low: Tensor | None = None) -> Tensor:
    """Repeat the low cells to the size of high, and concatenate."""
    halves = [] if high is None else [high]
    if low is not None:
        for dimension in range(2, low.ndim):
            size = 2 * low.shape[dimension] if high is None else high.shape[dimension]
            low = up(low, dimension, size)
        halves.append(low)
    return torch.cat(halves, dim=1)


def frequency_split(image: Tensor) -> tuple[Tensor, Tensor]:
    """The low part is the average of each block, the high part what it leaves."""
    low = image
    for dimension in range(2, image.ndim):
        low = up(down(low, dimension), dimension, image.shape[dimension])
    return image - low, low


@dataclass(frozen=True)
class Step:
    """Along one axis: prepare the input, convolve with `stride`, repeat the output `after` times.

    The input is repeated (to full size), then averaged over blocks of each of `shrink`.
    """

    repeat: bool = False
    shrink: tuple[int, ...] = ()
    stride: int = 1
    after: int = 1


def step(source: str, target: str, stride: int, pooled: bool) -> Step:
    """The paper's four paths. Pooled: average first, convolve at stride 1; else stride."""
    taken: dict[str, Any] = {"shrink": (stride,)} if pooled else {"stride": stride}
    match source, target:
        case ("high", "high") | ("low", "low"):
            return Step(**taken)
        case "high", "low":
            return Step(shrink=(stride, 2)) if pooled else Step(shrink=(2,), stride=stride)
    if stride == 1:
        return Step(after=2)
    if stride % 2:
        return Step(repeat=True, **taken)
    return Step(shrink=(stride // 2,)) if pooled else Step(stride=stride // 2)


def path(
    x: Tensor, weight: Tensor, source: str, target: str, axes: tuple[Axis, ...], groups: int,
    pooled: bool,
) -> Tensor:  # fmt: skip
    """Convolve one half to one half; `axes` are those of the ordinary convolution."""
    steps = [step(source, target, axis.stride, pooled) for axis in axes]
    paddings, outputs = [], []
    for dimension, (axis, one) in enumerate(zip(axes, steps, strict=True), start=2):
        side = 2 if source == "low" else 1  # of a cell, in cells of the full-size input
        if one.repeat:
            x, side = up(x, dimension, axis.fine), 1
        for factor in one.shrink:
            x, side = down(x, dimension, factor), side * factor
        # An output stands for one output of the ordinary convolution, or for two. Where, in full
        # cells, is the middle of what they see, if it is the first? And where in cells of the grid?
        stands_for = 2 if target == "low" or one.after == 2 else 1
        reach = axis.dilation * (axis.kernel - 1)
        seen = Fraction(stands_for - 1, 2) * axis.stride - axis.pad_low + Fraction(reach + 1, 2)
        middle = Fraction(reach + 1, 2) - seen / side
        low = max(0, ceil(middle - Fraction(1, 2)))  # to the nearest cell
        count = -(-axis.coarse // stands_for)
        high = (count - 1) * one.stride + reach + 1 - low - x.shape[dimension]
        paddings.append((low, max(0, high)))
        outputs.append(count)
    y = conv_reference.conv(
        x, weight, None, [one.stride for one in steps], paddings,
        [axis.dilation for axis in axes], groups,
    )  # fmt: skip
    for dimension, (axis, one) in enumerate(zip(axes, steps, strict=True), start=2):
        y = y.narrow(dimension, 0, outputs[dimension - 2])
        if one.after == 2:
            y = up(y, dimension, axis.coarse)
    return y


def octave_conv(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    alpha_in: Alpha,
    alpha_out: Alpha,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    downsample: str = "pool",
    size: tuple[int, ...] | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Y_H = f(X_H) + up(f(X_L)) and Y_L = f(X_L) + f(down(X_H)), biases added once.

    Without low channels at either end, it is the ordinary convolution.
    """
    spec = conv_spec(weight, bias, stride, padding, dilation, groups)
    if high is not None and low is None and not low_channels(alpha_out, spec.out_channels):
        y = conv_reference.conv(high, weight, bias, stride, padding, dilation, groups)
        return y, None
    if high is not None:
        size = tuple(high.shape[2:])
    elif low is not None and size is None:
        size = tuple(2 * n for n in low.shape[2:])
    assert size is not None
    axes = bind(spec, size).axes
    high_out = spec.out_channels - low_channels(alpha_out, spec.out_channels)
    high_in = spec.in_channels - low_channels(alpha_in, spec.in_channels)
    depthwise = spec.groups == spec.in_channels > 1
    rows = {"high": slice(None, high_out), "low": slice(high_out, None)}
    columns = {"high": slice(None, high_in // groups), "low": slice(high_in // groups, None)}
    results: dict[str, Tensor | None] = {}
    for target, channels in (("high", high_out), ("low", spec.out_channels - high_out)):
        terms = []
        for source, x in (("high", high), ("low", low)):
            if x is None or (depthwise and source != target):
                continue
            w = weight[rows[target]] if depthwise else weight[rows[target], columns[source]]
            own_groups = x.shape[1] if depthwise else groups
            terms.append(path(x, w, source, target, axes, own_groups, downsample == "pool"))
        half = sum(terms[1:], terms[0]) if channels else None
        if half is not None and bias is not None:
            half = half + bias[rows[target]].reshape(-1, *(1 for _ in axes))
        results[target] = half
    return results["high"], results["low"]


def octave_conv_transpose(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    alpha_in: Alpha,
    alpha_out: Alpha,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    downsample: str = "pool",
    size: tuple[int, ...] | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Apply the adjoint of a linear map: the gradient of <octave_conv(x, w), y> by x."""
    spec = conv_spec(
        weight, bias, stride, padding, dilation, groups,
        transposed=True, output_padding=output_padding,
    )  # fmt: skip
    y = [half for half in (high, low) if half is not None]
    if size is None:
        size = tuple((2 if high is None else 1) * n for n in y[0].shape[2:])
    fine = bind(spec, size).output_size
    low_out = low_channels(alpha_out, spec.out_channels)
    shapes = [
        (len(y[0]), spec.out_channels - low_out, *fine),
        (len(y[0]), low_out, *(-(-n // 2) for n in fine)),
    ]
    x = [y[0].new_zeros(shape) if shape[1] else None for shape in shapes]

    def forward(*halves: Tensor) -> tuple[Tensor, ...]:
        given = iter(halves)
        x_high, x_low = (None if half is None else next(given) for half in x)
        outputs = octave_conv(
            x_high, x_low, weight,
            alpha_in=alpha_out, alpha_out=alpha_in, stride=stride, padding=padding,
            dilation=dilation, groups=groups, downsample=downsample, size=fine,
        )  # fmt: skip
        return tuple(half for half in outputs if half is not None)

    _, adjoint, *_ = torch.func.vjp(forward, *(half for half in x if half is not None))
    gradients = iter(adjoint(tuple(y)))
    halves: list[Tensor | None] = [None if half is None else next(gradients) for half in x]
    if bias is not None:
        parts = bias.split([spec.out_channels - low_out, low_out])
        halves = [
            None if half is None else half + part.reshape(-1, *(1 for _ in fine))
            for half, part in zip(halves, parts, strict=True)
        ]
    return halves[0], halves[1]
