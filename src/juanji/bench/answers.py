"""Answers are checked before they are timed: against float64, or by the laws of a random draw."""

from __future__ import annotations

from functools import reduce
from math import isfinite

import torch
from torch import Tensor

from . import operators
from .cases import CONVOLUTIONS, Case, Cell, Direction
from .sides import Set

ERROR = 1e-4  # of float32 against float64, relative to the largest value
DEVIATIONS = 6.0  # of the mean of all draws from its expectation

Exact = dict[Direction, Tensor]  # float64


class WrongAnswerError(Exception):
    """A side computes something else."""


def exact(case: Case, given: Set) -> Exact:
    """Return what each direction should give, by torch in float64; nothing for a random draw."""
    if case.operator == "stochastic-pool":
        return {}
    operands = [x.double().requires_grad_() if x.is_floating_point() else x for x in given.operands]
    output = operators.theirs(case)(*operands)
    wanted = operands[: 2 if case.operator in CONVOLUTIONS else 1]
    gradients = torch.autograd.grad(output, wanted, given.upstream.double())
    return dict(zip(case.directions, (output.detach(), *gradients), strict=True))


def check(cell: Cell, side: str, answer: Tensor, given: Set, known: Exact) -> float:
    """Return the largest error relative to the largest value; 0 for a draw that obeys its laws.

    Raises:
        WrongAnswerError: the answer is wrong.
    """
    if not known:
        if side != "max pooling":
            check_draw(cell, answer.double(), given)
        return 0.0
    expected = known[cell.direction]
    if answer.shape != expected.shape:
        raise WrongAnswerError(f"shape {tuple(answer.shape)}, not {tuple(expected.shape)}")
    error = float((answer.double() - expected).abs().max() / expected.abs().max())
    if not error < ERROR:
        what = f"by {error:.1e} of the largest value" if isfinite(error) else "beyond measure"
        raise WrongAnswerError(f"differs from float64 {what}")
    return error


def check_draw(cell: Cell, answer: Tensor, given: Set) -> None:
    """Check a drawn pooling, or its gradient, by laws that every draw obeys."""
    case, x = cell.case, given.operands[0].double()
    shape = case.output_shape if cell.direction == "forward" else case.shape
    if answer.shape != shape:
        raise WrongAnswerError(f"shape {tuple(answer.shape)}, not {tuple(shape)}")
    values = windows(x, case.kernel)
    if cell.direction == "forward":
        if not (values == answer.unsqueeze(-1)).any(-1).all():
            raise WrongAnswerError("a value is not from its window")
        total = values.sum(-1).clamp(min=1e-30)
        mean = values.square().sum(-1) / total
        variance = values.pow(3).sum(-1) / total - mean.square()
        deviations = float((answer - mean).sum().abs() / variance.sum().sqrt().clamp(min=1e-30))
        if not deviations < DEVIATIONS:
            raise WrongAnswerError(
                f"the mean of all values is {deviations:.0f} deviations from its expectation"
            )
    else:
        gradients = windows(answer, case.kernel)
        most_one = (gradients != 0).sum(-1) <= 1  # none where the output's gradient is zero
        if not (most_one & (gradients.sum(-1) == given.upstream.double())).all():
            raise WrongAnswerError("the gradient of a window does not go to one of its cells")


def windows(x: Tensor, kernel: int) -> Tensor:
    """Cut into windows that do not overlap: (N, C, *spatial) to (N, C, *output, taps)."""
    axes = x.ndim - 2
    cut = reduce(lambda view, axis: view.unfold(axis, kernel, kernel), range(2, x.ndim), x)
    return cut.flatten(-axes)
