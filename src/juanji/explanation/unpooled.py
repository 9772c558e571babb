"""Scenes of the other poolings and of unpooling layers, with their real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from torch import nn

from ..bind import Bound, bind
from ..draw import facts, pool, stages, unpool
from ..draw.scene import Scene
from ..ops.pool.arguments import bind_pool, bind_unpool
from ..spec import Pool, per_axis, windows
from .crop import CHANNELS, Cells, View, cells, check_channel, told
from .windowed import crop, default_size, example, flat, pooled

UNPOOLS = (nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d)
ADAPTIVE_AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
ADAPTIVE_MAXIMA = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


def axes_of(layer: Any) -> int:
    """Return the number of spatial axes, which the class's name tells."""
    name = next(base.__name__ for base in type(layer).__mro__ if base.__name__[-2:-1].isdigit())
    return int(name[-2])


def stochastic(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of stochastic pooling: drawn in training, averaged in evaluation.

    The random numbers are made up: a layer in training draws others each time.
    """
    spec = Pool(windows(layer.kernel_size, layer.stride, layer.padding))
    x = example(input, None, default_size(spec))
    bound = bind_pool(x, layer.kernel_size, layer.stride, layer.padding)
    check_channel(view, len(x))
    part, few = cells(bound, view), min(len(x), CHANNELS)
    first = min(view.channel, len(x) - few)
    values = flat(crop(x, part)[first : first + few])
    made = pool.stochastic_pool(part.bound, few, values, training=layer.training)
    return _told(made, layer, bound, len(x), first, part)


def adaptive(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of adaptive pooling where all of its windows are alike.

    Raises:
        ValueError: the output's sizes do not divide the input's.
    """
    axes = axes_of(layer)
    x = example(input, None, (6, 4, 4)[:axes] if axes == 3 else (4,) * axes)
    size = tuple(x.shape[1:])
    asked = layer.output_size
    wanted = list(asked) if isinstance(asked, (tuple, list)) else [asked] * axes
    outputs = [n if out is None else out for n, out in zip(size, wanted, strict=True)]
    if any(n % out for n, out in zip(size, outputs, strict=True)):
        raise ValueError(f"input must have a multiple of {tuple(outputs)} cells, got {size}")
    sides = [n // out for n, out in zip(size, outputs, strict=True)]
    bound = bind(Pool(windows(sides, sides)), size)
    average = isinstance(layer, ADAPTIVE_AVERAGES)
    title = f"{type(layer).__name__}: {facts.describe(bound)}"
    return pooled(bound, x, view, title=title, average=average)


def max_unpooling(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of max unpooling; input is (values, indices), or with the output's size
    (values, indices, size), or what to pool first.

    Raises:
        IndexError: an index is not that of a cell.
    """
    arguments = _window(layer)
    if not isinstance(input, (tuple, list)):
        spec = Pool(windows(arguments[0], arguments[1]))
        x = example(input, None, default_size(spec))
        bound = bind_pool(x, *arguments)
        part, few, first = _some(bound, len(x), view)
        made = unpool.max_pool_and_unpool(part.bound, few, flat(crop(x, part)[first : first + few]))
        return _told(made, layer, bound, len(x), first, part)
    values = example(input[0], None, (1,) * axes_of(layer))
    indices = example(input[1], None, (1,) * axes_of(layer))
    size = input[2] if len(input) > 2 else None
    bound = bind_unpool(values, *arguments, None if size is None else size[-axes_of(layer) :])
    check_channel(view, len(values))
    few = min(len(values), CHANNELS)
    first = min(view.channel, len(values) - few)
    kept = bound
    if all(axis.kernel <= axis.stride for axis in bound.axes):  # no window writes into another
        kept = _fewer(bound)
    here = (slice(first, first + few), *(slice(axis.coarse) for axis in kept.axes))
    moved = [_moved(int(index), bound, kept) for index in flat(indices[here])]
    made = unpool.max_unpool(kept, few, flat(values[here]), moved)
    whole = {
        "pooled": tuple(values.shape),
        "indices": tuple(values.shape),
        "output": (len(values), *bound.input_size),
    }
    return told(_titled(made, layer, bound), whole, dict.fromkeys(whole, _origin(first, bound)))


def _moved(index: int, bound: Bound, part: Bound) -> int:
    """Return the index, counted in a map of the part's size.

    Raises:
        IndexError: it is not that of a cell.
    """
    if not 0 <= index < prod(bound.input_size):
        raise IndexError(
            f"indices must be at least 0 and below {prod(bound.input_size)}, the cells of output "
            f"size {list(bound.input_size)}, got {index}"
        )
    return stages.flat(0, stages.unflat(index, bound.input_size), part.input_size)


def avg_unpooling(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of average unpooling."""
    values = example(input, None, (2,) * axes_of(layer))
    bound = bind_unpool(values, *_window(layer), None)
    few = min(len(values), CHANNELS)
    check_channel(view, len(values))
    first = min(view.channel, len(values) - few)
    part = _fewer(bound)
    sizes = tuple(axis.coarse for axis in part.axes)
    x = values[(slice(first, first + few), *(slice(n) for n in sizes))]
    made = unpool.avg_unpool(part, few, flat(x))
    whole = {
        "pooled": tuple(values.shape),
        "output": (len(values), *bound.input_size),
    }
    return told(_titled(made, layer, bound), whole, dict.fromkeys(whole, _origin(first, bound)))


def _window(layer: Any) -> tuple[Any, Any, Any]:
    axes = axes_of(layer)
    kernel = per_axis("kernel_size", layer.kernel_size, axes)
    return kernel, per_axis("stride", layer.stride, axes), layer.padding


def _some(bound: Bound, count: int, view: View) -> tuple[Cells, int, int]:
    """Choose positions and channels; recorded positions count from the crop's first cell."""
    check_channel(view, count)
    few = min(count, CHANNELS)
    return cells(bound, view), few, min(view.channel, count - few)


def _fewer(bound: Bound) -> Bound:
    """Return the first windows, as many as can be read."""
    axes = []
    for axis in bound.axes:
        coarse = min(axis.coarse, 4)
        fine = axis.fine
        if coarse < axis.coarse:  # up to where the first window that is left out starts
            fine = min(fine, coarse * axis.stride - axis.pad_low)
        axes.append(replace(axis, coarse=coarse, fine=max(fine, 1)))
    return replace(bound, axes=tuple(axes))


def _told(made: Scene, layer: Any, bound: Bound, count: int, first: int, part: Cells) -> Scene:
    """Add the title, and what of the whole is shown."""
    whole = {"input": (count, *bound.input_size), "output": (count, *bound.output_size)}
    start: dict[str, Sequence[int]] = {
        "input": (first, *part.into), "output": (first, *part.out)
    }  # fmt: skip
    if made.operator == "max-unpool":
        whole["output"], start["output"] = whole["input"], start["input"]
    return told(_titled(made, layer, bound), whole, start)


def _titled(made: Scene, layer: Any, bound: Bound) -> Scene:
    return replace(made, title=f"{type(layer).__name__}: {facts.describe(bound)}")


def _origin(first: int, bound: Bound) -> tuple[int, ...]:
    return (first, *(0 for _ in bound.axes))
