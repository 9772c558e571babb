"""Dense convolution by torch, over channels that are brought side by side for it.

torch's kernels for channels-last are faster, or much faster, than those for contiguous tensors;
its conversion between the two is what makes the detour slow. Ours is in `ops/relayout`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...bind import Bound
from ...spec import Conv
from ..native import unavailable, wants_gradient
from ..relayout import relayout
from . import composed

# Smaller ones are not worth the conversion, by measurement (docs/benchmarks.md).
LEAST_TAPS = 9
LEAST_CHANNELS = 16
LEAST_CELLS = 784  # of the output


def declines(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> str | None:
    """Say why the detour is not taken, or None if it is."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    if torch.compiler.is_compiling():
        return "the compiler chooses layouts itself"
    if len(bound.axes) < 2 or input.ndim != weight.ndim:
        return "only batches of two or three dimensions have a channels-last layout"
    taps = cells = 1
    for axis in bound.axes:
        taps *= axis.kernel
        cells *= axis.coarse
    if taps < LEAST_TAPS or cells < LEAST_CELLS:
        return (
            f"{taps} taps on {cells} output cells (from {LEAST_TAPS} on {LEAST_CELLS} on, "
            f"converting pays)"
        )
    if spec.in_channels // spec.groups < LEAST_CHANNELS:
        return f"{spec.in_channels // spec.groups} channels per group (from {LEAST_CHANNELS} on)"
    if not input.is_contiguous():
        return "the input is not contiguous"
    if wants_gradient(input, weight, bias):
        return "a gradient is wanted, which torch computes as fast in either layout"
    if input.numel() == 0 or weight.numel() == 0:
        return "there is nothing to convert"
    return unavailable(input, weight, bias)


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Convolve; shapes as in `juanji.functional.conv`, batched and contiguous."""
    output = composed.convolve(relayout(input, innermost=True), weight, bias, bound)
    return relayout(output, innermost=False)
