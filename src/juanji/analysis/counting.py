"""Arithmetic of operators: one table of rules.

- Convolutions and products of matrices: multiply-adds, exactly; FLOPs are twice the dense ones,
  biases are not counted. Masks of attention are not subtracted. Deformable convolution adds its
  interpolation, 2**d multiply-adds for every sample; all its samples count as touched.
- Pooling: one FLOP per cell of a window, for every output.
- Reductions (mean, max, ...): one FLOP per input element.
- Everything else that computes (activation, normalization, addition, ...): one FLOP per output.
- Views, copies, casts, selections, padding, constants, random numbers: nothing.

Operators in none of these groups are not guessed at: they are reported as uncounted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from ..bind import bind
from ..cost import MultiplyAdds, multiply_adds
from ..spec import Conv, windows
from .watch import Call, Record

# Zeros around a tensor: (low, high) of each of its dimensions.
Zeros = tuple[tuple[int, int], ...]

# Constants and random numbers.
CONSTANTS = {
    "arange", "bernoulli", "empty", "empty_like", "empty_permuted", "empty_strided",
    "exponential", "eye", "fill", "full", "full_like", "linspace", "multinomial", "new_empty",
    "new_empty_strided", "new_full", "new_ones", "new_zeros", "normal", "ones", "ones_like",
    "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "scalar_tensor",
    "uniform", "zero", "zeros", "zeros_like",
}  # fmt: skip
# Copies, selections, rearrangements.
FREE = CONSTANTS | {
    "_reshape_alias", "_reshape_copy", "_to_copy", "_unsafe_index", "_unsafe_view", "as_strided",
    "cat", "channel_shuffle", "clone", "constant_pad_nd", "contiguous", "copy", "dropout",
    "embedding", "expand_copy", "flip", "gather", "im2col", "index", "index_put", "index_select",
    "lift", "lift_fresh_copy", "masked_select", "max_unpool2d", "max_unpool3d", "nonzero",
    "pixel_shuffle", "pixel_unshuffle", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
    "repeat", "replication_pad1d", "replication_pad2d", "replication_pad3d", "resize", "roll",
    "rot90", "scatter", "select_scatter", "slice_scatter", "sort", "split", "split_copy",
    "split_with_sizes_copy", "stack", "take", "topk", "tril", "triu", "unbind_copy",
    "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes",
}  # fmt: skip
# Others that compute carry torch's tag `pointwise`.
PER_OUTPUT = {
    "_batch_norm_no_update", "_batch_norm_with_update", "_fused_rms_norm", "_log_softmax",
    "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "_prelu_kernel",
    "_safe_softmax", "_softmax", "batch_norm", "cudnn_batch_norm", "cumprod", "cumsum", "glu",
    "hardswish",
    "log_sigmoid_forward", "miopen_batch_norm", "native_batch_norm", "native_dropout",
    "native_group_norm", "native_layer_norm", "rrelu_with_noise",
}  # fmt: skip
INTERPOLATIONS = {
    "upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d", "upsample_trilinear3d",
}  # fmt: skip
NEAREST = {f"upsample_nearest{exact}{d}d" for exact in ("", "_exact") for d in (1, 2, 3)}
NEAREST |= {f"_upsample_nearest_exact{d}d" for d in (1, 2, 3)}
POOLS = {f"avg_pool{d}d" for d in (1, 2, 3)} | {
    f"max_pool{d}d{indices}" for d in (1, 2, 3) for indices in ("", "_with_indices")
}
# Average over windows that together cover the input once, and at borders a little more.
ADAPTIVE = {f"_adaptive_avg_pool{d}d" for d in (2, 3)} | {
    f"adaptive_{kind}_pool{d}d" for kind in ("avg", "max") for d in (1, 2, 3)
}
# Operator -> names of its two factors.
PRODUCTS = {
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "_int_mm": ("self", "mat2"),
    "_scaled_mm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "_addmm_activation": ("mat1", "mat2"),
    "addbmm": ("batch1", "batch2"),
    "baddbmm": ("batch1", "batch2"),
    "mv": ("self", "vec"),
    "addmv": ("mat", "vec"),
    "dot": ("self", "tensor"),
    "vdot": ("self", "other"),
}
ATTENTION = {
    f"_scaled_dot_product_{kind}_attention{suffix}"
    for kind in ("flash", "efficient", "cudnn", "fused")
    for suffix in ("", "_for_cpu", "_overrideable")
}
# Every output position samples the input at each tap; a sample interpolates 2**d cells.
DEFORMABLE = {"juanji::deform_conv", "torchvision::deform_conv2d"}
CONVOLUTIONS = {"convolution", "_convolution", "convolution_overrideable", "cudnn_convolution"}


class Counter:
    """Adds multiply-adds and FLOPs to the records, or notes that an operator is not counted."""

    def __init__(self) -> None:
        # zeros that are already part of a tensor count as padding of the convolution that reads it
        self.zeros = WeakTensorKeyDictionary()

    def observe(self, call: Call, records: Sequence[Record]) -> None:
        """Count one call."""
        cost = self.cost(call)
        self._follow_zeros(call)
        for record in records:
            if cost is None:
                record.uncounted[call.name] += 1
            else:
                record.multiply_adds += cost[0]
                record.flops += cost[1]

    def cost(self, call: Call) -> tuple[MultiplyAdds, int] | None:
        """Return multiply-adds and FLOPs of a call, or None where no rule is known."""
        name = call.rule
        if any(x.layout != torch.strided for x in (*call.inputs, *call.outputs)):
            return None  # the rules count dense cells
        if name in CONVOLUTIONS:
            return _both(self.convolution(call.arguments))
        if name in DEFORMABLE:
            return _both(_same(_deformable(call)))
        if name in PRODUCTS:
            left, right = (call.arguments[factor] for factor in PRODUCTS[name])
            return _both(_same(left.numel() * (right.shape[-1] if right.ndim > 1 else 1)))
        if name in ATTENTION:
            query, key, value = (call.arguments[factor] for factor in ("query", "key", "value"))
            products = prod(query.shape[:-1]) * key.shape[-2] * (key.shape[-1] + value.shape[-1])
            return _both(_same(products))
        flops = _flops(call)
        return None if flops is None else (MultiplyAdds(), flops)

    def convolution(self, arguments: Any) -> MultiplyAdds:
        """Count a convolution by the library's one rule, on the input without its own zeros."""
        x, weight = arguments["input" if "input" in arguments else "self"], arguments["weight"]
        first, second, *kernel = weight.shape
        dimensions = len(kernel)
        transposed = arguments.get("transposed", False)
        groups = arguments["groups"]
        padding = [(p, p) for p in spread(arguments["padding"], dimensions)]
        size = list(x.shape[2:])
        zeros = self.zeros.get(x)
        if zeros and not transposed and not any(map(any, zeros[:2])):
            padding = [(p + a, q + b) for (p, q), (a, b) in zip(padding, zeros[2:], strict=True)]
            size = [n - a - b for n, (a, b) in zip(size, zeros[2:], strict=True)]
        spec = Conv(
            windows(
                kernel,
                spread(arguments["stride"], dimensions),
                padding,
                spread(arguments["dilation"], dimensions),
            ),
            in_channels=first if transposed else second * groups,
            out_channels=second * groups if transposed else first,
            groups=groups,
            transposed=transposed,
            output_padding=(spread(arguments["output_padding"], dimensions) if transposed else ()),
        )
        return multiply_adds(bind(spec, size), batch=x.shape[0])

    def _follow_zeros(self, call: Call) -> None:
        """Remember which tensors end in zeros that a padding put there."""
        if getattr(call.operator, "_schema", None) is None:
            return
        if call.operator._schema.is_mutable:
            written = {x.untyped_storage()._cdata for x in call.outputs}
            for x in [x for x in self.zeros if x.untyped_storage()._cdata in written]:
                del self.zeros[x]
        elif call.rule == "constant_pad_nd" and not call.arguments["value"]:
            source = call.arguments["self"]
            there = self.zeros.get(source, ((0, 0),) * source.ndim)
            added = pad_pairs(call.arguments["pad"], source.ndim)
            if not any(map(any, there)) or all(n >= 0 for pair in added for n in pair):
                self.zeros[call.outputs[0]] = tuple(
                    (a + max(c, 0), b + max(d, 0))
                    for (a, b), (c, d) in zip(there, added, strict=True)
                )
        elif call.rule == "unsqueeze" and call.arguments["dim"] == 0:
            # how a convolution of an unbatched input begins
            there = self.zeros.get(call.arguments["self"])
            if there:
                self.zeros[call.outputs[0]] = ((0, 0), *there)


