"""The two sides of every case: ours, and torch's at its best on the same tensors.

Both are called with the case's operands: (x,), (x, weight), or (x, indices).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import torch
import torch.nn.functional as tf
from torch import Tensor

from .. import functional as F
from .cases import CONVOLUTIONS, Case

Call = Callable[..., Tensor]


def draw(case: Case) -> tuple[Tensor, ...]:
    """Return fresh operands: normal numbers; for stochastic pooling uniform ones, as it needs."""
    if case.operator == "stochastic-pool":
        return (torch.rand(case.shape),)
    if case.operator == "max-unpool":
        axes = Axes.of(case)
        fine = torch.randn(case.output_shape)
        x, indices = pick("max_pool", axes)(fine, axes.kernel, axes.stride, return_indices=True)
        return x, indices
    x = torch.randn(case.shape)
    return (x, torch.randn(case.weight_shape)) if case.operator in CONVOLUTIONS else (x,)


def ours(case: Case) -> Call:
    """Return our side."""
    kernel = (case.kernel,) * case.dimensions
    stride, padding, dilation, groups = case.stride, case.padding, case.dilation, case.groups
    match case.operator:
        case "depthwise" | "grouped" | "dense":
            return lambda x, w: F.conv(x, w, None, stride, padding, dilation, groups)
        case "shuffled-grouped":
            return lambda x, w: F.shuffled_group_conv(x, w, None, stride, padding, dilation, groups)
        case "max-pool":
            return lambda x: F.max_pool(x, kernel, stride, padding)
        case "avg-pool":
            return lambda x: F.avg_pool(x, kernel, stride, padding)
        case "stochastic-pool":
            return lambda x: F.stochastic_pool(x, kernel, stride)
        case "max-unpool":
            return lambda x, indices: F.max_unpool(x, indices, kernel, stride)
        case "avg-unpool":
            return lambda x: F.avg_unpool(x, kernel, stride)
        case "channel-shuffle":
            return lambda x: F.channel_shuffle(x, groups)
    raise ValueError(f"no side of ours for {case.operator!r}")


def theirs(case: Case, *, lifted: bool = False) -> Call:
    """Return torch's side; `lifted` takes one-dimensional operands as maps of one row."""
    axes, groups = Axes.of(case, lifted=lifted), case.groups
    options = (axes.stride, axes.padding, axes.dilation, groups)
    match case.operator:
        case "depthwise" | "grouped" | "dense":
            convolve = pick("conv", axes)
            return lambda x, w: convolve(x, w, None, *options)
        case "shuffled-grouped":
            convolve = pick("conv", axes)
            return lambda x, w: tf.channel_shuffle(convolve(x, w, None, *options), groups)
        case "max-pool" | "avg-pool":
            pool = pick(case.operator.replace("-", "_"), axes)
            return lambda x: pool(x, axes.kernel, axes.stride, axes.padding)
        case "stochastic-pool":
            return lambda x: stochastic_pool(x, axes.kernel)
        case "max-unpool":
            unpool = pick("max_unpool", axes)
            return lambda x, indices: unpool(x, indices, axes.kernel, axes.stride)
        case "avg-unpool":
            scale = [float(k) for k in axes.kernel]
            return lambda x: tf.interpolate(x, scale_factor=scale, mode="nearest")
        case "channel-shuffle":
            return lambda x: tf.channel_shuffle(x, groups)
    raise ValueError(f"no side of torch for {case.operator!r}")


def stochastic_pool(x: Tensor, kernel: list[int]) -> Tensor:
    """Draw one value of each window, which do not overlap, in proportion to it, in torch alone.

    torch has no such function. Of the ways to write it this is the fastest that we know: strided
    views of the taps and one running sum over them; where a gradient is wanted it finds the cells
    drawn and gathers them, which has the fastest backward pass.
    """
    values = taps(x.detach(), kernel)
    total = reduce(torch.add, values)
    threshold = torch.rand_like(total) * total
    size = x.shape[2:]
    cells = taps(torch.arange(prod(size)).view(size), kernel)
    candidates = cells if x.requires_grad else values
    chosen, below = candidates[0], values[0]
    for candidate, value in zip(candidates[1:], values[1:], strict=True):
        chosen = torch.where(below <= threshold, candidate, chosen)
        below = below + value
    if not x.requires_grad:
        return chosen
    return x.flatten(2).gather(2, chosen.flatten(2)).view(total.shape)


def taps(x: Tensor, kernel: list[int]) -> list[Tensor]:
    """View the first, second, ... cell of every window of the last axes."""
    views = [x]
    for axis, k in enumerate(kernel, start=x.ndim - len(kernel)):
        before = (slice(None),) * axis
        views = [view[(*before, slice(tap, None, k))] for view in views for tap in range(k)]
    return views


@dataclass(frozen=True)
class Axes:
    """A case's numbers, one for each axis, as torch takes them."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]

    @classmethod
    def of(cls, case: Case, *, lifted: bool = False) -> Axes:
        """Spread the numbers; a lifted case has one more axis, of one cell, before its own."""

        def spread(value: int, nothing: int) -> list[int]:
            return [nothing] * lifted + [value] * case.dimensions

        return cls(
            spread(case.kernel, 1),
            spread(case.stride, 1),
            spread(case.padding, 0),
            spread(case.dilation, 1),
        )


def pick(name: str, axes: Axes) -> Callable[..., Any]:
    """Return torch's function for so many axes."""
    function: Callable[..., Any] = getattr(tf, f"{name}{len(axes.kernel)}d")
    return function
