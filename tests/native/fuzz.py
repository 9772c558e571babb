"""Random calls of the native operators, on whole numbers, so that every answer is exact.

python -m tests.native.fuzz --seconds 600 --seed 0

Every case has a number, and draws all that it is from it; a failure prints it, and
`--case NUMBER` repeats that case alone. After each case its calls are made again with an argument
or two spoiled: what they answer does not matter, but they must answer or raise.
"""

from __future__ import annotations

import argparse
import functools
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as tf
from torch import Tensor

import juanji.functional  # noqa: F401 (loads the kernels)

Call = tuple[str, list[Any], tuple[Tensor, ...]]  # operator, arguments, answers
CONV = (tf.conv1d, tf.conv2d, tf.conv3d)
CONV_TRANSPOSE = (tf.conv_transpose1d, tf.conv_transpose2d, tf.conv_transpose3d)
FLOATS = (torch.float32, torch.float64, torch.bfloat16)
ANY = (*FLOATS, torch.float16, torch.int8, torch.bool, torch.int64, torch.complex128)
NASTY = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 2**31, 2**62, 2**63 - 1)
LAYOUTS = (
    "contiguous", "channels last", "sliced", "sliced channels last", "reversed", "overlapping",
)  # fmt: skip


class Draw(random.Random):
    """Draws sizes, windows, and tensors in all layouts."""

    dtype = torch.float32

    def many(self, count: int, low: int, high: int) -> list[int]:
        """Draw `count` numbers from low to high."""
        return [self.randint(low, high) for _ in range(count)]

    def numbers(self, *shape: int, dtype: torch.dtype | None = None, low: int = -3) -> Tensor:
        """Draw small whole numbers, in any layout."""
        generator = torch.Generator().manual_seed(self.getrandbits(32))
        drawn = torch.randint(low, 4, shape, generator=generator).to(dtype or self.dtype)
        return self.laid_out(drawn)

    def laid_out(self, x: Tensor) -> Tensor:
        """Return the same numbers in a layout; overlapping cells make some of them equal."""
        layout = self.choice(LAYOUTS)
        if layout == "overlapping" and x.numel():
            steps = self.many(x.ndim, 0, 2)
            room = 1 + sum(step * (size - 1) for step, size in zip(steps, x.shape, strict=True))
            return x.flatten().repeat(math.ceil(room / x.numel())).as_strided(x.shape, steps)
        last = list(range(x.ndim))
        if "channels last" in layout and x.ndim > 2:
            last = [0, *range(2, x.ndim), 1]
        if layout == "reversed":
            last.reverse()
        back = [last.index(axis) for axis in range(x.ndim)]
        x = x.permute(last)
        if "sliced" in layout and x.ndim:
            around = torch.full([s + 2 for s in x.shape], 111).to(x.dtype)
            if x.is_floating_point():
                around = torch.full_like(around, math.nan)
            inner = around[tuple(slice(1, -1) for _ in x.shape)]
            return inner.copy_(x).permute(back)
        return x.contiguous().permute(back)


