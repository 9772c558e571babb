"""ONNX's own node cases, called through the functional interface.

ONNX differs in spelling: pads are all low sides, then all high ones; SAME_LOWER gives the odd cell
to the low side; indices count over batch and channels too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import onnx
import torch
from onnx.backend.test.loader import load_model_tests
from torch import Tensor

from juanji import functional as F


@dataclass(frozen=True)
class NodeCase:
    """One case: what goes in, what has to come out."""

    name: str
    kind: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    rtol: float
    atol: float


@cache
def node_cases() -> tuple[NodeCase, ...]:
    """Return every case of one node that convolves, pools or unpools."""
    with warnings.catch_warnings():  # overflow in cases of other operators
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    found = []
    for test in tests:
        nodes = test.model.graph.node
        if len(nodes) != 1 or not any(word in nodes[0].op_type for word in ("Conv", "ool")):
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
        for inputs, outputs in test.data_sets:
            found.append(
                NodeCase(
                    test.name, nodes[0].op_type, attributes, inputs, outputs, test.rtol, test.atol
                )
            )
    return tuple(found)


def pads(case: NodeCase, kernel: list[int], size: list[int]) -> list[tuple[int, int]] | str:
    """Return padding as the library takes it."""
    mode = case.attributes.get("auto_pad", b"NOTSET")
    axes = len(kernel)
    if mode == b"SAME_UPPER":
        return "same"
    if mode == b"VALID":
        return "valid"
    if mode == b"SAME_LOWER":
        strides = case.attributes.get("strides", [1] * axes)
        dilations = case.attributes.get("dilations", [1] * axes)
        sides = []
        for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            sides.append((total - total // 2, total // 2))
        return sides
    numbers = case.attributes.get("pads", [0] * 2 * axes)
    return list(zip(numbers[:axes], numbers[axes:], strict=True))


def window(case: NodeCase, kernel: list[int], size: list[int]) -> dict[str, Any]:
    """Return stride, padding and dilation."""
    ones = [1] * len(kernel)
    return {
        "stride": case.attributes.get("strides", ones),
        "padding": pads(case, kernel, size),
        "dilation": case.attributes.get("dilations", ones),
    }


def conv(case: NodeCase, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    arguments = window(case, list(weight.shape[2:]), list(x.shape[2:]))
    return F.conv(x, weight, bias, groups=case.attributes.get("group", 1), **arguments)


def conv_transpose(case: NodeCase, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    kernel, size = list(weight.shape[2:]), list(x.shape[2:])
    arguments = window(case, kernel, size)
    stride, dilation = arguments["stride"], arguments["dilation"]
    extra = case.attributes.get("output_padding", [0] * len(kernel))
    mode = case.attributes.get("auto_pad", b"NOTSET")
    wanted = case.attributes.get("output_shape")
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        wanted = wanted or [n * s for n, s in zip(size, stride, strict=True)]
    if wanted:  # says how much is cut off, or added at the end
        sides, added = [], []
        for n, s, k, d, out in zip(size, stride, kernel, dilation, wanted, strict=True):
            cut = (n - 1) * s + d * (k - 1) + 1 - out
            added.append(max(-cut, 0))
            small, large = max(cut, 0) // 2, max(cut, 0) - max(cut, 0) // 2
            sides.append((small, large) if mode == b"SAME_UPPER" else (large, small))
        arguments["padding"], extra = sides, added
    return F.conv_transpose(
        x, weight, bias, output_padding=extra, groups=case.attributes.get("group", 1), **arguments
    )


def deform_conv(
    case: NodeCase,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    arguments = window(case, list(weight.shape[2:]), list(x.shape[2:]))
    return F.deform_conv(x, offset, weight, bias, mask=mask, **arguments)


def max_pool(case: NodeCase, x: Tensor) -> tuple[Tensor, Tensor]:
    kernel, size = case.attributes["kernel_shape"], list(x.shape[2:])
    values, indices = F.max_pool(
        x, kernel, ceil_mode=bool(case.attributes.get("ceil_mode", 0)), return_indices=True,
        **window(case, kernel, size),
    )  # fmt: skip
    if case.attributes.get("storage_order", 0):  # column by column
        rows, columns = size
        indices = indices % columns * rows + indices // columns
    plane = torch.arange(prod(x.shape[:2])).reshape(*x.shape[:2], *(1 for _ in size))
    return values, plane * prod(size) + indices


def avg_pool(case: NodeCase, x: Tensor) -> Tensor:
    kernel = case.attributes["kernel_shape"]
    return F.avg_pool(
        x, kernel,
        ceil_mode=bool(case.attributes.get("ceil_mode", 0)),
        count_include_pad=bool(case.attributes.get("count_include_pad", 0)),
        **window(case, kernel, list(x.shape[2:])),
    )  # fmt: skip


def max_unpool(case: NodeCase, x: Tensor, indices: Tensor, shape: Tensor | None = None) -> Tensor:
    kernel, size = case.attributes["kernel_shape"], list(x.shape[2:])
    arguments = window(case, kernel, size)
    del arguments["dilation"]
    whole = F.max_unpool(torch.zeros_like(x), torch.zeros_like(indices), kernel, **arguments)
    indices = indices % prod(whole.shape[2:])
    if shape is None:
        return F.max_unpool(x, indices, kernel, **arguments)
    # the indices count the cells of the size that complete windows fill
    place = torch.unravel_index(indices, whole.shape[2:])
    moved = torch.zeros_like(indices)
    for coordinate, cells in zip(place, shape.tolist()[2:], strict=True):
        moved = moved * cells + coordinate
    return F.max_unpool(x, moved, kernel, output_size=shape.tolist(), **arguments)


ADAPTERS: dict[str, Callable[..., Any]] = {
    "AveragePool": avg_pool,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DeformConv": deform_conv,
    "GlobalAveragePool": lambda case, x: F.global_avg_pool(x),
    "GlobalMaxPool": lambda case, x: F.global_max_pool(x),
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}

QUANTIZED = "quantized arithmetic: operators take floating-point tensors, integers are a TypeError"
LP = "the library has no Lp pooling"
STATE = "a streaming operator with a state beside the convolution; the library has none"

# case -> why it is not run; every other case is
NOT_APPLICABLE = {
    "test_maxpool_2d_uint8": QUANTIZED,
    "test_convinteger_without_padding": QUANTIZED,
    "test_convinteger_with_padding": QUANTIZED,
    "test_qlinearconv": QUANTIZED,
    "test_lppool_1d_default": LP,
    "test_lppool_2d_default": LP,
    "test_lppool_2d_dilations": LP,
    "test_lppool_2d_pads": LP,
    "test_lppool_2d_same_lower": LP,
    "test_lppool_2d_same_upper": LP,
    "test_lppool_2d_strides": LP,
    "test_lppool_3d_default": LP,
    "test_causal_conv_with_state_b1_c1_degenerate": STATE,
    "test_causal_conv_with_state_basic": STATE,
    "test_causal_conv_with_state_decode_step": STATE,
    "test_causal_conv_with_state_fp16": STATE,
    "test_causal_conv_with_state_kernel_size_one": STATE,
    "test_causal_conv_with_state_short_input_no_past_state": STATE,
    "test_causal_conv_with_state_silu": STATE,
    "test_causal_conv_with_state_silu_fp16": STATE,
    "test_causal_conv_with_state_silu_with_past_state": STATE,
    "test_causal_conv_with_state_swish_alias": STATE,
    "test_causal_conv_with_state_with_bias": STATE,
    "test_causal_conv_with_state_with_bias_and_past_state": STATE,
    "test_causal_conv_with_state_with_past_state": STATE,
}


def applicable() -> list[NodeCase]:
    """Return the cases that are run."""
    return [case for case in node_cases() if case.name not in NOT_APPLICABLE]


def run(case: NodeCase) -> list[Tensor]:
    """Compute a case's outputs."""
    inputs = [torch.tensor(x) for x in case.inputs]
    result = ADAPTERS[case.kind](case, *inputs)
    return [result] if isinstance(result, Tensor) else list(result)


def table() -> str:
    """Return the published table, in Markdown."""
    names = {case.name: case.kind for case in node_cases()}
    lines = [
        "# ONNX's node cases",
        "",
        "Which of ONNX's own cases of convolution, pooling and unpooling are run through the",
        "functional interface, by `tests/third_party/test_onnx_cases.py`.",
        f"onnx {onnx.__version__} has {len(names)}: {len(names) - len(NOT_APPLICABLE)} run, "
        f"{len(NOT_APPLICABLE)} do not apply.",
        "",
        "| operator | case | |",
        "|---|---|---|",
    ]
    for name, kind in sorted(names.items(), key=lambda item: (item[1], item[0])):
        lines.append(f"| {kind} | {name} | {NOT_APPLICABLE.get(name, 'runs')} |")
    return "\n".join(lines) + "\n"
