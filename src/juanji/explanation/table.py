"""Which scene a layer has: one explicit table, the first row that matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from .. import interop
from .. import nn as juanji_nn
from ..draw.scene import Scene
from ..nn.bottleneck import BottleneckConv
from ..nn.deform import DeformConv
from ..nn.depthwise_separable import DepthwiseSeparableConv
from ..nn.flattened import FlattenedConv
from ..nn.interleaved import InterleavedGroupConv
from ..nn.octave import OctaveConv
from ..nn.octave_transpose import OctaveConvTranspose
from ..nn.pool import AvgUnpool, MaxUnpool, StochasticPool
from ..nn.shuffled import ShuffledGroupConv
from ..nn.spatially_separable import SpatiallySeparableConv
from . import channels, composed, octaves, sampled, unpooled, windowed
from .crop import View

Build: TypeAlias = Callable[[Any, Any, View], Scene]  # (layer, input or None, view)


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of layer, and what makes its scene."""

    kind: str
    matches: Callable[[nn.Module], bool]
    build: Build


def _is(*kinds: type) -> Callable[[nn.Module], bool]:
    return lambda layer: isinstance(layer, kinds)


LAYERS: tuple[Row, ...] = (
    Row("convolution", interop.is_conv, windowed.conv_layer),
    Row("transposed convolution", interop.is_transposed, windowed.conv_layer),
    Row("max or average pooling", interop.is_pool, windowed.pool_layer),
    Row("stochastic pooling", _is(StochasticPool), unpooled.stochastic),
    Row(
        "adaptive pooling",
        _is(*unpooled.ADAPTIVE_AVERAGES, *unpooled.ADAPTIVE_MAXIMA),
        unpooled.adaptive,
    ),
    Row("max unpooling", _is(MaxUnpool, *unpooled.UNPOOLS), unpooled.max_unpooling),
    Row("average unpooling", _is(AvgUnpool), unpooled.avg_unpooling),
    Row("deformable convolution", _is(DeformConv), sampled.deformable),
    Row("octave convolution", _is(OctaveConv), octaves.convolution),
    Row("transposed octave convolution", _is(OctaveConvTranspose), octaves.transposed),
    *(
        Row(operator.replace("-", " "), _is(kind), composed.build(operator, stages))
        for operator, kind, stages in (
            ("depthwise-separable", DepthwiseSeparableConv, composed.depthwise_separable),
            ("spatially-separable", SpatiallySeparableConv, composed.spatially_separable),
            ("flattened", FlattenedConv, composed.flattened),
            ("shuffled", ShuffledGroupConv, composed.shuffled),
            ("interleaved", InterleavedGroupConv, composed.interleaved),
            ("bottleneck", BottleneckConv, composed.bottleneck),
        )
    ),
    Row("channel shuffle", _is(juanji_nn.ChannelShuffle, nn.ChannelShuffle), channels.shuffle),
    Row("squeeze and excitation", _is(juanji_nn.SqueezeExcite), channels.weigh),
    Row("batch normalization", _is(nn.modules.batchnorm._BatchNorm), channels.normalize),
)


def find(layer: nn.Module) -> Row | None:
    """Return the row of a layer, or None where there is none."""
    return next((row for row in LAYERS if row.matches(layer)), None)
