"""The native kernels: what they decline, how they are called, what graphs know of them.

A pooling records which tap of a window was taken, a byte for each output; its gradient and the
public int64 indices follow from these. Every gradient is a linear operator, and the derivative of a
linear operator is its adjoint: `place_taps` and `take_taps` are each other's, and so are the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ...bind import Axis, Bound
from .. import layout
from ..native import native_status, unavailable
from .arguments import check_indices, check_weights

ROOM = 1 << 15  # elements of the buffer in planes.h
LANES = 16  # of the widest vectors
TAPS = 256  # what a byte can tell apart


def declines(input: Tensor, bound: Bound, *_: object) -> str | None:
    """Say why the kernels do not take this, or return None."""
    return unavailable(input) or _too_large(bound.axes)


def declines_taps(input: Tensor, bound: Bound, *_: object) -> str | None:
    """As `declines`, where taps are recorded."""
    if prod([axis.kernel for axis in bound.axes]) > TAPS:
        return f"the window has more than {TAPS} cells"
    return declines(input, bound)


def declines_maximum(input: Tensor, bound: Bound) -> str | None:
    """As `declines`; taps are recorded for the gradient alone."""
    return declines_taps(input, bound) if _differentiable(input) else declines(input, bound)


def declines_indices(input: Tensor, indices: Tensor, bound: Bound) -> str | None:
    """As `declines`, where no window is read."""
    return unavailable(input)


def _too_large(axes: Sequence[Axis]) -> str | None:
    """Whether the sources of one vector of outputs exceed the buffer."""
    *_, rows, columns = (*(Axis(1, 1, 1, 1, 1, 0, 0),) * 2, *axes)
    needed = prod([axis.kernel for axis in axes[:-2]])
    for axis, least in ((rows, 1), (columns, LANES)):
        reach = (axis.kernel - 1) * axis.dilation // axis.stride
        needed *= min(axis.kernel, axis.stride) * (reach + least)
    return "the window is too large" if needed > ROOM else None


# ------------------------------------------------------------------------------------ the operators


def max_pool(input: Tensor, bound: Bound) -> Tensor:
    """Take the maximum of every window."""
    output: Tensor
    if _differentiable(input):
        output, _ = _pooled("max_pool_with_taps", input, bound, _window(bound))
        return output
    output = _batched(lambda x: call("max_pool", x, _coarse(bound), *_window(bound)), input, bound)
    return output


def max_pool_with_indices(input: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
    """Take the maximum of every window, and its flat index among the input's spatial cells."""
    output, indices = _pooled(
        "max_pool_with_taps", input, bound, _window(bound), return_indices=True
    )
    return output, indices


def stochastic_pool(
    input: Tensor, bound: Bound, generator: torch.Generator | None, return_indices: bool
) -> tuple[Tensor, Tensor | None]:
    """Draw one cell of every window in proportion to its value; its index too, if wanted."""
    window = _window(bound)[:-1]  # without dilation
    if torch.compiler.is_compiling():
        seed = _seed(None)
        return _pooled("stochastic_pool", input, bound, window, seed, return_indices=return_indices)
    source = torch.default_generator if generator is None else generator
    state = source.get_state()
    try:
        seed = _seed(source)
        return _pooled("stochastic_pool", input, bound, window, seed, return_indices=return_indices)
    except RuntimeError:
        source.set_state(state)  # refused before any draw
        check_weights(input.detach())  # names the value
        raise


def _seed(generator: torch.Generator | None) -> Tensor:
    return torch.randint(2**63 - 1, (), generator=generator)


