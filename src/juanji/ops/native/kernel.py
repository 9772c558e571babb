"""An operator of the loaded library, with its shapes and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function
from torch.compiler import is_compiling

from ..follow import take
from ..memory import is_out_of_memory

# Puts into the context what the gradient needs of the inputs and the output.
Keep: TypeAlias = Callable[[Any, tuple[Any, ...], Any], None]
# The context and the gradient of the first output -> those of the first inputs; no other has one.
Gradient: TypeAlias = Callable[[Any, Tensor], tuple[Tensor | None, ...]]


class Knowing(NamedTuple):
    """What knows calls of an operator again: native/again.h.

    `remember(*arguments, handle)` returns a handle, a new one if -1 is given; `again(handle,
    *tensors)` returns the output for tensors that lie as remembered ones, or None.
    """

    remember: Callable[..., int]
    again: Callable[..., Tensor | None]


KNOWING: dict[Callable[..., Any], Knowing] = {}  # by Kernel.plain
LIBRARY = torch.library.Library("juanji", "IMPL")


class Kernel:
    """An operator that is called in the cheapest way that keeps its gradient.

    `fake` tells graphs the shape of the output. Where a gradient is recorded, torch's dispatcher
    would come back to Python for it, and so would a Function that has `setup_context`: each costs
    as much as a small convolution, so that eager calls take a Function of torch's older form.
    """

    def __init__(
        self,
        name: str,
        fake: Callable[..., Any],
        keep: Keep | None = None,
        gradient: Gradient | None = None,
    ) -> None:
        self.operator = getattr(torch.ops.juanji, name).default
        self.plain = _below_autograd(self.operator._op)  # without a call in between
        if (remember := getattr(torch.ops.juanji, f"remember_{name}", None)) is not None:
            again = getattr(torch.ops.juanji, f"again_{name}").default
            KNOWING[self.plain] = Knowing(remember.default._op, again._op)
            # It needs no gradient, nor what torch does in its place.
            LIBRARY.impl(again, torch.library.fallthrough_kernel, "Autograd")
        self.recorded: Callable[..., Any] | None = None
        torch.library.register_fake(f"juanji::{name}", fake)
        if keep is not None and gradient is not None:
            backward = _backward(gradient, len(self.operator._schema.arguments))
            torch.library.register_autograd(f"juanji::{name}", backward, setup_context=keep)
            self.recorded = _function(name, self.plain, keep, backward).apply

    def __call__(self, *arguments: Any) -> Any:
        """Call the operator.

        Raises:
            MemoryError: there is not enough, in a backward pass too.
        """
        if is_compiling():
            return self.operator(*arguments)
        run = self.plain
        if self.recorded is not None and wants_gradient(*arguments):
            run = self.recorded
        try:
            return take(run, arguments)
        except RuntimeError as error:  # of a forward pass the public function tells, by its name
            if torch._C._current_graph_task_id() == -1 or not is_out_of_memory(error):
                raise
            raise MemoryError(str(error)) from None


def _below_autograd(operator: Any) -> Callable[..., Any]:
    below = torch._C._AutoDispatchBelowAutograd

    def plain(*arguments: Any) -> Any:
        with below():
            return operator(*arguments)

    return plain


def _backward(gradient: Gradient, inputs: int) -> Callable[..., tuple[Tensor | None, ...]]:
    nones = (None,) * inputs

    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        found = () if grad is None else gradient(ctx, grad)
        return found + nones[len(found) :]

    return backward


def _function(
    name: str, plain: Callable[..., Any], keep: Keep, backward: Callable[..., Any]
) -> type[Function]:
    def forward(ctx: Any, *inputs: Any) -> Any:
        ctx.set_materialize_grads(False)  # zeros for a second output, which nobody reads
        output = plain(*inputs)
        keep(ctx, inputs, output)
        return output

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(name, (Function,), members)


def wants_gradient(*arguments: Any) -> bool:
    """Whether a gradient is recorded, and one of the tensors among the arguments takes part."""
    if torch.is_grad_enabled():
        for x in arguments:
            if isinstance(x, torch.Tensor) and x.requires_grad:
                return True
    return False
