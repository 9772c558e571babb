"""Convolution and its transpose: the kernels that can compute them, the best first."""

from __future__ import annotations

from torch import Tensor

from ...bind import Bound
from .. import check
from ..dispatch import Candidate, dispatch
from . import choice, composed, native

CONVOLVE = (
    Candidate("native", native.convolve, choice.declines),
    Candidate("torch", composed.convolve),
)
CONVOLVE_TRANSPOSED = (
    Candidate("native", native.convolve_transposed, choice.declines),
    Candidate("torch", composed.convolve_transposed),
)


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Convolve; shapes as in `juanji.functional.conv`."""
    tensors = check.autocast(input, weight, bias)
    output: Tensor = dispatch("conv", CONVOLVE, *tensors, bound)
    return output


def convolve_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, bound: Bound) -> Tensor:
    """Apply the adjoint; shapes as in `juanji.functional.conv_transpose`."""
    tensors = check.autocast(input, weight, bias)
    output: Tensor = dispatch("conv_transpose", CONVOLVE_TRANSPOSED, *tensors, bound)
    return output
