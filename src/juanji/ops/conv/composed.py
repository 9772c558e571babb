"""Convolution computed by torch's own kernels.

torch pads alike on both sides of an axis; what one side has more is padded or cut off here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from ...bind import Axis, Bound
from ...spec import Conv
from .. import layout
from ..follow import take

CONVOLVE: dict[int, Callable[..., Tensor]] = {
    1: torch_functional.conv1d,
    2: torch_functional.conv2d,
    3: torch_functional.conv3d,
}
CONVOLVE_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: torch_functional.conv_transpose1d,
    2: torch_functional.conv_transpose2d,
    3: torch_functional.conv_transpose3d,
}


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Convolve; shapes as in `juanji.functional.conv`."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if 0 in (spec.in_channels, spec.out_channels):
        return _only_bias(input, weight, bias, bound)
    if spec.flip:
        weight = weight.flip(tuple(range(2, weight.ndim)))
    if any(axis.pad_low != axis.pad_high for axis in axes):
        input = torch_functional.pad(input, _excess(axes))
    arguments = (
        input,
        weight,
        bias,
        [axis.stride for axis in axes],
        [min(axis.pad_low, axis.pad_high) for axis in axes],
        [axis.dilation for axis in axes],
        spec.groups,
    )
    output: Tensor = take(_supported(CONVOLVE, len(axes)), arguments)
    return _follow(output, input, len(axes))


def convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Apply the adjoint; shapes as in `juanji.functional.conv_transpose`."""
    spec, axes = bound.spec, bound.axes
    assert isinstance(spec, Conv)
    if 0 in (spec.in_channels, spec.out_channels):
        return _only_bias(input, weight, bias, bound)
    arguments = (
        input,
        weight,
        bias,
        [axis.stride for axis in axes],
        [min(axis.pad_low, axis.pad_high) for axis in axes],
        list(spec.output_padding),
        spec.groups,
        [axis.dilation for axis in axes],
    )
    output: Tensor = take(_supported(CONVOLVE_TRANSPOSED, len(axes)), arguments)
    if any(axis.pad_low != axis.pad_high for axis in axes):
        output = torch_functional.pad(output, [-cells for cells in _excess(axes)])
    return _follow(output, input, len(axes))


def _follow(output: Tensor, input: Tensor, dimensions: int) -> Tensor:
    """Keep channels last where torch does not, as in some 3-D convolutions; 1-D has no such."""
    return layout.follow(output, input, dimensions) if dimensions > 1 else output


def _excess(axes: tuple[Axis, ...]) -> list[int]:
    """How much more each side is padded than the other, in the order of torch's pad."""
    return [
        side - min(axis.pad_low, axis.pad_high)
        for axis in reversed(axes)
        for side in (axis.pad_low, axis.pad_high)
    ]


def _only_bias(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Without input or output channels: torch gets the shape wrong, or refuses.

    A sum over no input channels is zero everywhere.
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    nothing = input.sum() + weight.sum()  # zero, and keeps both in the graph
    nothing = nothing.expand(spec.out_channels) if bias is None else nothing + bias
    batch = input.shape[: -len(bound.axes) - 1]
    column = nothing.reshape(-1, *(1 for _ in bound.axes))
    return column.expand(*batch, spec.out_channels, *bound.output_size).clone(
        memory_format=torch.contiguous_format
    )


def _supported(
    table: Mapping[int, Callable[..., Tensor]], dimensions: int
) -> Callable[..., Tensor]:
    """Look up torch's function, or say that there is none."""
    if dimensions not in table:
        raise ValueError(
            f"weight must have 1 to 3 spatial axes, got {dimensions} (torch computes no more)"
        )
    return table[dimensions]
