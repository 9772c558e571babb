"""Channel shuffle, and convolution between two shuffles: what can compute them, the best first."""

from __future__ import annotations

from torch import Tensor

from ...bind import Bound
from .. import check
from ..conv import op as conv
from ..dispatch import Candidate, dispatch
from ..pointwise import native as pointwise
from . import composed, native


def shuffle(input: Tensor, groups: int, dim: int = 1) -> Tensor:
    """Shuffle dimension 0 or 1."""
    if dim == 0:
        return shuffle(input.unsqueeze(0), groups).squeeze(0)
    output: Tensor = dispatch("channel_shuffle", SHUFFLE, input, groups)
    return output


def convolve(
    input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound, before: int, after: int
) -> Tensor:
    """Shuffle by `before` groups, convolve, shuffle by `after`; shapes as in `conv`."""
    tensors = check.autocast(input, weight, bias)
    output: Tensor = dispatch("shuffled_conv", CONVOLVE, *tensors, bound, before, after)
    return output


def _one_after_the_other(
    input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound, before: int, after: int
) -> Tensor:
    channels = input.ndim - weight.ndim + 1
    if before > 1:
        input = shuffle(input, before, channels)
    output = conv.convolve(input, weight, bias, bound)
    return shuffle(output, after, channels) if after > 1 else output


SHUFFLE = (
    Candidate("native", native.shuffle, native.declines),
    Candidate("torch", composed.shuffle),
)
CONVOLVE = (
    Candidate("native", pointwise.convolve, pointwise.declines),
    Candidate("one after the other", _one_after_the_other),
)
