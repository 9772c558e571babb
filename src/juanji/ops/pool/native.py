"""The native kernels: what they decline, how they are called, what graphs know of them.

A pooling records which tap of a window was taken, a byte for each output; its gradient and the
public int64 indices follow from these. Every gradient is a linear operator, and the derivative of a
linear operator is its adjoint: `place_taps` and `take_taps` are each other's, and so are the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling

from ...bind import Axis, Bound
from .. import layout
from ..native import Kernel, native_status, unavailable, vector_lanes, wants_gradient
from ..native.kernel import Gradient, Keep
from .arguments import check_indices, check_weights

ROOM = 1 << 15  # elements of the buffer in planes.h
LANES = 16  # of the widest vectors
TAPS = 256  # what a byte can tell apart
FEW = 8  # channels, of volumes
WHOLE = (torch.float32, torch.float64)  # computed in as they are


def declines(input: Tensor, bound: Bound, *_: object) -> str | None:
    """Say why the kernels do not take this, or return None."""
    return unavailable(input) or _numbers(bound).too_large


def declines_taps(input: Tensor, bound: Bound, *_: object) -> str | None:
    """As `declines`, where taps are recorded."""
    numbers = _numbers(bound)
    return unavailable(input) or numbers.too_many_taps or numbers.too_large


def declines_maximum(input: Tensor, bound: Bound) -> str | None:
    """As `declines`; taps are recorded for the gradient alone.

    Torch is fast along lines, and over whole quarters of vectors of channels side by side; its
    kernel for such volumes gives wrong indices, so that there is only a slow way round.
    """
    axes, gradient = len(bound.axes), wants_gradient(input)
    channels = _fill_no_vector(input, axes) if axes < 3 else 0
    if channels and (channels % 4 == 0 or (axes == 1 and not gradient)):
        return f"{channels} channels side by side fill no vector"
    if gradient:
        return declines_taps(input, bound)
    if axes == 1 and input.dtype in WHOLE and input.stride(-1) == 1:
        (axis,) = bound.axes
        pairs = axis.kernel == axis.stride == 2 and input.dtype == torch.float32
        if not pairs and not is_compiling():
            return "torch takes the maximum along lines as fast as caches"
    return declines(input, bound)


def declines_draw(input: Tensor, bound: Bound, *_: object) -> str | None:
    """As `declines`; taps are recorded for the gradient alone."""
    return (declines_taps if wants_gradient(input) else declines)(input, bound)


def declines_average(input: Tensor, bound: Bound, *_: object) -> str | None:
    """As `declines`, and where channels side by side are too few for a vector."""
    axes = len(bound.axes)
    channels = _fill_no_vector(input, axes)
    if channels and (axes < 3 or channels < FEW):
        return f"{channels} channels side by side fill no vector"
    return declines(input, bound)


def _fill_no_vector(input: Tensor, axes: int) -> int:
    """Return how many channels lie side by side, if there are some, but fewer than a vector has."""
    channels = input.shape[-axes - 1]
    if 1 < channels < vector_lanes() and input.dtype in WHOLE:
        return channels if layout.channels_innermost(input, axes) else 0
    return 0


def declines_indices(input: Tensor, indices: Tensor, bound: Bound) -> str | None:
    """As `declines`, where no window is read."""
    return unavailable(input)


Ints = tuple[int, ...]


class _Numbers(NamedTuple):
    """What the kernels are told of a bound, and why they may decline it.

    `pool` and `unpool` are one list each, which is read in a fraction of the time of six: for every
    axis the size of the output, then kernel, stride, low padding, dilation and high padding, of
    which the last two are left out where there is none.
    """

    axes: int
    pool: Ints
    unpool: Ints
    too_large: str | None
    too_many_taps: str | None


def _numbers(bound: Bound) -> _Numbers:
    """Count, or recall what was counted for this very object: a hash of it would cost more.

    Bindings are remembered, so that calls alike bring the same object.
    """
    if is_compiling():
        return _count(bound)
    known = _counted.get(id(bound))
    if known is not None and known[0] is bound:
        return known[1]
    if len(_counted) >= 4096:
        _counted.clear()
    _counted[id(bound)] = bound, (numbers := _count(bound))
    return numbers


def _count(bound: Bound) -> _Numbers:
    axes = bound.axes
    kernel = [axis.kernel for axis in axes]
    window = kernel + [axis.stride for axis in axes] + [axis.pad_low for axis in axes]
    dilation, high = [axis.dilation for axis in axes], [axis.pad_high for axis in axes]
    # what a graph is made for is not to depend on sizes
    if is_compiling() or any(high):
        window += dilation + high
    elif dilation != [1] * len(axes):
        window += dilation
    return _Numbers(
        len(axes),
        (*[axis.coarse for axis in axes], *window),
        (*[axis.fine for axis in axes], *window),
        _too_large(axes),
        f"the window has more than {TAPS} cells" if prod(kernel) > TAPS else None,
    )


_counted: dict[int, tuple[Bound, _Numbers]] = {}  # held, so that no other takes its id


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
    numbers = _numbers(bound)
    name = "max_pool_with_taps" if wants_gradient(input) else "max_pool"
    return _batched(name, input, numbers.axes, numbers.pool)


def max_pool_with_indices(input: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
    """Take the maximum of every window, and its flat index among the input's spatial cells."""
    return _with_indices("max_pool_with_taps", input, _numbers(bound))


