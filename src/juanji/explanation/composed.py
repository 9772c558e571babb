"""The stages of the composed layers of juanji.nn: what `chain` draws of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..bind import Bound, bind
from ..draw import compositions
from ..draw.scene import Scene
from . import chain
from .chain import Convolution, Stage
from .crop import View
from .windowed import default_size, example, real

Stages = Callable[[Any, Bound], list[Stage]]


def build(operator: str, stages: Stages) -> Callable[[Any, Any, View], Scene]:
    """Return what makes the scene of a composed layer, of which `stages` tells the parts."""

    def scene(layer: Any, input: Any, view: View) -> Scene:
        spec = layer.spec()
        x = example(input, spec.in_channels, default_size(spec))
        bound = bind(spec, tuple(x.shape[1:]))
        title = f"{type(layer).__name__}: {operator}"
        return chain.scene(stages(layer, bound), x, view, bound, operator=operator, title=title)

    return scene


def depthwise_separable(layer: Any, bound: Bound) -> list[Stage]:
    """A filter set per channel, then 1x1."""
    depthwise, pointwise = map(_real, layer.weights())
    channels = layer.in_channels
    middle = len(depthwise)
    return [
        Convolution("depthwise", _as(bound, channels, middle, channels), depthwise),
        _point("pointwise", bound.output_size, middle, layer, pointwise),
    ]


def spatially_separable(layer: Any, bound: Bound) -> list[Stage]:
    """One pass along each axis."""
    stages: list[Stage] = []
    for index, (axis, weight) in enumerate(zip(layer.order, layer.weights(), strict=True)):
        done = index == len(layer.order) - 1
        part = compositions.along(
            bound, layer.order[: index + 1], axis, weight.shape[1] * layer.groups, len(weight)
        )
        name = compositions.pass_name(bound, axis)
        stages.append(Convolution(name, part, _real(weight), _bias(layer) if done else None))
    return stages


def flattened(layer: Any, bound: Bound) -> list[Stage]:
    """Across channels, then along each axis."""
    lateral, *along = map(_real, layer.weights())
    out = layer.out_channels
    stages: list[Stage] = [
        Convolution(
            "across channels",
            compositions.point(bound.input_size, layer.in_channels, out, layer.groups),
            lateral,
        )
    ]
    for axis, weight in enumerate(along):
        done = axis == len(along) - 1
        part = compositions.along(bound, range(axis + 1), axis, out, out, groups=out)
        name = compositions.pass_name(bound, axis)
        stages.append(Convolution(name, part, weight, _bias(layer) if done else None))
    return stages


def shuffled(layer: Any, bound: Bound) -> list[Stage]:
    """A grouped convolution, then a shuffle."""
    return [
        Convolution("grouped", bound, _real(layer.weight), _bias(layer)),
        chain.shuffle("shuffle", layer.out_channels, layer.groups),
    ]


def interleaved(layer: Any, bound: Bound) -> list[Stage]:
    """Primary groups, permutation, secondary groups, permutation back."""
    first, second = map(_real, layer.weights())
    out = layer.out_channels
    primary = _as(bound, layer.in_channels, out, layer.primary_groups)
    return [
        Convolution("primary", primary, first),
        chain.shuffle("permutation", out, layer.primary_groups),
        _point("secondary", bound.output_size, out, layer, second, layer.secondary_groups),
        chain.shuffle("permutation back", out, out // layer.primary_groups),
    ]


def bottleneck(layer: Any, bound: Bound) -> list[Stage]:
    """1x1 to few channels, the kernel, 1x1 back."""
    reduce, convolve, expand = map(_real, layer.weights())
    middle = layer.middle
    narrow = compositions.point(bound.input_size, layer.in_channels, middle)
    return [
        Convolution("reduce", narrow, reduce),
        Convolution("convolve", _as(bound, middle, middle, 1), convolve),
        _point("expand", bound.output_size, middle, layer, expand),
    ]


def _as(bound: Bound, into: int, out: int, groups: int) -> Bound:
    """Return the bound with other channels."""
    return compositions.with_channels(bound, into, out, groups)


def _point(
    name: str, size: tuple[int, ...], into: int, layer: Any, weight: Tensor, groups: int = 1
) -> Convolution:
    bound = compositions.point(size, into, layer.out_channels, groups)
    return Convolution(name, bound, weight, _bias(layer))


def _real(weight: Tensor) -> Tensor:
    return real(weight, "weight")


def _bias(layer: Any) -> Tensor | None:
    return None if layer.bias is None else real(layer.bias, "bias")
