"""From the arguments of the table of pictures to the builders: numbers become a bound relation.

Words are the same everywhere: `input` is a size and `values` are the numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..bind import Bound, bind
from ..spec import Conv, Padding, Pool, Size, per_axis, windows
from . import blocks, frequency, pool
from .scene import Scene
from .squeeze_excite import squeeze_excite
from .stages import Numbers

Build = Callable[..., Scene]


def bound_conv(
    *,
    input: Sequence[int],
    kernel: Size,
    stride: Size,
    padding: Padding,
    dilation: Size,
    in_channels: int,
    out_channels: int,
    groups: int = 1,
    output_padding: Size = 0,
    flip: bool = False,
    transposed: bool = False,
) -> Bound:
    """Bind a convolution to the size of its input."""
    moved = windows(per_axis("kernel", kernel, len(input)), stride, padding, dilation)
    extra = per_axis("output_padding", output_padding, len(input)) if transposed else ()
    spec = Conv(moved, in_channels, out_channels, groups, flip, transposed, extra)
    return bind(spec, input)


def bound_pool(
    *,
    input: Sequence[int],
    kernel: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Bound:
    """Bind a pooling to the size of its input; the stride is the kernel if none is given."""
    cells = per_axis("kernel", kernel, len(input))
    moved = windows(cells, cells if stride is None else stride, padding, dilation)
    return bind(Pool(moved, ceil_mode), input)


def conv(build: Build, *, transposed: bool = False) -> Build:
    """Return a picture from a builder that takes the bound of a convolution."""
    return _windowed(build, bound_conv, transposed=transposed)


def pooling(build: Build) -> Build:
    """Return a picture from a builder that takes the bound of a pooling."""
    return _windowed(build, bound_pool)


def sized(build: Build) -> Build:
    """Return a picture from a builder that takes a size."""

    def made(*, input: Sequence[int], values: Numbers | None = None, **given: Any) -> Scene:
        return build(input, input=values, **given)

    return made


def _windowed(build: Build, bound: Callable[..., Bound], **fixed: Any) -> Build:
    names = bound.__annotations__

    def made(*, values: Numbers | None = None, **given: Any) -> Scene:
        window = {name: given.pop(name) for name in list(given) if name in names}
        return build(bound(**window, **fixed), input=values, **given)

    return made


def octave(*, transposed: bool = False) -> Build:
    """Return the picture of octave convolution, or of its adjoint."""

    def made(*, alpha_in: float, alpha_out: float, downsample: str, **given: Any) -> Scene:
        from ..ops.octave import octave_cut  # imports torch, which no other picture needs
        from . import octave, octave_transpose

        numbers = {name: given.pop(name, None) for name in ("high", "low", "weight", "bias")}
        bound = bound_conv(**given, transposed=transposed)
        assert isinstance(bound.spec, Conv)
        cut = octave_cut(bound.spec, alpha_in, alpha_out, downsample)
        build = octave_transpose.scene if transposed else octave.scene
        return build(cut, bound, **numbers, alpha=f"{alpha_in} -> {alpha_out}")

    return made


def octave_split(
    *, input: Sequence[int], channels: int, alpha: float, values: Numbers | None = None
) -> Scene:
    """Return the picture of a split."""
    from ..ops.octave import low_channels

    low = low_channels(alpha, channels)
    return frequency.split(input, channels, low, values, alpha=str(alpha))


def octave_merge(
    *,
    input: Sequence[int],
    channels: int,
    alpha: float,
    high: Numbers | None = None,
    low: Numbers | None = None,
) -> Scene:
    """Return the picture of a merge."""
    from ..ops.octave import low_channels

    count = low_channels(alpha, channels)
    return frequency.merge(input, channels - count, count, high, low)


def global_avg_pool(*, input: Sequence[int], channels: int, values: Numbers | None = None) -> Scene:
    """Return the picture of one window as large as the input."""
    bound = bound_pool(input=input, kernel=tuple(input))
    return pool.avg_pool(bound, channels, values, operator="global-avg-pool")


def weighing(
    *, input: Sequence[int], channels: int, reduction: int, values: Numbers | None = None
) -> Scene:
    """Return the picture of squeeze and excitation."""
    if reduction < 1:
        raise ValueError(f"reduction must be at least 1, got {reduction}")
    return squeeze_excite(input, channels, max(1, channels // reduction), values)


def view(*, input: Sequence[int], kernels: Size, strides: Size, dilations: Size) -> Scene:
    """Return the picture of what a stack sees; one number is the same in all layers."""
    given = {"kernels": kernels, "strides": strides, "dilations": dilations}
    layers = max((len(value) for value in given.values() if not isinstance(value, int)), default=1)
    per_layer = [per_axis(name, value, layers) for name, value in given.items()]
    return blocks.view(input[0], *per_layer)
