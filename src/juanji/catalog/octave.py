"""Octave convolution and what belongs to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from .. import functional as F
from .. import nn
from ..ops.octave import reference
from .record import THREADS, Argument, Case, Limit, Operator, maps, weight

PAPER = "Chen et al., Drop an Octave, 2019, arXiv:1904.05049"
BATCHED = Limit("pairs are batched", refused="dimensions|shape|batch size")

OCTAVE_CONV = Operator(
    name="octave convolution",
    call=F.octave_conv,
    layer="OctaveConv",
    formula="y_H = f(x_H) + up(f(x_L)); y_L = f(x_L) + f(down(x_H))",
    cost="(H·H' · O + (H·L' + L·H' + L·L') · O/2^d) · K/g, for H, L channels in, H', L' out",
    source=PAPER,
    reference=reference.octave_conv,
    linear=(("high", "low"), ("weight",)),
    limits={"threads": THREADS, "unbatched": BATCHED},
    cases=(
        Case(
            "every option",
            {
                "high": maps(2, 2, 7),
                "low": maps(2, 2, 4),
                "weight": weight(6, 2, 3),
                "bias": weight(6),
            },
            {
                "alpha_in": 0.5,
                "alpha_out": 0.4,
                "stride": 2,
                "padding": ((1, 2),),
                "groups": 2,
            },
        ),
        Case(
            "every option",
            {
                "high": maps(2, 2, 6, 7),
                "low": maps(2, 1, 3, 4),
                "weight": weight(5, 3, 3, 2),
                "bias": weight(5),
            },
            {
                "alpha_in": 0.4,
                "alpha_out": 0.5,
                "stride": (1, 2),
                "padding": ((1, 1), (0, 2)),
                "dilation": (1, 2),
                "downsample": "stride",
            },
        ),
        Case(
            "same",
            {
                "high": maps(2, 3, 5, 7),
                "low": maps(2, 1, 3, 4),
                "weight": weight(4, 4, 3, 3),
                "bias": weight(4),
            },
            {"alpha_in": 0.25, "alpha_out": 0.25, "padding": "same"},
        ),
        Case(
            "all low in, all high out",
            {"low": maps(2, 3, 3, 2), "weight": weight(2, 3, 3, 3)},
            {"high": None, "alpha_in": 1, "alpha_out": 0, "padding": 1, "size": (5, 4)},
        ),
        Case(
            "every option",
            {
                "high": maps(1, 1, 3, 4, 5),
                "low": maps(1, 1, 2, 2, 3),
                "weight": weight(2, 2, 2, 1, 3),
                "bias": weight(2),
            },
            {"alpha_in": 0.5, "alpha_out": 0.5, "stride": (1, 2, 3), "padding": (1, 0, 2)},
        ),
    ),
)

OCTAVE_CONV_TRANSPOSE = Operator(
    name="transposed octave convolution",
    call=F.octave_conv_transpose,
    layer="OctaveConvTranspose",
    formula="<fᵀ(y), x> = <y, f(x)> for f octave convolution: its paths backwards",
    cost="(H·H' · I + (H·L' + L·H' + L·L') · I/2^d) · K/g, for H, L channels in, H', L' out",
    source=PAPER + "; the adjoint by composition",
    reference=reference.octave_conv_transpose,
    linear=(("high", "low"), ("weight",)),
    limits={"threads": THREADS, "unbatched": BATCHED},
    cases=(
        Case(
            "every option",
            {
                "high": maps(2, 4, 7),
                "low": maps(2, 2, 4),
                "weight": weight(6, 2, 3),
                "bias": weight(4),
            },
            {
                "alpha_in": 0.4,
                "alpha_out": 0.5,
                "stride": 3,
                "padding": ((1, 2),),
                "output_padding": 1,
                "groups": 2,
            },
        ),
        Case(
            "every option",
            {
                "high": maps(2, 3, 4, 5),
                "low": maps(2, 2, 2, 3),
                "weight": weight(5, 4, 3, 2),
                "bias": weight(4),
            },
            {
                "alpha_in": 0.4,
                "alpha_out": 0.5,
                "stride": (1, 2),
                "padding": ((1, 1), (0, 2)),
                "output_padding": (0, 1),
                "dilation": (1, 2),
                "downsample": "stride",
            },
        ),
        Case(
            "depthwise",
            {
                "high": maps(2, 2, 5, 4),
                "low": maps(2, 2, 3, 2),
                "weight": weight(4, 1, 3, 3),
                "bias": weight(4),
            },
            {"alpha_in": 0.5, "alpha_out": 0.5, "stride": 2, "padding": 1, "groups": 4},
        ),
        Case(
            "all low in, all high out",
            {"low": maps(2, 3, 3, 2), "weight": weight(3, 2, 3, 3)},
            {"high": None, "alpha_in": 1, "alpha_out": 0, "padding": 1, "size": (5, 4)},
        ),
        Case(
            "every option",
            {
                "high": maps(1, 1, 3, 2, 3),
                "low": maps(1, 1, 2, 1, 2),
                "weight": weight(2, 2, 2, 1, 3),
                "bias": weight(2),
            },
            {"alpha_in": 0.5, "alpha_out": 0.5, "stride": (1, 2, 3), "padding": (1, 0, 1)},
        ),
    ),
)

OCTAVE_SPLIT = Operator(
    name="octave split",
    call=F.octave_split,
    layer=None,
    formula="x_H = the first channels; x_L = the last int(α C), averaged over 2 x ... x 2 cells",
    cost="0 (L · I additions)",
    source=PAPER,
    reference=reference.octave_split,
    linear=(("x",),),
    limits={"unbatched": Limit("dimension 1 is the channels: unbatched needs unsqueeze(0)")},
    cases=(
        Case("1/3 low", {"x": maps(2, 4, 7)}, {"alpha": "1/3"}),
        Case("half low", {"x": maps(2, 3, 5, 4)}, {"alpha": 0.5}),
        Case("half low", {"x": maps(1, 2, 3, 2, 5)}, {"alpha": 0.5}),
    ),
)

OCTAVE_MERGE = Operator(
    name="octave merge",
    call=F.octave_merge,
    layer=None,
    formula="x = x_H beside x_L, whose cells are repeated 2 x ... x 2 times",
    cost="0",
    source=PAPER,
    reference=reference.octave_merge,
    linear=(("high", "low"),),
    limits={"unbatched": Limit("dimension 1 is the channels: unbatched needs unsqueeze(0)")},
    cases=(
        Case("odd", {"high": maps(2, 2, 7), "low": maps(2, 1, 4)}),
        Case("odd and even", {"high": maps(2, 2, 5, 4), "low": maps(2, 1, 3, 2)}),
        Case("odd and even", {"high": maps(1, 1, 3, 2, 5), "low": maps(1, 2, 2, 1, 3)}),
    ),
)

FREQUENCY_SPLIT = Operator(
    name="frequency split",
    call=F.frequency_split,
    layer=None,
    formula="low = up(down(x)); high = x − low",
    cost="0 (C · I additions)",
    source=PAPER,
    reference=reference.frequency_split,
    linear=(("image",),),
    limits={"unbatched": Limit("dimension 1 is the channels: unbatched needs unsqueeze(0)")},
    cases=(
        Case("odd", {"image": maps(2, 2, 7)}),
        Case("odd and even", {"image": maps(2, 2, 5, 4)}),
        Case("odd and even", {"image": maps(1, 2, 3, 2, 5)}),
    ),
)


NORMS = {  # by the dimensions of maps; their parameters come with a case
    3: nn.OctaveBatchNorm1d(3, track_running_stats=False, device="meta"),
    4: nn.OctaveBatchNorm2d(3, track_running_stats=False, device="meta"),
    5: nn.OctaveBatchNorm3d(3, track_running_stats=False, device="meta"),
}


def octave_batch_norm(high: Tensor, low: Tensor, weight: Tensor, bias: Tensor) -> object:
    """Apply the layer in training, with the given parameters and without running statistics."""
    norm = NORMS[high.ndim]
    return functional_call(norm, {"weight": weight, "bias": bias}, ((high, low),))


def octave_batch_norm_reference(
    high: Tensor, low: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring every channel to mean 0 and variance 1, on the cells it has."""
    halves, channel = [], 0
    for half in (high, low):
        normalized = []
        for c in range(half.shape[1]):
            x = half[:, c]
            centred = x - x.mean()
            scale = weight[channel] / torch.sqrt((centred**2).mean() + 1e-5)
            normalized.append(centred * scale + bias[channel])
            channel += 1
        halves.append(torch.stack(normalized, 1))
    return halves[0], halves[1]


