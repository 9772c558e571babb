"""When the native kernels take a convolution, and in which few cases torch is as fast or faster."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Conv
from .. import layout
from ..native import unavailable, vector_lanes, wants_gradient
from ..pointwise import native as pointwise

WHOLE = (torch.float32, torch.float64)  # computed in as they are
# Channels per group: with more, torch is at the limit, and with as many, if they are innermost, in
# these dtypes; for bfloat16 the processor needs instructions of its own.
MOST_CHANNELS = 16
DTYPES_OF_TORCH = (
    (torch.float32, torch.bfloat16) if torch.cpu._is_avx512_bf16_supported() else (torch.float32,)
)
MOST_OF_PRODUCT = 64  # with one tap at each position, which makes it a small matrix product
LARGE = 200_000  # elements of the output, from which on torch's overhead does not count,
BEYOND_NEAR_CACHES = 1_500_000  # from which on those of a core do not hold a tensor,
BEYOND_CACHES = 4_000_000  # and from which on memory decides, which our kernels ask for earlier
FEW = 4  # channels of a cell; taking more apart, where they fill no vector, takes longer than torch
IN_PLACE = 1 << 17  # weights, up to which cells are read where they are
SHORT = 12  # cells of a row, below which our stacks are low
MOST_WEIGHTS = 4096  # that one output channel has,
MOST_OF_GROUP = 8192  # and a whole group, whose gradients are summed in vectors
MOST_CELLS = 1 << 16  # that one output's windows span in its group


def declines(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> str | None:
    """Say why the kernels do not take this convolution, or None if they do."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    channels = max(spec.in_channels, spec.out_channels) // spec.groups
    if spec.groups == 1 and channels > 1:  # first, so that what is torch's stays cheap
        return "the convolution is dense"
    if (reason := unavailable(input, weight, bias)) is not None:
        return reason
    if not 1 <= len(axes) <= 3:
        return f"{len(axes)} spatial axes (it takes 1 to 3)"
    if (reason := _torchs_best(input, weight, bound)) is not None:
        return reason
    if 0 in (spec.in_channels, spec.out_channels):
        return "there are no channels"
    if channels > MOST_CHANNELS and channels > (most := _most_channels(input, bound)):
        return f"{channels} channels per group (it takes up to {most})"
    if (reason := _fills_no_vector(input, bound)) is not None:
        return reason
    weights, cells = channels, channels
    for axis in axes:
        weights *= axis.kernel
        cells *= axis.dilation * (axis.kernel - 1) + 1 if axis is axes[-1] else axis.kernel
    if weights > MOST_WEIGHTS:
        return f"{weights} weights for an output channel (it takes up to {MOST_WEIGHTS})"
    of_group = weights * min(spec.in_channels, spec.out_channels) // spec.groups
    if of_group > MOST_OF_GROUP:
        return f"{of_group} weights in a group (it takes up to {MOST_OF_GROUP})"
    if cells > MOST_CELLS:
        return f"a window spans {cells} cells with the gaps in its rows (up to {MOST_CELLS})"
    return None


def _most_channels(input: Tensor, bound: Bound) -> int:
    """Return how many channels a group may have: with one tap at each position, more."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if any(a.kernel > 1 or a.stride > 1 or a.pad_low or a.pad_high for a in axes):
        return MOST_CHANNELS
    if max(spec.in_channels, spec.out_channels) > pointwise.MOST_CHANNELS:
        return MOST_CHANNELS
    if input.dtype not in WHOLE and layout.channels_innermost(input, len(axes)):
        return MOST_CHANNELS
    lanes = vector_lanes() // (2 if input.dtype == torch.float64 else 1)
    # short vectors fall behind those of torch
    return max(MOST_CHANNELS, min(MOST_OF_PRODUCT, lanes**2))


def _torchs_best(input: Tensor, weight: Tensor, bound: Bound) -> str | None:
    """Say for which of the few cases of our own torch has a kernel at the limit this is one of."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if len(axes) == 1 or not layout.channels_innermost(input, len(axes)):
        return None
    if spec.in_channels == spec.out_channels == MOST_CHANNELS * spec.groups:
        product = all(axis.kernel == 1 for axis in axes) and input.dtype in WHOLE
        torchs = input.dtype in DTYPES_OF_TORCH and not product
        if torchs and not _outgrows_torch(input, weight, axes):
            return "torch's kernel for 16 channels per group over channels-last is at the limit"
        return None
    if not spec.groups == spec.in_channels == spec.out_channels or spec.transposed:
        return None
    if input.dtype != torch.float32:
        return None
    gradient = wants_gradient(input, weight)
    if FEW < spec.in_channels < vector_lanes() and _is_small(axes, gradient):
        return f"{spec.in_channels} channels fill no vector of channels-last maps"
    if _torchs_map(input, spec.out_channels, axes, gradient):
        return "torch's kernel for depthwise 3x3 over channels-last is as fast as caches"
    return None


def _outgrows_torch(input: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> bool:
    """Tell whether memory decides for torch's kernel of 16 channels per group, not for ours.

    Ours must find rows long enough and read cells in place (reads_in_place of problem.h). With a
    stride torch is the faster one again.
    """
    return (
        not torch.compiler.is_compiling()  # a graph is for many sizes
        and input.dtype == torch.float32
        and vector_lanes() == 16
        and input.numel() >= BEYOND_NEAR_CACHES
        and input.shape[-1] >= 2 * SHORT
        and all(axis.stride == 1 for axis in axes)
        and weight.numel() <= IN_PLACE
    )


def _is_small(axes: tuple[Axis, ...], gradient: bool) -> bool:
    """Tell whether taking a few channels apart would take longer than the windows.

    The limits are those of torch's kernels: its gradients are slow in 3-D and with dilation.
    """
    taps = math.prod(axis.kernel for axis in axes)
    if not gradient:
        return taps <= 27
    return taps <= 9 and len(axes) == 2 and axes[0].dilation == axes[1].dilation == 1


def _torchs_map(input: Tensor, channels: int, axes: tuple[Axis, ...], gradient: bool) -> bool:
    """Tell whether torch's kernel for depthwise 3x3 over channels-last maps is the faster one.

    With a stride it is, and over short rows where no gradients follow, whose kernels are slower.
    """
    if len(axes) != 2 or max(axes[0].kernel, axes[1].kernel) > 3:
        return False
    if torch.compiler.is_compiling():
        return False
    elements = input.shape[0] * channels * axes[0].coarse * axes[1].coarse
    if not LARGE <= elements < BEYOND_CACHES:
        return False
    if max(axes[0].stride, axes[1].stride) == 1:
        return axes[1].coarse < SHORT and not gradient
    dilated = max(axes[0].dilation, axes[1].dilation) > 1  # torch's gradients have no kernel then
    return not (dilated and gradient)


def _fills_no_vector(input: Tensor, bound: Bound) -> str | None:
    """Say which groups of channels side by side the kernels would turn into planes and back.

    A few channels or one tap are worth it, and so are numbers for which torch has no kernel.
    """
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if input.dtype != torch.float32 or len(axes) == 1 or all(axis.kernel == 1 for axis in axes):
        return None
    inputs, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    few = 5 if vector_lanes() == 16 else 4  # of which long vectors hold several groups
    if max(inputs, outputs) <= few or not layout.channels_innermost(input, len(axes)):
        return None
    if outputs % 8 == 0 or (inputs == outputs and MOST_CHANNELS % outputs == 0):
        return None
    return f"groups of {inputs} to {outputs} channels fill no vector of channels-last maps"
