"""Every picture as one explicit table: its name, how it is built, with which arguments.

The command line, the gallery, the page and the tests go by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bind import Bound, bind
from ..spec import Conv, Padding, Pool, Size, per_axis, windows
from . import (
    blocks,
    compositions,
    convolution,
    deform,
    frequency,
    inception,
    pool,
    squeeze_excite,
    unpool,
)
from .scene import Scene
from .stages import Numbers


@dataclass(frozen=True, slots=True)
class Operator:
    """A picture as the table lists it.

    Attributes:
        name: as on the command line and in `Scene.operator`.
        title: in the field's words.
        kind: the section it stands in.
        build: makes the scene from keyword arguments.
        arguments: their names and what they are when not given. Sizes may be one number for all
            axes or one per axis; `input` has one per axis, and so decides how many there are.
        numbers: names of further arguments that take the user's own numbers, flat in C order.
    """

    name: str
    title: str
    kind: str
    build: Callable[..., Scene]
    arguments: Mapping[str, Any]
    numbers: tuple[str, ...] = ()

    def scene(self, **given: Any) -> Scene:
        """Build the scene, arguments that are not given as in the table.

        Raises:
            ValueError: an argument is not known or does not fit, or there is too much to draw.
        """
        known = [*self.arguments, *self.numbers]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"{self.name} takes {', '.join(known)}; got {', '.join(unknown)}")
        return self.build(**{**self.arguments, **given})


def find(name: str) -> Operator:
    """Return the operator of this name.

    Raises:
        ValueError: there is none.

    >>> find("max-pool").title
    'max pooling'
    """
    for operator in OPERATORS:
        if operator.name == name:
            return operator
    raise ValueError(f"operator must be one of {[one.name for one in OPERATORS]}, got {name!r}")


def _bound_conv(
    input: Sequence[int],
    kernel: Size,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    in_channels: int,
    out_channels: int,
    **more: Any,
) -> Bound:
    moved = windows(per_axis("kernel", kernel, len(input)), stride, padding, dilation)
    return bind(Conv(moved, in_channels, out_channels, groups, **more), input)


def _conv(
    *,
    values: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    return convolution.scene(_bound_conv(**given), values, weight, bias)


def _conv_transpose(
    *,
    output_padding: Size,
    how: convolution.How,
    values: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    extra = per_axis("output_padding", output_padding, len(given["input"]))
    bound = _bound_conv(**given, transposed=True, output_padding=extra)
    return convolution.scene(bound, values, weight, bias, how=how)


def _deformable(
    *,
    pattern: str,
    values: Numbers | None = None,
    weight: Numbers | None = None,
    offset: Numbers | None = None,
    bias: Numbers | None = None,
    mask: Numbers | None = None,
    **given: Any,
) -> Scene:
    bound = _bound_conv(**given)
    return deform.scene(bound, values, weight, offset, bias, mask=mask, pattern=pattern)


def _octave(
    *,
    alpha_in: float,
    alpha_out: float,
    downsample: str,
    high: Numbers | None = None,
    low: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    from ..ops.octave import octave_cut  # imports torch, which no other picture needs
    from . import octave

    bound = _bound_conv(**given)
    assert isinstance(bound.spec, Conv)
    cut = octave_cut(bound.spec, alpha_in, alpha_out, downsample)
    alpha = f"{alpha_in} -> {alpha_out}"
    return octave.scene(cut, bound, high, low, weight, bias, alpha=alpha)


def _bound_pool(
    input: Sequence[int],
    kernel: Size,
    stride: Size | None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Bound:
    cells = per_axis("kernel", kernel, len(input))
    moved = windows(cells, cells if stride is None else stride, padding, dilation)
    return bind(Pool(moved, ceil_mode), input)


def _max_pool(*, channels: int, values: Numbers | None = None, **given: Any) -> Scene:
    return pool.max_pool(_bound_pool(**given), channels, values)


def _avg_pool(
    *, channels: int, count_include_pad: bool, values: Numbers | None = None, **given: Any
) -> Scene:
    bound = _bound_pool(**given)
    return pool.avg_pool(bound, channels, values, count_include_pad=count_include_pad)


def _stochastic_pool(
    *,
    channels: int,
    training: bool,
    values: Numbers | None = None,
    random: Numbers | None = None,
    **given: Any,
) -> Scene:
    bound = _bound_pool(**given)
    return pool.stochastic_pool(bound, channels, values, random=random, training=training)


def _global_avg_pool(
    *, input: Sequence[int], channels: int, values: Numbers | None = None
) -> Scene:
    bound = _bound_pool(input, tuple(input), None)
    return pool.avg_pool(bound, channels, values, operator="global-avg-pool")


def _max_unpool(*, channels: int, values: Numbers | None = None, **given: Any) -> Scene:
    return unpool.max_pool_and_unpool(_bound_pool(**given), channels, values)


def _avg_unpool(*, channels: int, values: Numbers | None = None, **given: Any) -> Scene:
    return unpool.avg_unpool(_bound_pool(**given), channels, values)


def _depthwise_separable(
    *,
    multiplier: int,
    values: Numbers | None = None,
    weights: compositions.Weights = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    bound = _bound_conv(**given, groups=1)
    return compositions.depthwise_separable(bound, values, weights, bias, multiplier=multiplier)


def _spatially_separable(
    *,
    values: Numbers | None = None,
    weights: compositions.Weights = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    return compositions.spatially_separable(_bound_conv(**given), values, weights, bias)


def _flattened(
    *,
    values: Numbers | None = None,
    weights: compositions.Weights = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    return compositions.flattened(_bound_conv(**given), values, weights, bias)


def _shuffled(
    *,
    twice: bool,
    values: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    return compositions.shuffled(_bound_conv(**given), values, weight, bias, twice=twice)


def _interleaved(
    *,
    primary_groups: int,
    secondary_groups: int,
    values: Numbers | None = None,
    weights: compositions.Weights = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    return compositions.interleaved(
        _bound_conv(**given, groups=1), values, weights, bias,
        primary_groups=primary_groups, secondary_groups=secondary_groups,
    )  # fmt: skip


def _channel_shuffle(
    *, input: Sequence[int], channels: int, groups: int, values: Numbers | None = None
) -> Scene:
    return compositions.channel_shuffle(input, channels, groups, values)


def _octave_transpose(
    *,
    alpha_in: float,
    alpha_out: float,
    downsample: str,
    output_padding: Size,
    high: Numbers | None = None,
    low: Numbers | None = None,
    weight: Numbers | None = None,
    bias: Numbers | None = None,
    **given: Any,
) -> Scene:
    from ..ops.octave import octave_cut
    from . import octave_transpose

    extra = per_axis("output_padding", output_padding, len(given["input"]))
    bound = _bound_conv(**given, transposed=True, output_padding=extra)
    assert isinstance(bound.spec, Conv)
    cut = octave_cut(bound.spec, alpha_in, alpha_out, downsample)
    alpha = f"{alpha_in} -> {alpha_out}"
    return octave_transpose.scene(cut, bound, high, low, weight, bias, alpha=alpha)


def _octave_split(
    *, input: Sequence[int], channels: int, alpha: float, values: Numbers | None = None
) -> Scene:
    from ..ops.octave import low_channels

    low = low_channels(alpha, channels)
    return frequency.split(input, channels, low, values, alpha=str(alpha))


def _octave_merge(
    *,
    input: Sequence[int],
    channels: int,
    alpha: float,
    high: Numbers | None = None,
    low: Numbers | None = None,
) -> Scene:
    from ..ops.octave import low_channels

    count = low_channels(alpha, channels)
    return frequency.merge(input, channels - count, count, high, low)


def _frequency_split(
    *, input: Sequence[int], channels: int, values: Numbers | None = None
) -> Scene:
    return frequency.frequencies(input, channels, values)


def _bottleneck(
    *,
    input: Sequence[int],
    in_channels: int,
    middle: int,
    out_channels: int,
    kernel: int,
    values: Numbers | None = None,
) -> Scene:
    return blocks.bottleneck(input, in_channels, middle, out_channels, kernel, values)


def _residual(
    *,
    input: Sequence[int],
    channels: int,
    kernel: int,
    skip: float,
    values: Numbers | None = None,
) -> Scene:
    return blocks.residual(input, channels, kernel, values, skip=skip)


def _gated(
    *, input: Sequence[int], channels: int, kernel: int, values: Numbers | None = None
) -> Scene:
    return blocks.gated(input, channels, kernel, values)


def _dense(
    *,
    input: Sequence[int],
    channels: int,
    growth: int,
    layers: int,
    kernel: int,
    values: Numbers | None = None,
) -> Scene:
    return blocks.dense(input, channels, growth, layers, kernel, values)


def _stacked(
    *, input: Sequence[int], kernel: int, layers: int, values: Numbers | None = None
) -> Scene:
    return blocks.stacked(input, kernel, layers, values)


def _view(*, input: Sequence[int], kernels: Size, strides: Size, dilations: Size) -> Scene:
    layers = max(len(per) for per in (kernels, strides, dilations) if not isinstance(per, int))
    return blocks.view(
        input[0],
        per_axis("kernels", kernels, layers),
        per_axis("strides", strides, layers),
        per_axis("dilations", dilations, layers),
    )


def _inception(
    *,
    input: Sequence[int],
    channels: int,
    reduction: int | None,
    values: Numbers | None = None,
) -> Scene:
    return inception.inception(input, channels, reduction, values)


def _squeeze_excite(
    *,
    input: Sequence[int],
    channels: int,
    reduction: int,
    values: Numbers | None = None,
) -> Scene:
    middle = max(1, channels // reduction)
    return squeeze_excite.squeeze_excite(input, channels, middle, values)


CONV = {
    "input": (5, 5), "kernel": 3, "stride": 1, "padding": 0, "dilation": 1, "groups": 1,
    "in_channels": 1, "out_channels": 1,
}  # fmt: skip
UNGROUPED = {name: value for name, value in CONV.items() if name != "groups"}
POOL = {"input": (4, 4), "kernel": 2, "stride": None, "padding": 0}

OPERATORS: tuple[Operator, ...] = (
    Operator(
        "conv", "convolution", "convolution", _conv, CONV | {"flip": False},
        ("values", "weight", "bias"),
    ),
    Operator(
        "conv-transpose", "transposed convolution", "convolution", _conv_transpose,
        CONV | {"input": (2, 2), "output_padding": 0, "how": "scatter"},
        ("values", "weight", "bias"),
    ),
    Operator(
        "deformable", "deformable convolution", "convolution", _deformable,
        CONV | {"pattern": "free"}, ("values", "weight", "offset", "bias", "mask"),
    ),
    Operator(
        "depthwise-separable", "depthwise separable convolution", "composition",
        _depthwise_separable,
        UNGROUPED | {"in_channels": 3, "out_channels": 2, "multiplier": 1},
        ("values", "weights", "bias"),
    ),
    Operator(
        "spatially-separable", "spatially separable convolution", "composition",
        _spatially_separable, CONV, ("values", "weights", "bias"),
    ),
    Operator(
        "flattened", "flattened convolution", "composition", _flattened, CONV | {"in_channels": 3},
        ("values", "weights", "bias"),
    ),
    Operator(
        "shuffled", "shuffled grouped convolution", "composition", _shuffled,
        CONV | {"input": (3, 3), "kernel": 1, "groups": 2, "in_channels": 4, "out_channels": 4}
        | {"twice": True},
        ("values", "weight", "bias"),
    ),
    Operator(
        "interleaved", "interleaved group convolution", "composition", _interleaved,
        UNGROUPED | {"input": (3, 3), "kernel": 2, "in_channels": 4, "out_channels": 4}
        | {"primary_groups": 2, "secondary_groups": 2},
        ("values", "weights", "bias"),
    ),
    Operator(
        "channel-shuffle", "channel shuffle", "composition", _channel_shuffle,
        {"input": (2, 2), "channels": 6, "groups": 3}, ("values",),
    ),
    Operator(
        "octave", "octave convolution", "frequency", _octave,
        CONV | {"input": (4, 4), "padding": 1, "in_channels": 2, "out_channels": 2}
        | {"alpha_in": 0.5, "alpha_out": 0.5, "downsample": "pool"},
        ("high", "low", "weight", "bias"),
    ),
    Operator(
        "octave-transpose", "transposed octave convolution", "frequency", _octave_transpose,
        CONV | {"input": (4, 4), "padding": 1, "in_channels": 2, "out_channels": 2}
        | {"output_padding": 0, "alpha_in": 0.5, "alpha_out": 0.5, "downsample": "pool"},
        ("high", "low", "weight", "bias"),
    ),
    Operator(
        "octave-split", "octave split", "frequency", _octave_split,
        {"input": (4, 4), "channels": 2, "alpha": 0.5}, ("values",),
    ),
    Operator(
        "octave-merge", "octave merge", "frequency", _octave_merge,
        {"input": (4, 4), "channels": 2, "alpha": 0.5}, ("high", "low"),
    ),
    Operator(
        "frequency-split", "frequency split", "frequency", _frequency_split,
        {"input": (4, 4), "channels": 1}, ("values",),
    ),
    Operator(
        "max-pool", "max pooling", "pooling", _max_pool,
        POOL | {"dilation": 1, "ceil_mode": False, "channels": 1}, ("values",),
    ),
    Operator(
        "avg-pool", "average pooling", "pooling", _avg_pool,
        POOL | {"dilation": 1, "ceil_mode": False, "count_include_pad": True, "channels": 1},
        ("values",),
    ),
    Operator(
        "stochastic-pool", "stochastic pooling", "pooling", _stochastic_pool,
        POOL | {"channels": 1, "training": True}, ("values", "random"),
    ),
    Operator(
        "max-unpool", "max unpooling", "pooling", _max_unpool, POOL | {"channels": 1}, ("values",)
    ),
    Operator(
        "avg-unpool", "average unpooling", "pooling", _avg_unpool, POOL | {"channels": 1},
        ("values",),
    ),
    Operator(
        "global-avg-pool", "global average pooling", "pooling", _global_avg_pool,
        {"input": (3, 3), "channels": 3}, ("values",),
    ),
    Operator(
        "squeeze-excite", "squeeze and excitation", "block", _squeeze_excite,
        {"input": (3, 3), "channels": 4, "reduction": 2}, ("values",),
    ),
    Operator(
        "inception", "Inception block", "block", _inception,
        {"input": (3, 3), "channels": 2, "reduction": None}, ("values",),
    ),
    Operator(
        "bottleneck", "bottleneck", "block", _bottleneck,
        {"input": (3, 3), "in_channels": 4, "middle": 1, "out_channels": 4, "kernel": 3},
        ("values",),
    ),
    Operator(
        "residual", "residual connection", "block", _residual,
        {"input": (4, 4), "channels": 1, "kernel": 3, "skip": 1.0}, ("values",),
    ),
    Operator(
        "gated", "gated connection (Highway)", "block", _gated,
        {"input": (3, 3), "channels": 1, "kernel": 3}, ("values",),
    ),
    Operator(
        "dense", "dense connections", "block", _dense,
        {"input": (3, 3), "channels": 1, "growth": 1, "layers": 3, "kernel": 3}, ("values",),
    ),
    Operator(
        "stacked", "stacked small kernels", "block", _stacked,
        {"input": (6, 6), "kernel": 3, "layers": 2}, ("values",),
    ),
    Operator(
        "view", "view of a stack of layers", "block", _view,
        {"input": (7,), "kernels": (3, 3), "strides": 1, "dilations": 1},
    ),
)  # fmt: skip
