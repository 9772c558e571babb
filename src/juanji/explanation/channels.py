"""Scenes of layers that act on whole channels: shuffle, weighting, normalization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..draw import compositions, squeeze_excite
from ..draw.scene import Scene
from ..draw.sketch import Sketch
from ..draw.texts import number
from ..ops.octave import OctavePair
from .crop import View, told
from .windowed import example, flat, real

CHANNELS = 12  # that are shuffled in a picture
WEIGHED = 6  # that are weighed in a picture
SIDE = 4  # cells along each axis
FEW = 2  # channels that are normalized in a picture


def shuffle(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of a channel shuffle; of many channels some groups' first ones.

    Raises:
        ValueError: groups do not divide the channels.
    """
    x = _merged(input, layer.groups * max(2, 6 // layer.groups))
    count = len(x)
    if count % layer.groups:
        raise ValueError(
            f"input must have a multiple of {layer.groups} channels, the groups of the shuffle, "
            f"got {count}"
        )
    if count > CHANNELS:
        raise ValueError(
            f"input must have at most {CHANNELS} channels to be drawn shuffled, got {count}"
        )
    small = _corner(x)
    made = compositions.channel_shuffle(small.shape[1:], count, layer.groups, flat(small))
    return _told(made, layer, x, ("input", "output"))


def weigh(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of squeeze and excitation.

    Raises:
        ValueError: there are more channels than a picture shows, or not the layer's.
    """
    x = _merged(input, layer.channels)
    if len(x) != layer.channels:
        raise ValueError(f"input must have {layer.channels} channels, got {len(x)}")
    if layer.channels > WEIGHED:
        return _weigh_few(layer, x)
    small = _corner(x)
    middle = layer.reduce.out_features
    made = squeeze_excite.squeeze_excite(
        small.shape[1:], layer.channels, middle, flat(small),
        [flat(real(linear.weight, "weight")) for linear in (layer.reduce, layer.expand)],
        [flat(real(linear.bias, "bias")) for linear in (layer.reduce, layer.expand)],
        means=flat(x.flatten(1).mean(1)),
    )  # fmt: skip
    return _told(made, layer, x, ("input", "output"))


def _weigh_few(layer: Any, x: Tensor) -> Scene:
    """Return the scene of the weighing alone: some channels and their factors."""
    with torch.no_grad():
        gate = torch.sigmoid(
            layer.expand(torch.relu(layer.reduce(x.flatten(1).mean(1).to(layer.reduce.weight))))
        )
    factors = flat(gate.double())
    small = _corner(x)[:WEIGHED]
    sketch = Sketch()
    source = sketch.input(small.shape[1:], len(small), flat(small))
    spread = torch.tensor(factors[: len(small)], dtype=small.dtype).view(
        -1, *(1 for _ in small.shape[1:])
    )
    other = sketch.add(
        replace(source, name="gate", title="gate", role="weight", row=1,
                values=tuple(flat(spread.expand(small.shape))))
    )  # fmt: skip
    sketch.each(
        [source, other], "output", lambda v: v[0] * v[1], lambda t, y: f"{t[0]}*{t[1]} = {y}",
        column=1, role="output",
    )  # fmt: skip
    made = sketch.scene("squeeze-excite", "squeeze-excite")
    return _told(made, layer, x, ("input", "output"))


def normalize(layer: Any, input: Any, view: View) -> Scene:
    """Return the scene of batch normalization in evaluation: (x - mean) / deviation * w + b.

    Raises:
        ValueError: the layer keeps no statistics, or the input has not its channels.
    """
    if layer.running_mean is None:
        raise ValueError("layer must keep running statistics to be explained")
    x = _merged(input, layer.num_features)
    if len(x) != layer.num_features:
        raise ValueError(f"input must have {layer.num_features} channels, got {len(x)}")
    first = min(view.channel, max(len(x) - FEW, 0))
    small = _corner(x)[first : first + FEW]
    sketch = Sketch()
    source = sketch.input(small.shape[1:], len(small), flat(small))
    deviation = (real(layer.running_var, "running_var") + layer.eps).sqrt()
    scale = 1 / deviation
    shift = -real(layer.running_mean, "running_mean") / deviation
    if layer.weight is not None:
        weight, bias = real(layer.weight, "weight"), real(layer.bias, "bias")
        scale, shift = scale * weight, shift * weight + bias
    channel = iter(
        [index for index in range(first, first + len(small)) for _ in range(small[0].numel())]
    )
    used: list[tuple[float, float]] = []

    def apply(values: Any) -> float:
        at = next(channel)
        used.append((float(scale[at]), float(shift[at])))
        return float(values[0]) * used[-1][0] + used[-1][1]

    def text(terms: Any, result: str) -> str:
        factor, added = used[-1]
        return f"{terms[0]}*{number(factor)} + {number(added)} = {result}"

    sketch.each([source], "output", apply, text, column=1, role="output")
    made = sketch.scene("batch-norm", "batch-norm")
    return _told(made, layer, x, ("input", "output"), first)


def _merged(input: Any, channels: int) -> Tensor:
    """Return the first example (C, *spatial); of a pair at full size."""
    if isinstance(input, (tuple, list)):
        input = OctavePair(*input)
    if isinstance(input, OctavePair):
        input = input.merge()
    if input is None:
        return example(None, channels, (2, 2))
    axes = max(1, min(3, getattr(input, "ndim", 4) - 2))
    return example(input, None, (1,) * axes)


def _corner(x: Tensor) -> Tensor:
    return x[(slice(None), *(slice(SIDE) for _ in x.shape[1:]))]


def _told(made: Scene, layer: Any, x: Tensor, names: tuple[str, ...], first: int = 0) -> Scene:
    title = f"{type(layer).__name__}: {made.title}"
    whole, start = tuple(x.shape), (first, *(0 for _ in x.shape[1:]))
    return told(
        replace(made, title=title), dict.fromkeys(names, whole), dict.fromkeys(names, start)
    )
