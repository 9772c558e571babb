"""An operator of the loaded library, with its shapes and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function
from torch.compiler import is_compiling

from ..follow import take
from ..memory import is_out_of_memory
from ..plain import is_plain

# Puts into the context what the gradient needs of the inputs and the output.
Keep: TypeAlias = Callable[[Any, tuple[Any, ...], Any], None]
# The context and the gradient of the first output -> those of the first inputs; no other has one.
Gradient: TypeAlias = Callable[[Any, Tensor], tuple[Tensor | None, ...]]


class Knowing:
    """What knows calls of an operator again: native/again.h.

    `again(handle, *tensors)` returns the output for tensors that lie as those of a call that was
    remembered under the handle, with its numbers; None where there was none.
    """

    def __init__(self, name: str) -> None:
        remember = getattr(torch.ops.juanji, f"remember_{name}").default
        again = getattr(torch.ops.juanji, f"again_{name}").default
        kinds = [str(argument.type) for argument in remember._schema.arguments]
        self.tensors = sum("Tensor" in kind for kind in kinds)  # arguments; the others are numbers
        self.remember: Callable[..., int] = remember._op  # (*arguments, handle or -1) -> handle
        self.again: Callable[..., Tensor | None] = again._op
        # It needs no gradient, nor what torch does in its place.
        LIBRARY.impl(again, torch.library.fallthrough_kernel, "Autograd")


LIBRARY = torch.library.Library("juanji", "IMPL")
KNOWING: dict[Callable[..., Any], Knowing] = {}  # by Kernel.plain
MOST = 4096  # lists of numbers that a kernel remembers


class Kernel:
    """An operator that is called in the cheapest way that keeps its gradient.

    Its numbers, which follow its tensors, are integers and tuples of them. `fake` tells graphs the
    shape of the output. Where a gradient is recorded, torch's dispatcher
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
        if hasattr(torch.ops.juanji, f"remember_{name}"):
            knowing = Knowing(name)
            self.plain = _known(self.plain, knowing)
            KNOWING[self.plain] = knowing
        self.recorded: Callable[..., Any] | None = None
        self.first_recorded: Callable[..., Any] | None = None  # if there are several outputs
        torch.library.register_fake(f"juanji::{name}", fake)
        if keep is not None and gradient is not None:
            backward = _backward(gradient, len(self.operator._schema.arguments))
            torch.library.register_autograd(f"juanji::{name}", backward, setup_context=keep)
            self.recorded = _function(name, self.plain, keep, backward).apply
            if len(self.operator._schema.returns) > 1:
                self.first_recorded = _function(name, self.plain, keep, backward, first=True).apply

    def __call__(self, *arguments: Any) -> Any:
        """Call the operator.

        Raises:
            MemoryError: there is not enough, in a backward pass too.
        """
        if is_compiling():
            return self.operator(*arguments)
        if self.recorded is not None and wants_gradient(*arguments):
            return _take(self.recorded, arguments)
        return _take(self.plain, arguments)

    def first(self, *arguments: Any) -> Any:
        """Call it for the first of its outputs alone, or for its only one, likewise."""
        if self.first_recorded is None:
            return self(*arguments)
        if is_compiling() or not wants_gradient(*arguments):
            return self(*arguments)[0]
        return _take(self.first_recorded, arguments)


def _take(run: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
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


def _known(plain: Callable[..., Any], knowing: Knowing) -> Callable[..., Any]:
    """Let an operator know calls again; what follows its tensors must be a key."""
    again, remember, count = knowing.again, knowing.remember, knowing.tensors
    handles: dict[tuple[Any, ...], int] = {}

    def known(*arguments: Any) -> Any:
        if not is_plain():
            return plain(*arguments)
        numbers = arguments[count:]
        if (handle := handles.get(numbers, -1)) >= 0:
            try:
                if (output := again(handle, *arguments[:count])) is not None:
                    return output
            except RuntimeError:  # the operator itself tells more, or serves: batches of gradients
                return plain(*arguments)
        output = plain(*arguments)
        if handle >= 0 or len(handles) < MOST:
            handles[numbers] = remember(*arguments, handle)
        return output

    return known


def _backward(gradient: Gradient, inputs: int) -> Callable[..., tuple[Tensor | None, ...]]:
    nones = (None,) * inputs

    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        found = () if grad is None else gradient(ctx, grad)
        return found + nones[len(found) :]

    return backward


def _function(
    name: str,
    plain: Callable[..., Any],
    keep: Keep,
    backward: Callable[..., Any],
    first: bool = False,
) -> type[Function]:
    """Return the operator with its gradient, or with the first of its outputs alone."""

    def forward(ctx: Any, *inputs: Any) -> Any:
        ctx.set_materialize_grads(False)  # zeros for a second output, which nobody reads
        output = plain(*inputs)
        keep(ctx, inputs, output)
        return output[0] if first else output

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(name, (Function,), members)


def wants_gradient(*arguments: Any) -> bool:
    """Whether a gradient is recorded, and one of the tensors among the arguments takes part."""
    if torch.is_grad_enabled():
        for x in arguments:
            if isinstance(x, torch.Tensor) and x.requires_grad:
                return True
    return False
