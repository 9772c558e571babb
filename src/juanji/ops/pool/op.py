"""Which kernels pool: the native ones, and behind them the composition of torch's functions."""

from __future__ import annotations

import torch
from torch import Tensor

from ...bind import Bound
from ..dispatch import Candidate, dispatch
from . import composed, native
from .arguments import check_weights


def _candidates(name: str, declines: str) -> tuple[Candidate, ...]:
    return (
        Candidate("native", getattr(native, name), getattr(native, declines)),
        Candidate("torch", getattr(composed, name)),
    )


MAX_POOL = _candidates("max_pool", "declines_maximum")
MAX_POOL_WITH_INDICES = _candidates("max_pool_with_indices", "declines_taps")
AVG_POOL = _candidates("avg_pool", "declines_average")
STOCHASTIC_POOL = _candidates("stochastic_pool", "declines_draw")
STOCHASTIC_POOL_WITH_INDICES = _candidates("stochastic_pool_with_indices", "declines_taps")
MAX_UNPOOL = _candidates("max_unpool", "declines_indices")
AVG_UNPOOL = _candidates("avg_unpool", "declines")


def max_pool(input: Tensor, bound: Bound) -> Tensor:
    """Take the maximum of every window."""
    output: Tensor = dispatch("max_pool", MAX_POOL, input, bound)
    return output


def max_pool_with_indices(input: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
    """Take the maximum of every window, and its flat index among the input's spatial cells."""
    found: tuple[Tensor, Tensor] = dispatch("max_pool", MAX_POOL_WITH_INDICES, input, bound)
    return found


def avg_pool(
    input: Tensor, bound: Bound, count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """Divide the sum of every window by the number of its cells."""
    output: Tensor = dispatch(
        "avg_pool", AVG_POOL, input, bound, count_include_pad, divisor_override
    )
    return output


def stochastic_pool(input: Tensor, bound: Bound, generator: torch.Generator | None) -> Tensor:
    """Draw one cell of every window in proportion to its value."""
    output: Tensor = dispatch("stochastic_pool", STOCHASTIC_POOL, input, bound, generator)
    return output


def stochastic_pool_with_indices(
    input: Tensor, bound: Bound, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw one cell of every window in proportion to its value; its index too."""
    drawn: tuple[Tensor, Tensor] = dispatch(
        "stochastic_pool", STOCHASTIC_POOL_WITH_INDICES, input, bound, generator
    )
    return drawn


def stochastic_mean(input: Tensor, bound: Bound) -> Tensor:
    """Return the expectation of the drawn value, sum(a^2) / sum(a); zero if all are zero."""
    check_weights(input.detach())
    exact = input.to(torch.promote_types(input.dtype, torch.float32))
    total, squares = (avg_pool(x, bound, True, 1) for x in (exact, exact * exact))
    mean = squares / total.masked_fill(total == 0, 1)
    return mean.to(input.dtype)


def max_unpool(input: Tensor, indices: Tensor, bound: Bound) -> Tensor:
    """Write every value to the cell of its index; of several for one cell, the last in C order."""
    output: Tensor = dispatch("max_unpool", MAX_UNPOOL, input, indices, bound)
    return output


def avg_unpool(input: Tensor, bound: Bound) -> Tensor:
    """Give every cell the average of the values whose windows hold it; zero where none does."""
    output: Tensor = dispatch("avg_unpool", AVG_UNPOOL, input, bound)
    return output
