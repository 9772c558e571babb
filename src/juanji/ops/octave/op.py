"""Octave convolution along its paths, on the library's convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conv import op as conv_op
from .pair import OctavePair
from .paths import Path, Paths
from .resample import crop, pool, upsample


def convolve(pair: OctavePair, weight: Tensor, bias: Tensor | None, paths: Paths) -> OctavePair:
    """Convolve along all paths; shapes as in `juanji.functional.octave_conv`."""
    cut = paths.cut
    x_high = pair.high
    if x_high is not None:  # both outputs start from this average
        x_high = pool(x_high, paths.pooled)
    weights = weight.split(cut.coarse)
    biases = (None, None) if bias is None else bias.split(cut.coarse)
    high = low = None
    if cut.coarse[0]:
        high = _high(x_high, pair.low, weights[0], biases[0], paths)
    if cut.coarse[1]:
        low = _low(x_high, pair.low, weights[1], biases[1], paths)
    return OctavePair(high, low, size=paths.coarse)


def _high(
    x_high: Tensor | None,
    x_low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    paths: Paths,
) -> Tensor:
    """Y_H = conv(X_H) + upsample(conv(X_L)); weight is the rows of the high outputs."""
    cut = paths.cut
    columns = [channels // cut.spec.groups for channels in cut.fine]
    weights = (weight, weight) if cut.depthwise else weight.split(columns, dim=1)
    output = None
    if x_high is not None:
        output = _follow(paths.high_to_high, x_high, weights[0], bias)
        bias = None
    if x_low is not None and not cut.depthwise:
        added = _follow(paths.low_to_high, x_low, weights[1], bias)
        output = added if output is None else output + added
    assert output is not None
    return output


def _low(
    x_high: Tensor | None,
    x_low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    paths: Paths,
) -> Tensor:
    """Y_L = conv([pool(X_H), X_L]), one convolution; weight is the rows of the low outputs."""
    halves = []
    if x_high is not None and not paths.cut.depthwise:
        halves.append(pool(x_high, [2] * len(paths.strides)))
    if x_low is not None:
        halves.append(pool(x_low, paths.pooled))
    x = halves[0] if len(halves) == 1 else _join(halves, paths.cut.spec.groups)
    return _follow(paths.to_low, x, weight, bias)


def _join(halves: list[Tensor], groups: int) -> Tensor:
    """Concatenate channels group by group, so that each group sees its high and low ones."""
    if groups == 1:
        return torch.cat(halves, dim=1)
    return torch.cat([half.unflatten(1, (groups, -1)) for half in halves], dim=2).flatten(1, 2)


def _follow(path: Path, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    x = pool(upsample(x, path.repeat, path.repeated), path.shrink)
    x = crop(x, [axis.fine for axis in path.axes])
    y = conv_op.convolve(x, weight, bias, path.bound)
    return upsample(y, path.after, path.made)
