"""The adjoint of octave convolution: its paths backwards, every step replaced by its adjoint."""

from __future__ import annotations

from torch import Tensor

from ..conv import op as conv_op
from .pair import OctavePair
from .paths import Path, Paths, divide, halve
from .resample import crop_adjoint, pool_adjoint, upsample_adjoint


def convolve_transposed(
    pair: OctavePair, weight: Tensor, bias: Tensor | None, paths: Paths
) -> OctavePair:
    """Apply the adjoint; shapes as in `juanji.functional.octave_conv_transpose`."""
    cut = paths.cut
    twos = (2,) * len(paths.fine)
    average = divide(paths.fine, paths.pooled)  # size of X_H when it is pooled
    rows = weight.split(cut.coarse)
    high: list[Tensor] = []  # what the paths bring to pooled X_H
    low: list[Tensor] = []  # and to X_L
    if pair.high is not None:
        columns = [channels // cut.spec.groups for channels in cut.fine]
        weights = (rows[0], rows[0]) if cut.depthwise else rows[0].split(columns, dim=1)
        if cut.fine[0]:
            high.append(_follow_back(paths.high_to_high, pair.high, weights[0]))
        if cut.fine[1] and not cut.depthwise:
            low.append(_follow_back(paths.low_to_high, pair.high, weights[1]))
    if pair.low is not None:
        x = _follow_back(paths.to_low, pair.low, rows[1])
        x_high, x_low = (None, x) if cut.depthwise else _part(x, paths)
        if x_high is not None:
            high.append(pool_adjoint(x_high, twos, average))
        if x_low is not None:
            low.append(pool_adjoint(x_low, paths.pooled, halve(paths.fine)))
    biases = (None, None) if bias is None else bias.split(cut.fine)
    x_high = x_low = None
    if high:
        x_high = pool_adjoint(sum(high[1:], high[0]), paths.pooled, paths.fine)
        x_high = _add(x_high, biases[0])
    if low:
        x_low = _add(sum(low[1:], low[0]), biases[1])
    return OctavePair(x_high, x_low, size=paths.fine)


def _part(x: Tensor, paths: Paths) -> tuple[Tensor | None, Tensor | None]:
    """Part channels that are joined group by group; a half without channels is None."""
    fine, groups = paths.cut.fine, paths.cut.spec.groups
    if not all(fine):
        return (x, None) if fine[0] else (None, x)
    if groups == 1:
        x_high, x_low = x.split(fine, dim=1)
        return x_high, x_low
    columns = [channels // groups for channels in fine]
    x_high, x_low = (
        half.flatten(1, 2) for half in x.unflatten(1, (groups, -1)).split(columns, dim=2)
    )
    return x_high, x_low


def _add(half: Tensor, bias: Tensor | None) -> Tensor:
    """Add the bias last: a step back would spread it."""
    if bias is None:
        return half
    return half + bias.to(half.dtype).reshape(-1, *(1 for _ in half.shape[2:]))


def _follow_back(path: Path, y: Tensor, weight: Tensor) -> Tensor:
    y = upsample_adjoint(y, path.after, [axis.coarse for axis in path.axes])
    x = conv_op.convolve_transposed(y, weight, None, path.bound)
    x = crop_adjoint(x, path.averaged)
    x = pool_adjoint(x, path.shrink, path.repeated)
    return upsample_adjoint(x, path.repeat, path.given)