def avg_pool(
    input: Tensor, bound: Bound, count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """Divide the sum of every window by the number of its cells."""
    kernel, stride, low, dilation = _window(bound)
    high = [axis.pad_high for axis in bound.axes]
    arguments = (kernel, stride, low, high, dilation, count_include_pad, divisor_override)
    output: Tensor = _batched(
        lambda x: call("avg_pool", x, _coarse(bound), *arguments), input, bound
    )
    return output


def max_unpool(input: Tensor, indices: Tensor, bound: Bound) -> Tensor:
    """Write every value to the cell of its index; of several for one cell, the last in C order."""
    size = _fine(bound)
    try:
        if input.ndim == len(size) + 2:
            output: Tensor = call("max_unpool", input, indices, size)
        else:
            output = call("max_unpool", input.unsqueeze(0), indices.unsqueeze(0), size).squeeze(0)
    except RuntimeError:
        if not torch.compiler.is_compiling():
            check_indices(indices, size)  # names the index
        raise
    return output


def avg_unpool(input: Tensor, bound: Bound) -> Tensor:
    """Give every cell the average of the values whose windows hold it; zero where none does."""
    window = _window(bound)[:-1]
    output: Tensor = _batched(lambda x: call("avg_unpool", x, _fine(bound), *window), input, bound)
    return output


def _pooled(
    name: str, input: Tensor, bound: Bound, window: Sequence[Any], *seed: Tensor,
    return_indices: bool = False,
) -> tuple[Tensor, Any]:  # fmt: skip
    """Pool with one of the operators that record taps; return indices, or None in their place."""

    def pooled(x: Tensor) -> tuple[Tensor, Tensor | None]:
        output, taps = call(name, x, *seed, _coarse(bound), *window)
        if not return_indices:
            return output, None
        return output, call("tap_indices", taps, _fine(bound), *_window(bound))

    output, indices = _batched(pooled, input, bound)
    return output, indices


def _batched(kernel: Callable[[Tensor], Any], input: Tensor, bound: Bound) -> Any:
    """Call a kernel, which takes batches alone."""
    if input.ndim == len(bound.axes) + 2:
        return kernel(input)
    result = kernel(input.unsqueeze(0))
    if isinstance(result, Tensor):
        return result.squeeze(0)
    return tuple(None if y is None else y.squeeze(0) for y in result)


def _window(bound: Bound) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return kernel, stride, low padding and dilation."""
    axes = bound.axes
    return (
        [axis.kernel for axis in axes],
        [axis.stride for axis in axes],
        [axis.pad_low for axis in axes],
        [axis.dilation for axis in axes],
    )


def _coarse(bound: Bound) -> list[int]:
    return [axis.coarse for axis in bound.axes]


def _fine(bound: Bound) -> list[int]:
    return [axis.fine for axis in bound.axes]


# ------------------------------------------------------------------------------ calls and gradients

OPERATORS: dict[str, Any] = {}
FUNCTIONS: dict[str, Any] = {}  # of torch.autograd, for those that have a gradient


def _differentiable(input: Tensor) -> bool:
    return torch.is_grad_enabled() and input.requires_grad


def call(name: str, input: Tensor, *arguments: Any) -> Any:
    """Call an operator in the cheapest way that keeps its gradient.

    The gradient of a registered operator costs several microseconds even where none is wanted.
    """
    if torch.compiler.is_compiling():
        return OPERATORS[name](input, *arguments)
    if _differentiable(input):
        return FUNCTIONS[name].apply(input, *arguments)
    with torch._C._AutoDispatchBelowAutograd():
        return OPERATORS[name](input, *arguments)


Keep = Callable[[Any, tuple[Any, ...], Any], None]
Gradient = Callable[..., Any]


def _register(name: str, fake: Callable[..., Any], keep: Keep, gradient: Gradient) -> None:
    """Give an operator its fake and its gradient, in graphs and called eagerly."""
    operator = OPERATORS[name] = getattr(torch.ops.juanji, name).default

    def forward(*arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    def backward(ctx: Any, *grads: Any) -> Any:
        # of the outputs, values come first; of the inputs, they alone have a gradient
        return gradient(ctx, grads[0]), *(None,) * (len(operator._schema.arguments) - 1)

    members = {"forward": forward, "setup_context": keep, "backward": backward}
    FUNCTIONS[name] = type(name, (Function,), {k: staticmethod(v) for k, v in members.items()})
    torch.library.register_fake(f"juanji::{name}", fake)
    torch.library.register_autograd(f"juanji::{name}", backward, setup_context=keep)


def _keep_input(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, *ctx.arguments = inputs
    ctx.save_for_backward(input)


def _keep_size(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, _, *ctx.arguments = inputs
    ctx.size = list(input.shape[2:])


def _keep_route(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, route, *ctx.arguments = inputs
    ctx.size = list(input.shape[2:])
    ctx.save_for_backward(route)


def _keep_taps(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    input, *arguments = inputs
    ctx.size = list(input.shape[2:])
    ctx.window = [given for given in arguments if not isinstance(given, Tensor)][1:]
    ctx.window += [[1] * len(ctx.size)] * (4 - len(ctx.window))  # no dilation
    ctx.save_for_backward(output[1])


def _place(ctx: Any, grad: Tensor) -> Any:
    return call("place_taps", grad, *ctx.saved_tensors, ctx.size, *ctx.window)


def _recompute(ctx: Any, grad: Tensor) -> Any:
    """Find the taps that `max_pool` did not record."""
    (input,) = ctx.saved_tensors
    with torch.no_grad():
        _, taps = call("max_pool_with_taps", input, *ctx.arguments)
    return call("place_taps", grad, taps, list(input.shape[2:]), *ctx.arguments[1:])


def _adjoint(name: str) -> Gradient:
    """Return the gradient of a linear operator that takes the size of its result."""
    return lambda ctx, grad: call(name, grad, ctx.size, *ctx.arguments)


# -------------------------------------------------------------------------------- what graphs know


def _like(input: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    return _new(input, size, input.dtype, layout.channels_innermost(input, len(size)))


def _like_with_taps(input: Tensor, size: Sequence[int], *_: Any) -> tuple[Tensor, Tensor]:
    innermost = layout.channels_innermost(input, len(size))
    return _like(input, size), _new(input, size, torch.uint8, innermost)


def _placed(input: Tensor, taps: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    innermost = layout.channels_innermost(taps, len(size)) and input.stride(1) == 1
    return _new(input, size, input.dtype, innermost)


def _new(input: Tensor, size: Sequence[int], dtype: torch.dtype, innermost: bool) -> Tensor:
    shape = (*input.shape[:2], *size)
    return layout.empty(input.new_empty((), dtype=dtype), shape, innermost)


def _register_all() -> None:
    _register("max_pool", _like, _keep_input, _recompute)
    _register("max_pool_with_taps", _like_with_taps, _keep_taps, _place)
    _register(
        "stochastic_pool",
        lambda input, seed, size, *_: _like_with_taps(input, size),
        _keep_taps,
        _place,
    )
    _register(
        "place_taps",
        _placed,
        _keep_route,
        lambda ctx, grad: call("take_taps", grad, *ctx.saved_tensors, *ctx.arguments[1:]),
    )
    _register(
        "take_taps",
        lambda input, taps, *_: _like(input, taps.shape[2:]),
        _keep_route,
        lambda ctx, grad: call("place_taps", grad, *ctx.saved_tensors, ctx.size, *ctx.arguments),
    )
    for name in ("avg_pool", "avg_unpool"):
        _register(name, _like, _keep_size, _adjoint(f"{name}_gradient"))
        _register(f"{name}_gradient", _like, _keep_size, _adjoint(name))
    _register(
        "max_unpool",
        lambda input, indices, size: _like(input, size),
        _keep_route,
        lambda ctx, grad: call("max_unpool_gradient", grad, *ctx.saved_tensors),
    )
    _register(
        "max_unpool_gradient",
        lambda grad, indices: _like(grad, indices.shape[2:]),
        _keep_route,
        lambda ctx, grad: call("max_unpool", grad, *ctx.saved_tensors, ctx.size),
    )
    OPERATORS["tap_indices"] = torch.ops.juanji.tap_indices.default
    torch.library.register_fake(
        "juanji::tap_indices",
        lambda taps, *_: _new(
            taps, taps.shape[2:], torch.int64, layout.channels_innermost(taps, taps.ndim - 2)
        ),
    )


if native_status().isa is not None:
    _register_all()