def window(draw: Draw, axes: int, most_dilated: int = 3) -> tuple[list[int], ...]:
    """Return input size, kernel, stride, low padding, dilation, output size."""
    most = {1: (70, 31), 2: (19, 6), 3: (9, 3)}[axes]
    fine, kernel = draw.many(axes, 1, most[0]), draw.many(axes, 1, most[1])
    if draw.random() < 0.3:  # a long row
        fine[-1] = draw.randint(20, 70)
    stride, dilation = draw.many(axes, 1, 3), draw.many(axes, 1, most_dilated)
    if draw.random() < 0.1:  # strides beyond the cells
        fine, stride = draw.many(axes, 1, 4), draw.many(axes, 3, 9)
    low = [draw.randint(0, (k - 1) * d) for k, d in zip(kernel, dilation, strict=True)]
    coarse = [  # so that the first window and the last hold a cell of the input
        draw.randint(1, max(1, (i + p - 1) // s + 1))
        for i, p, s in zip(fine, low, stride, strict=True)
    ]
    return fine, kernel, stride, low, dilation, coarse


def padded(x: Tensor, given: tuple[list[int], ...], value: float = 0.0) -> Tensor:
    """Pad or crop so that the windows start at the first cell and end with the last."""
    sides: list[int] = []
    for fine, kernel, stride, low, dilation, coarse in zip(*given, strict=True):
        reach = (coarse - 1) * stride + (kernel - 1) * dilation + 1
        sides = [low, reach - low - fine, *sides]
    return tf.pad(x, sides, value=value)


def windows(x: Tensor, given: tuple[list[int], ...], value: float = 0.0) -> Tensor:
    """(N, C, *fine) -> (N, C, *coarse, taps)."""
    x = padded(x, given, value)
    _, kernel, stride, _, dilation, coarse = given
    for axis, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(2 + axis, (k - 1) * d + 1, s)[..., ::d]
    return x.flatten(2 + len(coarse))


def adjoint(function: Callable[..., Tensor], to: list[Tensor], gradient: Tensor) -> list[Tensor]:
    """Return the gradients of a function of `to`, in float64, all contiguous."""
    leaves = [x.detach().double().contiguous().requires_grad_() for x in to]
    y, gradient = function(*leaves), gradient.double().contiguous()
    return list(torch.autograd.grad(y, leaves, gradient, materialize_grads=True))


def maybe(draw: Draw, *shape: int) -> Tensor | None:
    """Draw a bias, or none."""
    return draw.numbers(*shape) if draw.random() < 0.5 else None


# ------------------------------------------------------------------------------------ the operators


def convolutions(draw: Draw) -> Iterator[Call]:
    """Draw a convolution and its gradients."""
    axes = draw.choice((1, 2, 2, 3))
    given = window(draw, axes)
    per_group: tuple[int, ...] = (1, 1, 1, 2, 3, 4, 8, 16)
    if draw.random() < 0.15:  # one tap at each cell
        ones = [1] * axes
        given, per_group = (given[0], ones, ones, [0] * axes, ones, given[0]), (1, 2, 5, 16, 24, 40)
    groups = draw.choice((1, 2, 3, 5, 8, 17, 32))
    if axes == 2 and draw.random() < 0.1:  # depthwise, with many cells outside
        kernel, low = draw.many(2, 7, 15), draw.many(2, 0, 6)
        coarse = [draw.randint(1, size + pad) for size, pad in zip(given[0], low, strict=True)]
        given, per_group = (given[0], kernel, [1, 1], low, [1, 1], coarse), (1,)
        groups = draw.choice((8, 16, 17, 40))
    fine, kernel, stride, low, dilation, coarse = given
    inputs, outputs = (draw.choice(per_group) for _ in range(2))
    groups = max(1, min(groups, 80 // max(inputs, outputs)))
    batch = draw.choice((0, 1, 1, 2, 3))
    x, w = (
        draw.numbers(batch, groups * inputs, *fine),
        draw.numbers(groups * outputs, inputs, *kernel),
    )
    g = draw.numbers(batch, groups * outputs, *coarse)

    def convolve(x: Tensor, w: Tensor) -> Tensor:
        return CONV[axes - 1](padded(x, given), w, None, stride, 0, dilation, groups)

    def plus(y: Tensor, bias: Tensor | None) -> Tensor:
        return y if bias is None else y + bias.double().reshape(-1, *(1,) * axes)

    steps = *stride, *low, *dilation
    bias, other = maybe(draw, len(w)), maybe(draw, x.shape[1])
    if batch:
        y, (to_x, to_w) = convolve(x.double(), w.double()), adjoint(convolve, [x, w], g)
    else:
        y, to_x, to_w = g.double(), x.double(), torch.zeros(w.shape)
    yield "conv", [x, w, bias, [*coarse, *steps], groups], (plus(y, bias),)
    innermost = draw.random() < 0.5
    backward = [g, w, other, [*fine, *steps], groups, innermost]
    yield "conv_input_gradient", backward, (plus(to_x, other),)
    yield "conv_weight_gradient", [g, x, [*kernel, *steps], groups], (to_w,)


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Shuffle with torch's views."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def shuffles(draw: Draw) -> Iterator[Call]:
    """Draw a shuffle and the convolutions between two."""
    axes = draw.choice((1, 2, 3))
    size = draw.many(axes, 1, {1: 90, 2: 12, 3: 5}[axes])
    many = draw.choice((20, 20, 20, 90))
    groups, inputs, outputs = draw.randint(1, 6), draw.randint(1, many), draw.randint(1, many)
    batch = draw.randint(0, 3)
    before = draw.choice([d for d in range(1, groups * inputs + 1) if groups * inputs % d == 0])
    after = draw.choice([d for d in range(1, groups * outputs + 1) if groups * outputs % d == 0])
    values = draw.numbers(batch, groups * inputs, *size[draw.randint(0, axes) :])
    values = values.to(draw.choice(ANY))
    yield "channel_shuffle", [values, before], (shuffled(values, before),) if batch else (values,)

    x = draw.numbers(batch, groups * inputs, *size)
    w = draw.numbers(groups * outputs, inputs, *(1,) * axes)
    g = draw.numbers(batch, groups * outputs, *size)
    bias, other = maybe(draw, len(w)), maybe(draw, x.shape[1])

    def apply(x: Tensor, w: Tensor) -> Tensor:
        return shuffled(CONV[axes - 1](shuffled(x, before), w, groups=groups), after)

    def back(g: Tensor) -> Tensor:
        to = None if other is None else other.double()
        y = CONV_TRANSPOSE[axes - 1](shuffled(g.double(), after), w.double(), to, groups=groups)
        return shuffled(y, before)

    rest, innermost = [groups, before, after], draw.random() < 0.5
    y, to_x, to_w = g.double(), x.double(), torch.zeros(w.shape)
    if batch:
        to_w = adjoint(apply, [x, w], g)[1]
        y, to_x = apply(x.double(), w.double()), back(g)
        if bias is not None:
            y = y + shuffled(bias.double().reshape(1, -1, *(1,) * axes), after)
    yield "pointwise_conv", [x, w, bias, *rest, False, innermost], (y,)
    swapped = [groups, after, before, True, innermost]
    yield "pointwise_conv", [g, w, other, *swapped], (to_x,)
    yield "pointwise_conv_weight_gradient", [g, x, *rest], (to_w,)


def numbers(
    size: list[int],
    kernel: list[int],
    stride: list[int],
    low: list[int],
    dilation: list[int],
    high: list[int] | None = None,
) -> list[int]:
    """Join what the operators of pooling are told of their windows; `size` is the output's."""
    return [*size, *kernel, *stride, *low, *dilation, *(high or [0] * len(size))]


def poolings(draw: Draw) -> Iterator[Call]:
    """Draw a window, and pool and unpool with it."""
    axes = draw.choice((1, 2, 2, 3))
    given = window(draw, axes)
    fine, kernel, stride, low, dilation, coarse = given
    batch, channels = draw.randint(0, 3), draw.choice((1, 2, 3, 8, 17, 33))
    cells = math.prod(fine)
    x, g = (draw.numbers(batch, channels, *size) for size in (fine, coarse))
    if draw.random() < 0.2:
        holes = draw.choice((-math.inf, math.nan))
        x = x.where(draw.numbers(*x.shape, dtype=torch.float32) < 2, holes)
    shape = kernel, stride, low, dilation
    seen, held = windows(x.double(), given, -math.inf), windows(torch.ones_like(x), given) > 0
    yield "max_pool", [x, numbers(coarse, *shape)], (seen.amax(-1),)

    # the first of the greatest cells of the input, but the last NaN
    order = torch.arange(1, seen.shape[-1] + 1)
    first = (((seen == seen.amax(-1, True)) & held) * order.flip(0)).argmax(-1)
    taps = (seen.isnan() * order).argmax(-1).where(seen.isnan().any(-1), first)
    flat = torch.arange(cells, dtype=torch.float64).reshape(1, 1, *fine)
    where = windows(flat, given, -1).long().expand(batch, channels, *coarse, -1)
    one = taps.to(torch.uint8)
    if seen.shape[-1] <= 256 and held.any(-1).all():
        yield "max_pool_with_taps", [x, numbers(coarse, *shape)], (seen.amax(-1), one)
        indices = where.gather(-1, taps[..., None])[..., 0]
        laid = draw.laid_out(one.clone()) if draw.random() < 0.5 else one
        if laid.equal(one):  # not overlapping
            yield "tap_indices", [laid, numbers(fine, *shape)], (indices,)
            read = x.double().flatten(2).gather(2, indices.flatten(2)).reshape(g.shape)
            yield "take_taps", [x, laid, numbers(coarse, *shape)], (read,)
        # any taps that lie in the input
        chance = torch.rand(seen.shape, generator=torch.Generator().manual_seed(0)) + 1
        some = (chance * held).argmax(-1)
        at = where.gather(-1, some[..., None])[..., 0].flatten(2)
        placed = torch.zeros(batch, channels, cells, dtype=torch.float64)
        placed = placed.scatter_add_(2, at, g.double().flatten(2)).reshape(x.shape)
        yield "place_taps", [g, some.to(torch.uint8), numbers(fine, *shape)], (placed,)

    yield from averages(draw, given, draw.numbers(batch, channels, *fine), g)

    indices = draw.numbers(*g.shape, dtype=torch.int64) % cells
    if draw.random() < 0.5:
        indices = torch.randint(cells, g.shape, generator=torch.Generator().manual_seed(1))
    places = torch.arange(1, math.prod(coarse) + 1).expand(batch, channels, -1)
    last = torch.zeros(batch, channels, cells, dtype=torch.int64)
    last.scatter_reduce_(2, indices.flatten(2), places, "amax")
    written = g.double().flatten(2).gather(2, (last - 1).clamp(0)) * (last > 0)
    yield "max_unpool", [g, indices, fine], (written.reshape(x.shape),)
    fresh = draw.numbers(batch, channels, *fine)
    counts = last.gather(2, indices.flatten(2)) == places  # the others were written over
    read = fresh.double().flatten(2).gather(2, indices.flatten(2)) * counts
    yield "max_unpool_gradient", [fresh, indices], (read.reshape(g.shape),)


def averages(draw: Draw, given: tuple[list[int], ...], x: Tensor, g: Tensor) -> Iterator[Call]:
    """Average, and undo it; what is divided is a multiple of its divisor, so that all is exact."""
    fine, kernel, stride, low, dilation, coarse = given
    include, fixed = draw.random() < 0.5, draw.choice((None, None, 1, 2, 8))
    high = [draw.randint(0, 2) for _ in fine]
    around: list[int] = []
    for before, after in zip(low, high, strict=True):
        around = [before, after, *around]
    ones = torch.ones(1, 1, *fine, dtype=torch.float64)
    wide = [i + a + b for i, a, b in zip(fine, low, high, strict=True)]
    counted = (
        windows(
            tf.pad(ones, around, value=1.0),
            (wide, kernel, stride, [0] * len(fine), dilation, coarse),
        )
        if include
        else windows(ones, given)
    ).sum(-1)
    divisor = counted if fixed is None else torch.full_like(counted, fixed)
    if (divisor == 0).any():
        return

    def total(x: Tensor) -> Tensor:
        return windows(x, given).sum(-1)

    shape, options = (kernel, stride, low, dilation, high), [include, fixed]
    yield "avg_pool", [x, numbers(coarse, *shape), *options], (total(x.double()) / divisor,)
    scaled = g * divisor.to(g.dtype)
    to_x = adjoint(total, [x], g)[0]
    if scaled.double().abs().max() <= 256 if scaled.numel() else True:
        yield "avg_pool_gradient", [scaled, numbers(fine, *shape), *options], (to_x,)
    if dilation == [1] * len(fine):
        holding = adjoint(total, [ones], torch.ones_like(counted))[0].clamp(1)
        yield "avg_unpool", [g, numbers(fine, *shape)], (to_x / holding,)
        scaled = x * holding.to(x.dtype)
        if scaled.double().abs().max() <= 256 if scaled.numel() else True:
            yield "avg_unpool_gradient", [scaled, numbers(coarse, *shape)], (total(x.double()),)


def stochastic(draw: Draw) -> Iterator[Call]:
    """Draw from windows: the same in any layout, in the window, and never a zero beside others."""
    axes = draw.choice((1, 2, 3))
    given = window(draw, axes, most_dilated=1)
    _, kernel, stride, low, dilation, coarse = given
    if math.prod(kernel) > 256:
        return
    x = draw.numbers(draw.randint(1, 2), draw.choice((1, 3, 17)), *given[0], low=0)
    seed = torch.tensor(draw.getrandbits(62))
    told = numbers(coarse, kernel, stride, low, dilation)
    y, taps = torch.ops.juanji.stochastic_pool_with_taps(x.contiguous(), seed, told)
    seen = windows(x.double(), given, -1.0)
    assert seen.gather(-1, taps.long()[..., None])[..., 0].equal(y.double())
    assert ((y > 0) == (seen > 0).any(-1)).all()
    yield "stochastic_pool_with_taps", [x, seed, told], (y.double(), taps)
    yield "stochastic_pool", [x, seed, told], (y.double(),)


KINDS = (convolutions, convolutions, shuffles, poolings, poolings, stochastic)


# ------------------------------------------------------------------------------------------ running


def knowing(name: str, arguments: list[Any]) -> Callable[..., Tensor | None] | None:
    """Tell an operator of a call and return what does it again; None: it knows no calls again."""
    operators = torch.ops.juanji
    if not hasattr(operators, f"remember_{name}"):
        return None
    handle = getattr(operators, f"remember_{name}")(*arguments, -1)
    return functools.partial(getattr(operators, f"again_{name}"), handle)


def answers(name: str, arguments: list[Any], threads: int) -> tuple[Tensor, ...]:
    """Call an operator into memory that held NaN before, then with more threads and as known."""
    operator, before = getattr(torch.ops.juanji, name), torch.get_num_threads()

    def call(threads: int) -> tuple[Tensor, ...]:
        torch.set_num_threads(threads)
        try:
            result = operator(*arguments)
        finally:
            torch.set_num_threads(before)
        return (result,) if isinstance(result, Tensor) else tuple(result)

    for output in call(1):
        output.fill_(math.nan if output.is_floating_point() else 1)
    del output
    first, second = call(1), call(threads)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    if (again := knowing(name, arguments)) is not None:
        known = again(*(x for x in arguments if isinstance(x, Tensor)))
        torch.testing.assert_close(known, second[0], rtol=0, atol=0, equal_nan=True)
    return second


def spoiled(draw: Draw, arguments: list[Any]) -> list[Any]:
    """Put something else in the place of an argument or two."""
    arguments = list(arguments)
    for _ in range(draw.randint(1, 2)):
        place = draw.randrange(len(arguments))
        given = arguments[place]
        if isinstance(given, list) and given:
            given = list(given)
            given[draw.randrange(len(given))] = draw.choice(NASTY)
            arguments[place] = draw.choice((given, given, given[1:], [*given, 1], []))
        elif isinstance(given, Tensor):
            shape = draw.many(draw.randint(0, 6), 0, 3) if draw.random() < 0.3 else given.shape
            size = list(shape)
            if size and draw.random() < 0.5:
                size[draw.randrange(len(size))] = draw.randint(0, 3)
            arguments[place] = draw.numbers(*size, dtype=draw.choice((given.dtype, *ANY)))
        elif isinstance(given, int) and not isinstance(given, bool):
            arguments[place] = draw.choice(NASTY)
    return arguments


def run_case(number: int, *, spoil: bool = True) -> int:
    """Draw case `number`, check it, and return how many calls it made."""
    draw = Draw(number)
    draw.dtype = draw.choice(FLOATS)
    calls = list(draw.choice(KINDS)(draw))
    threads = draw.choice((2, 3, 8))
    for name, arguments, expected in calls:
        try:
            found = answers(name, arguments, threads)
            for a, b in zip(found, expected, strict=True):
                b = b.float() if a.dtype == torch.bfloat16 and b.dtype == torch.float64 else b
                torch.testing.assert_close(a, b.to(a.dtype), rtol=0, atol=0, equal_nan=True)
        except Exception as error:
            told = [
                f"{a.dtype} {tuple(a.shape)} strides {a.stride()}" if isinstance(a, Tensor) else a
                for a in arguments
            ]
            raise AssertionError(f"case {number}: {name}{tuple(told)}") from error
    for name, arguments, _ in calls if spoil else ():
        given = spoiled(draw, arguments)
        if name == "max_unpool" and 2**28 < math.prod(given[2]) < 2**40:
            continue  # nothing is wrong: gigabytes are zeroed
        try:
            getattr(torch.ops.juanji, name)(*given)
        except (RuntimeError, TypeError, ValueError, IndexError, OverflowError):
            continue
    return len(calls)


def main() -> None:
    """Run cases until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0, help="cases start at 1,000,000 times this")
    parser.add_argument("--case", type=int, help="run this case alone")
    given = parser.parse_args()
    if given.case is not None:
        run_case(given.case)
        return
    end, first = time.monotonic() + given.seconds, given.seed * 1_000_000
    number, calls = first, 0
    while time.monotonic() < end:
        calls += run_case(number)
        number += 1
    print(f"{number - first} cases, {calls} calls: all exact")


if __name__ == "__main__":
    main()