def pad_pairs(pad: Sequence[int], dimensions: int) -> list[tuple[int, int]]:
    """Return (low, high) of every dimension; torch's own list begins at the last one."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return [(0, 0)] * (dimensions - len(pairs)) + pairs


def _flops(call: Call) -> int | None:
    """Return the FLOPs of an operator without multiply-adds, or None where no rule is known."""
    name, tags = call.rule, getattr(call.operator, "tags", ())
    if name in FREE or name in NEAREST or getattr(call.operator, "is_view", False):
        return 0
    if not call.outputs:  # reads a number or a property
        return 0
    if name in POOLS:
        return call.outputs[0].numel() * prod(
            spread(call.arguments["kernel_size"], int(name.split("pool")[1][0]))
        )
    if name in ADAPTIVE or torch.Tag.reduction in tags:
        return sum(x.numel() for x in call.inputs[:1])
    if name in PER_OUTPUT | INTERPOLATIONS or torch.Tag.pointwise in tags:
        return call.outputs[0].numel()
    return None


def _deformable(call: Call) -> int:
    batch, channels = call.arguments["input"].shape[:2]
    filters, depth, *kernel = call.arguments["weight"].shape
    reads: int = batch * prod(call.outputs[0].shape[2:]) * prod(kernel)
    return reads * int(filters * depth + channels * 2 ** len(kernel))


def _same(products: int) -> MultiplyAdds:
    return MultiplyAdds(dense=products, touched=products)


def _both(products: MultiplyAdds) -> tuple[MultiplyAdds, int]:
    return products, 2 * products.dense


def spread(values: Sequence[int], dimensions: int) -> tuple[int, ...]:
    """One value per axis; torch lets a single one stand for all."""
    return tuple(values) * dimensions if len(values) == 1 else tuple(values)