def stochastic_pool(input: Tensor, bound: Bound, generator: torch.Generator | None) -> Tensor:
    """Draw one cell of every window in proportion to its value."""
    numbers = _numbers(bound)

    def draw(seed: Tensor) -> Tensor:
        name = "stochastic_pool_with_taps" if wants_gradient(input) else "stochastic_pool"
        return _batched(name, input, numbers.axes, seed, numbers.pool)

    output: Tensor = _seeded(draw, input, generator)
    return output


def stochastic_pool_with_indices(
    input: Tensor, bound: Bound, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw one cell of every window in proportion to its value; its index too."""
    numbers = _numbers(bound)

    def draw(seed: Tensor) -> tuple[Tensor, Tensor]:
        return _with_indices("stochastic_pool_with_taps", input, numbers, seed)

    output, indices = _seeded(draw, input, generator)
    return output, indices


def _seeded(draw: Callable[[Tensor], Any], input: Tensor, generator: torch.Generator | None) -> Any:
    """Draw with a seed that the generator gives, which a refused input does not use up."""
    if is_compiling():
        return draw(_seed(None))
    source = torch.default_generator if generator is None else generator
    state = source.get_state()
    try:
        return draw(_seed(source))
    except RuntimeError:
        source.set_state(state)
        check_weights(input.detach())  # names the value
        raise


def _seed(generator: torch.Generator | None) -> Tensor:
    return torch.randint(2**63 - 1, (), generator=generator)


def avg_pool(
    input: Tensor, bound: Bound, count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """Divide the sum of every window by the number of its cells."""
    numbers = _numbers(bound)
    return _batched(
        "avg_pool", input, numbers.axes, numbers.pool, count_include_pad, divisor_override
    )


def max_unpool(input: Tensor, indices: Tensor, bound: Bound) -> Tensor:
    """Write every value to the cell of its index; of several for one cell, the last in C order."""
    numbers = _numbers(bound)
    size = numbers.unpool[: numbers.axes]
    try:
        if input.ndim == len(size) + 2:
            output: Tensor = call("max_unpool", input, indices, size)
        else:
            output = call("max_unpool", input.unsqueeze(0), indices.unsqueeze(0), size).squeeze(0)
    except RuntimeError:
        if not is_compiling():
            check_indices(indices, size)  # names the index
        raise
    return output


def avg_unpool(input: Tensor, bound: Bound) -> Tensor:
    """Give every cell the average of the values whose windows hold it; zero where none does."""
    numbers = _numbers(bound)
    return _batched("avg_unpool", input, numbers.axes, numbers.unpool)


def _with_indices(
    name: str, input: Tensor, numbers: _Numbers, *seed: Tensor
) -> tuple[Tensor, Tensor]:
    """Pool with one of the operators that record taps; return indices too."""
    batched = input.ndim == numbers.axes + 2
    output, taps = call(name, input if batched else input.unsqueeze(0), *seed, numbers.pool)
    indices = call("tap_indices", taps, numbers.unpool)
    return (output, indices) if batched else (output.squeeze(0), indices.squeeze(0))


def _batched(name: str, input: Tensor, axes: int, *arguments: Any) -> Tensor:
    """Call an operator, which takes batches alone, for its output or the first of them."""
    kernel = KERNELS[name]
    output: Tensor
    if input.ndim == axes + 2:
        output = kernel.first(input, *arguments)
    else:
        output = kernel.first(input.unsqueeze(0), *arguments).squeeze(0)
    return output


# ------------------------------------------------------------------------------ calls and gradients

KERNELS: dict[str, Kernel] = {}


def call(name: str, input: Tensor, *arguments: Any) -> Any:
    """Call the operator of that name."""
    return KERNELS[name](input, *arguments)


def _register(name: str, fake: Callable[..., Any], keep: Keep, gradient: Gradient) -> None:
    """Make the kernel of an operator."""
    KERNELS[name] = Kernel(name, fake, keep, gradient)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, windows = inputs
    ctx.windows = tuple(windows)
    ctx.save_for_backward(*tensors)


def _keep_size(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, windows, *ctx.options = inputs
    ctx.windows = _turned(windows, input)


def _keep_route(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, taps, windows = inputs
    ctx.windows = _turned(windows, input)
    ctx.save_for_backward(taps)


def _keep_indices(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, indices, *_ = inputs
    ctx.size = tuple(input.shape[2:])
    ctx.save_for_backward(indices)


def _keep_taps(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.windows = _turned(inputs[-1], inputs[0])
    ctx.save_for_backward(output[1])


def _turned(windows: Sequence[int], input: Tensor) -> Ints:
    """Turn the relation round: the size of the input in place of that of the output."""
    return *input.shape[2:], *windows[input.ndim - 2 :]


def _place(ctx: Any, grad: Tensor) -> tuple[Tensor]:
    return (call("place_taps", grad, *ctx.saved_tensors, ctx.windows),)


def _recompute(name: str) -> Gradient:
    """Find the taps that were not recorded, by the operator of that name."""

    def gradient(ctx: Any, grad: Tensor) -> tuple[Tensor]:
        input, *seed = ctx.saved_tensors
        with torch.no_grad():
            _, taps = call(name, input, *seed, ctx.windows)
        return (call("place_taps", grad, taps, _turned(ctx.windows, input)),)

    return gradient


def _adjoint(name: str) -> Gradient:
    """Return the gradient of a linear operator."""
    return lambda ctx, grad: (call(name, grad, ctx.windows, *ctx.options),)


def _along_route(name: str) -> Gradient:
    """The same where taps say what belongs together."""
    return lambda ctx, grad: (call(name, grad, *ctx.saved_tensors, ctx.windows),)


# -------------------------------------------------------------------------------- what graphs know


def _like(input: Tensor, windows: Sequence[int], *_: Any) -> Tensor:
    """An output, whose size comes first in `windows`."""
    axes = input.ndim - 2
    return _new(input, windows[:axes], input.dtype, layout.channels_innermost(input, axes))


def _like_with_taps(input: Tensor, windows: Sequence[int]) -> tuple[Tensor, Tensor]:
    axes = input.ndim - 2
    innermost = layout.channels_innermost(input, axes)
    return _like(input, windows), _new(input, windows[:axes], torch.uint8, innermost)


def _placed(input: Tensor, taps: Tensor, windows: Sequence[int]) -> Tensor:
    axes = input.ndim - 2
    innermost = layout.channels_innermost(taps, axes) and input.stride(1) == 1
    return _new(input, windows[:axes], input.dtype, innermost)


def _new(input: Tensor, size: Sequence[int], dtype: torch.dtype, innermost: bool) -> Tensor:
    shape = (*input.shape[:2], *size)
    return layout.empty(input.new_empty((), dtype=dtype), shape, innermost)


def _register_all() -> None:
    _register("max_pool", _like, _keep_inputs, _recompute("max_pool_with_taps"))
    _register("max_pool_with_taps", _like_with_taps, _keep_taps, _place)
    _register(
        "stochastic_pool",
        lambda input, seed, windows: _like(input, windows),
        _keep_inputs,
        _recompute("stochastic_pool_with_taps"),
    )
    _register(
        "stochastic_pool_with_taps",
        lambda input, seed, windows: _like_with_taps(input, windows),
        _keep_taps,
        _place,
    )
    _register("place_taps", _placed, _keep_route, _along_route("take_taps"))
    _register(
        "take_taps",
        lambda input, taps, windows: _like(input, windows),
        _keep_route,
        _along_route("place_taps"),
    )
    for name in ("avg_pool", "avg_unpool"):
        _register(name, _like, _keep_size, _adjoint(f"{name}_gradient"))
        _register(f"{name}_gradient", _like, _keep_size, _adjoint(name))
    _register(
        "max_unpool",
        lambda input, indices, size: _like(input, size),
        _keep_indices,
        lambda ctx, grad: (call("max_unpool_gradient", grad, *ctx.saved_tensors),),
    )
    _register(
        "max_unpool_gradient",
        lambda grad, indices: _like(grad, indices.shape[2:]),
        _keep_indices,
        lambda ctx, grad: (call("max_unpool", grad, *ctx.saved_tensors, ctx.size),),
    )
    KERNELS["tap_indices"] = Kernel(
        "tap_indices",
        lambda taps, *_: _new(
            taps, taps.shape[2:], torch.int64, layout.channels_innermost(taps, taps.ndim - 2)
        ),
    )


if native_status().isa is not None:
    _register_all()
