"""The definition of a 1x1 convolution between two shuffles, to be checked by eye."""

from __future__ import annotations

from torch import Tensor

from ..shuffle.reference import channel_shuffle


def pointwise_conv(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, before: int, after: int
) -> Tensor:
    """Shuffle by `before` groups, weight (C_out, C_in / groups, 1, ...), shuffle by `after`."""
    input = channel_shuffle(input, before)
    outputs, inputs = len(weight) // groups, weight.shape[1]
    output = input.new_zeros(len(input), len(weight), *input.shape[2:])
    for g in range(groups):
        for o in range(g * outputs, (g + 1) * outputs):
            for i in range(inputs):
                output[:, o] += weight[o, i].squeeze() * input[:, g * inputs + i]
            if bias is not None:
                output[:, o] += bias[o]
    return channel_shuffle(output, after)
