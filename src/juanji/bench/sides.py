"""What takes turns in a cell: calls of ours and of the peers, on tensors in the cell's layout.

- "ours";
- "as given": torch on the same tensors;
- "channels last": torch on tensors converted to channels last, the result converted back to the
  layout given; in one dimension, as maps of one row. Left out where it would be "as given" again.
  Together these two make the better layout: the faster of them;
- "max pooling": ours, beside stochastic pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import operators
from .cases import Case, Cell, Direction, Layout
from .operators import Call

Timed = Callable[[], Tensor]
Convert = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Set:
    """Random operands of a case and a gradient of its output, contiguous."""

    operands: tuple[Tensor, ...]
    upstream: Tensor  # (N, C, *output)

    @classmethod
    def draw(cls, case: Case) -> Set:
        """Draw one."""
        return cls(operators.draw(case), torch.randn(case.output_shape))

    def converted(self, convert: Convert) -> Set:
        """Convert each tensor."""
        return Set(tuple(convert(x) for x in self.operands), convert(self.upstream))


def sides(cell: Cell, sets: Sequence[Set]) -> dict[str, list[Timed]]:
    """Return the sides of a cell by name, each with one call for each set."""
    case = cell.case
    given = [one.converted(lambda x: lay_out(x, cell.layout)) for one in sets]
    result = {
        "ours": [direct(operators.ours(case), cell.direction, one) for one in given],
        "as given": [direct(operators.theirs(case), cell.direction, one) for one in given],
    }
    if cell.layout == "contiguous" or case.dimensions == 1:
        call = operators.theirs(case, lifted=case.dimensions == 1)
        result["channels last"] = [converting(call, cell, one) for one in given]
    if case.operator == "stochastic-pool":
        call = operators.ours(replace(case, operator="max-pool"))
        result["max pooling"] = [direct(call, cell.direction, one) for one in given]
    return result


def direct(call: Call, direction: Direction, given: Set) -> Timed:
    """Return the forward pass, or one gradient of it whose graph is built beforehand."""
    if direction == "forward":

        def forward() -> Tensor:
            with torch.inference_mode():
                return call(*given.operands)

        return forward
    output, leaf = graph(call, direction, given.operands)

    def backward() -> Tensor:
        return torch.autograd.grad(output, leaf, given.upstream, retain_graph=True)[0]

    return backward


def converting(call: Call, cell: Cell, given: Set) -> Timed:
    """Return the same through channels last, with the conversions of what the direction reads.

    A gradient converts the gradient it is given and its result. Operands were converted by the
    forward pass, which a real network has run, and are not converted again: torch at its best.
    """
    lift, lower = lifting(cell)
    if cell.direction == "forward":

        def forward() -> Tensor:
            with torch.inference_mode():
                return lower(call(*map(lift, given.operands)))

        return forward
    output, leaf = graph(call, cell.direction, tuple(map(lift, given.operands)))

    def backward() -> Tensor:
        upstream = lift(given.upstream)
        return lower(torch.autograd.grad(output, leaf, upstream, retain_graph=True)[0])

    return backward


def graph(call: Call, direction: Direction, operands: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the output with its graph and the operand whose gradient is wanted, alone."""
    wanted = 0 if direction == "input gradient" else 1
    leaves = [
        x.detach().requires_grad_() if index == wanted else x for index, x in enumerate(operands)
    ]
    return call(*leaves), leaves[wanted]


def lifting(cell: Cell) -> tuple[Convert, Convert]:
    """Return the way to channels last and the way back to the cell's layout."""
    if cell.case.dimensions > 1:
        return lambda x: lay_out(x, "channels last"), lambda x: lay_out(x, cell.layout)
    return (
        lambda x: lay_out(x.unsqueeze(2), "channels last"),
        lambda x: lay_out(x.squeeze(2), cell.layout),
    )


def lay_out(x: Tensor, layout: Layout) -> Tensor:
    """Return a tensor in a layout, itself if it has it already.

    With channels last, (N, C, *spatial) lies in memory as (N, *spatial, C).
    """
    if layout == "contiguous":
        return x.contiguous()
    return x.movedim(1, -1).contiguous().movedim(-1, 1)
