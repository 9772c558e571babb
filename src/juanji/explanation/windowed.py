"""Scenes of layers with a window: convolutions and poolings, with their real numbers."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from .. import interop, relation
from ..bind import Bound, bind, extent
from ..draw import convolution, facts, pool
from ..draw.convolution import How
from ..draw.scene import Scene, at_most
from ..draw.texts import sample
from ..spec import Conv, Pool, Window
from .crop import CHANNELS, Cells, Channels, View, cells, channels, check_channel, told

NUMBERS = 1 << 24  # made up for a layer without input, or for a specification


def conv_layer(layer: nn.Module, input: Any, view: View) -> Scene:
    """Return the scene of a convolution layer, transposed ones included.

    Shapes: input (N, C_in, *spatial) or (C_in, *spatial), of which the first example is shown.
    """
    spec = interop.conv_spec(layer)
    module: Any = layer
    x = example(input, spec.in_channels, default_size(spec))
    mode = getattr(module, "padding_mode", "zeros")
    if mode != "zeros":  # as torch does it: padded by its own rule first
        x = nn.functional.pad(x[None], module._reversed_padding_repeated_twice, mode)[0]
        spec = replace(spec, windows=tuple(replace(w, padding=(0, 0)) for w in spec.windows))
    bound = bind(spec, tuple(x.shape[1:]))
    bias = getattr(module, "bias", None)
    title = f"{type(layer).__name__}: {facts.describe(bound)}"
    return conv(
        bound, x, real(module.weight, "weight"), None if bias is None else real(bias, "bias"),
        view, title=title if mode == "zeros" else f"{title}, padding {mode}",
    )  # fmt: skip


def conv(
    bound: Bound, x: Tensor, weight: Tensor, bias: Tensor | None, view: View, *, title: str
) -> Scene:
    """Return the scene of a convolution with these numbers, or of the part that can be read.

    Shapes: x (C_in, *input_size), weight as in torch, bias (C_out,); in float64.
    """
    spec = bound.spec
    assert isinstance(spec, Conv)
    how: How = "scatter" if spec.transposed else "gather"
    part, shown = cells(bound, view), channels(spec, view)
    into, out = shown.inputs(spec), shown.outputs(spec)
    x = crop(x, part)
    few = _bound(part, len(into), len(out), len(shown.groups))
    scene = convolution.scene(
        few,
        flat(x[into]),
        flat(_weights(spec, weight, into, out, shown.into, shown.out)),
        None if bias is None else flat(bias[out]),
        rest=_rest(part, shown, x, weight),
        how=how,
        title=title,
    )
    # what it costs and how it is sized is a matter of the whole
    about = (*facts.of_conv(bound, bias=bias is not None), facts.matrix_size(bound))
    return told(
        replace(scene, facts=about),
        {
            "input": (spec.in_channels, *bound.input_size),
            "output": (spec.out_channels, *bound.output_size),
        },
        {"input": (into[0] if into else 0, *part.into), "output": (out[0], *part.out)},
    )


def pool_layer(layer: nn.Module, input: Any, view: View) -> Scene:
    """Return the scene of a max or average pooling layer."""
    spec = interop.pool_spec(layer)
    x = example(input, None, default_size(spec))
    bound = bind(spec, tuple(x.shape[1:]))
    title = f"{type(layer).__name__}: {facts.describe(bound)}"
    if interop.is_max_pool(layer):
        return pooled(bound, x, view, title=title)
    module: Any = layer
    divisor = getattr(module, "divisor_override", None)  # torch's 1-D layer has none
    return pooled(
        bound, x, view, title=title, average=True,
        count_include_pad=module.count_include_pad, divisor=divisor,
    )  # fmt: skip


def pooled(
    bound: Bound, x: Tensor, view: View, *, title: str, average: bool = False, **arguments: Any
) -> Scene:
    """Return the scene of a pooling of x (C, *input_size), or of the part that can be read."""
    count = x.shape[0]
    check_channel(view, count)
    part = cells(bound, view)
    few = min(count, CHANNELS)
    first = min(view.channel, count - few)
    make = pool.avg_pool if average else pool.max_pool
    values = flat(crop(x, part)[first : first + few])
    scene = make(part.bound, few, values, **arguments)
    about = tuple(facts.output_size(bound) if f.key == "output size" else f for f in scene.facts)
    return told(
        replace(scene, title=title, facts=about),
        {"input": (count, *bound.input_size), "output": (count, *bound.output_size)},
        {"input": (first, *part.into), "output": (first, *part.out)},
    )


def default_size(spec: Conv | Pool) -> tuple[int, ...]:
    """Return an input size that shows a window move: a few cells more than it spans."""
    axes = len(spec.windows)
    least = (7, 5, 3)[axes - 1]
    if isinstance(spec, Conv) and spec.transposed:
        return (3 if axes < 3 else 2,) * axes
    return tuple(max(least, _span(window, axes)) for window in spec.windows)


def _span(window: Window, axes: int) -> int:
    return extent(window) + (2 if axes < 3 else 1) * window.stride


def example(input: Any, channels: int | None, size: tuple[int, ...]) -> Tensor:
    """Return the first example of an input as float64, (C, *spatial); None: numbers made up.

    Raises:
        TypeError: input is not a tensor.
        ValueError: its shape does not fit, it has no example, or it has no values.
    """
    if input is None:
        return made((channels or 1, *size), 0, 9, seed=1)
    if not isinstance(input, Tensor):
        raise TypeError(f"input must be a tensor, got {type(input)}")
    axes = len(size)
    shape = tuple(input.shape)
    if input.ndim not in (axes + 1, axes + 2) or channels not in (None, shape[-axes - 1]):
        wanted = "C" if channels is None else channels
        raise ValueError(
            f"input must have shape (N, {wanted}, *spatial) or ({wanted}, *spatial) with "
            f"{axes} spatial axes, got {shape}"
        )
    if input.ndim == axes + 2:
        if not shape[0]:
            raise ValueError(f"input must have an example to show, got shape {shape}")
        input = input[0]
    return real(input, "input")


def real(tensor: Tensor, name: str) -> Tensor:
    """Return a tensor's values in float64 on the CPU.

    Raises:
        ValueError: it has no values yet.
    """
    if tensor.is_meta or nn.parameter.is_lazy(tensor):
        raise ValueError(f"{name} must have values, got a tensor without any")
    return tensor.detach().to("cpu", torch.float64)


def made(shape: tuple[int, ...], low: int, high: int, *, seed: int) -> Tensor:
    """Return a tensor of numbers that are made up, always the same."""
    at_most("numbers", prod(shape), NUMBERS)
    return torch.tensor(sample(prod(shape), low, high, seed), dtype=torch.float64).view(shape)


def made_weight(spec: Conv) -> Tensor:
    """Return a weight of numbers that are made up."""
    first, second = spec.out_channels, spec.in_channels // spec.groups
    if spec.transposed:
        first, second = spec.in_channels, spec.out_channels // spec.groups
    return made((first, second, *(window.kernel for window in spec.windows)), -1, 2, seed=2)


def crop(x: Tensor, part: Cells) -> Tensor:
    """Return the cells of x (C, *input_size) that a part shows."""
    spans = zip(part.into, part.bound.input_size, strict=True)
    return x[(slice(None), *(slice(start, start + size) for start, size in spans))]


def flat(values: Tensor) -> list[float]:
    """Return the values in C order."""
    found: list[float] = values.reshape(-1).tolist()
    return found


def _bound(part: Cells, into: int, out: int, groups: int) -> Bound:
    """Return the bound of a part with some of its channels."""
    assert isinstance(part.bound.spec, Conv)
    few = replace(part.bound.spec, in_channels=into, out_channels=out, groups=groups)
    return replace(part.bound, spec=few)


def _weights(
    spec: Conv, weight: Tensor, into: list[int], out: list[int], local_in: range, local_out: range
) -> Tensor:
    """Return the weight between some channels, laid out as torch does."""
    if spec.transposed:
        return weight[into][:, list(local_out)]
    return weight[out][:, list(local_in)]


def _rest(part: Cells, shown: Channels, x: Tensor, weight: Tensor) -> list[float] | None:
    """Return what input channels that are not shown add to the outputs shown; None if all are."""
    spec = part.bound.spec
    assert isinstance(spec, Conv)
    per_group = spec.in_channels // spec.groups
    others = range(len(shown.into), per_group)
    if not others:
        return None
    hidden = replace(shown, into=others)
    into, out = hidden.inputs(spec), hidden.outputs(spec)
    bound = _bound(part, len(into), len(out), len(hidden.groups))
    kernels = _weights(spec, weight, into, out, hidden.into, hidden.out)
    return flat(relation.matrix(bound, kernels) @ x[into].reshape(-1))
