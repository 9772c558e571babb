"""Deformable convolution as ONNX's own operator, for torch.onnx.export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from . import op  # noqa: F401  registers the operator


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the `custom_translation_table` with which torch.onnx.export writes DeformConv.

    ONNX (from opset 19 on) defines it in any dimensions; ONNX Runtime computes it in 2-D.
    """
    return {torch.ops.juanji.deform_conv.default: _deform_conv}


def _deform_conv(
    input: Any,
    offset: Any,
    mask: Any,
    weight: Any,
    bias: Any,
    stride: Sequence[int],
    pad_low: Sequence[int],
    dilation: Sequence[int],
) -> Any:
    """Build the node; arguments are those of `op.convolve`, tensors as ONNX values."""
    from onnxscript import opset19

    axes = len(stride)
    sizes = [*input.shape[2:], *offset.shape[2:]]
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"the sizes of input and output must be fixed for ONNX, got {sizes}")
    kernel = list(weight.shape[2:])
    taps = torch.Size(kernel).numel()
    pad_high = [
        # what the last window needs; what the input has more than that is not read
        max((coarse - 1) * s + d * (k - 1) + 1 - low - fine, 0)
        for fine, coarse, k, s, d, low in zip(
            sizes[:axes], sizes[axes:], kernel, stride, dilation, pad_low, strict=True
        )
    ]
    return opset19.DeformConv(
        input,
        weight,
        offset,
        bias,
        mask,
        dilations=list(dilation),
        group=input.shape[1] // weight.shape[1],
        kernel_shape=kernel,
        offset_group=mask.shape[1] // taps,
        pads=[*pad_low, *pad_high],
        strides=list(stride),
    )
