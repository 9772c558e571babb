"""Scenes of deformable convolution layers, with the offsets that they find for their input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, prod
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from ..bind import Bound, bind
from ..draw import deform, facts, windows
from ..draw.scene import CELLS, Scene
from .crop import PART, WHOLE, View, check_channel, told
from .windowed import default_size, example, flat, real

SHOWN = 2  # input channels, where there are more


def deformable(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of a deformable convolution.

    Of versions 3 and 4 it shows what stands between the two projections.

    Raises:
        ValueError: channel or at is not of the output, or the taps move too far to be drawn.
    """
    spec = layer.spec()
    x = example(input, spec.in_channels, default_size(spec))
    weight, bias = real(layer.weight, "weight"), layer.bias
    with torch.no_grad():
        given = x.to(layer.weight)[None]
        offset = real(layer.offset(given)[0], "offset")
        found = layer.modulation(given)
        mask = None if found is None else real(found[0], "mask")
        if layer.projected:
            x = F.conv(x[None], real(layer.input_projection, "weight"))[0]
            spec = replace(spec, out_channels=spec.in_channels, groups=spec.in_channels)
    bias = None if bias is None or layer.projected else real(bias, "bias")
    bound = bind(spec, tuple(x.shape[1:]))
    check_channel(view, spec.out_channels)
    into, out = windows.channels_per_group(spec)
    first_in = view.channel // out * into
    shown = min(into, SHOWN)
    # offset groups: those of the channels shown
    axes, taps = len(bound.axes), weight[0, 0].numel()
    groups = offset.shape[0] // (axes * taps)
    group = first_in * groups // spec.in_channels
    if (first_in + shown - 1) * groups // spec.in_channels != group:
        shown = 1
    offset = offset.unflatten(0, (groups, -1))[group]
    mask = None if mask is None else mask.unflatten(0, (groups, -1))[group]
    at, size = _outputs(bound.output_size, view)
    here = (slice(None), *(slice(start, start + n) for start, n in zip(at, size, strict=True)))
    moves = offset.unflatten(0, (taps, axes))
    start, cells = _seen(bound, moves, at, size, x.shape[1:])
    few = replace(
        bound,
        spec=replace(spec, in_channels=shown, out_channels=1, groups=1),
        axes=tuple(
            replace(
                axis, fine=n, coarse=count, pad_high=0,
                pad_low=axis.pad_low - first * axis.stride + begin,
            )
            for axis, n, count, first, begin in zip(
                bound.axes, cells, size, at, start, strict=True
            )
        ),
    )  # fmt: skip
    own = slice(first_in, first_in + shown)
    spans = tuple(slice(begin, begin + n) for begin, n in zip(start, cells, strict=True))
    made = deform.scene(
        few,
        flat(x[(own, *spans)]),
        flat(weight[view.channel, :shown]),
        flat(offset[here]),
        None if bias is None else flat(bias[view.channel : view.channel + 1]),
        mask=None if mask is None else flat(mask[here]),
        rest=_rest(layer, x, weight, given, spec, view, shown, here),
        title=f"{type(layer).__name__}: {facts.describe(bound, 'deformable')}",
    )
    about = {fact.key: fact for fact in facts.of_conv(bound, bias=bias is not None)}
    return told(
        replace(
            made,
            facts=tuple(
                fact if fact.key in ("view", "parts") else about.get(fact.key, fact)
                for fact in made.facts
            ),
        ),
        {"input": tuple(x.shape), "output": (spec.out_channels, *bound.output_size)},
        {"input": (first_in, *start), "output": (view.channel, *at)},
    )


def _rest(
    layer: Any, x: Tensor, weight: Tensor, given: Tensor, spec: Any, view: View, shown: int,
    here: Any,
) -> list[float] | None:  # fmt: skip
    """Return what the input channels that are not shown add; None if all are shown."""
    if shown == weight.shape[1]:
        return None
    hidden = weight.clone()
    hidden[:, :shown] = 0
    with torch.no_grad():
        offset = real(layer.offset(given), "offset")
        found = layer.modulation(given)
    mask = None if found is None else real(found, "mask")
    window = (layer.stride, layer.padding, layer.dilation)
    output = F.deform_conv(x[None], offset, hidden, None, *window, mask)[0]
    return flat(output[view.channel][here[1:]])


def _outputs(size: Sequence[int], view: View) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose the output positions to show: where they start, and how many."""
    axes, at = len(size), view.at
    if at is not None and not (
        len(at) == axes and all(0 <= i < n for i, n in zip(at, size, strict=True))
    ):
        raise ValueError(f"at must be a position of the output {tuple(size)}, got {at}")
    if at is None and max(size) <= WHOLE[axes - 1] // 2:
        return (0,) * axes, tuple(size)
    shown = tuple(min(n, max(2, PART[axes - 1] // 2)) for n in size)
    middle = tuple((n - k) // 2 for n, k in zip(size, shown, strict=True))
    first = (min(i, n - k) for i, n, k in zip(at or middle, size, shown, strict=True))
    return tuple(first), shown


def _seen(
    bound: Bound, offset: Tensor, at: Sequence[int], size: Sequence[int], whole: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the part of the input with all cells that the outputs read: its start and size.

    Shapes: offset (K, d, *output_size).
    """
    if max(whole) <= WHOLE[len(whole) - 1]:
        return (0,) * len(whole), tuple(whole)
    found = []
    kernel = tuple(axis.kernel for axis in bound.axes)
    here = tuple(slice(start, start + n) for start, n in zip(at, size, strict=True))
    for index, axis in enumerate(bound.axes):
        taps = torch.arange(axis.kernel) * axis.dilation - axis.pad_low
        taps = taps.view([-1 if a == index else 1 for a in range(len(kernel))])
        places = (torch.arange(size[index]) + at[index]) * axis.stride
        places = places.view([-1 if a == index else 1 for a in range(len(size))])
        still = taps.expand(kernel).reshape(-1, *(1 for _ in size)) + places
        own = (slice(None), slice(index, index + 1), *here)
        read = still + offset[own].squeeze(1)
        read = read[(read > -1) & (read < axis.fine)]
        low, high = (read.min().item(), read.max().item()) if len(read) else (0, 0)
        start = max(0, floor(low))
        found.append((start, min(axis.fine, ceil(high) + 1) - start))
    if prod(n for _, n in found) > CELLS // 4:
        raise ValueError(
            f"the taps must stay nearer to be drawn: the outputs shown read "
            f"{' x '.join(str(n) for _, n in found)} cells"
        )
    return tuple(start for start, _ in found), tuple(max(n, 1) for _, n in found)