def _octave_batch_norm(high: Argument, low: Argument) -> Case:
    channels = high.shape[1] + low.shape[1]
    return Case(
        "training",
        {"high": high, "low": low, "weight": weight(channels), "bias": weight(channels)},
    )


OCTAVE_BATCH_NORM = Operator(
    name="octave batch normalization",
    call=octave_batch_norm,
    layer="OctaveBatchNorm",
    formula="y[c] = (x[c] − mean) / √(variance + ε) · w[c] + b[c], each channel on its own grid",
    cost="2 · (H · I + L · I/2^d)",
    source=PAPER + "; Ioffe, Szegedy, 2015, arXiv:1502.03167",
    reference=octave_batch_norm_reference,
    limits={"unbatched": Limit(BATCHED.reason)},
    cases=(
        _octave_batch_norm(maps(3, 2, 5), maps(3, 1, 3)),
        _octave_batch_norm(maps(3, 2, 5, 2), maps(3, 1, 3, 1)),
        _octave_batch_norm(maps(2, 1, 3, 2, 3), maps(2, 2, 2, 1, 2)),
    ),
)

OPERATORS = (
    OCTAVE_CONV,
    OCTAVE_CONV_TRANSPOSE,
    OCTAVE_SPLIT,
    OCTAVE_MERGE,
    FREQUENCY_SPLIT,
    OCTAVE_BATCH_NORM,
)
