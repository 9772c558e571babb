"""One realistic workload in two dimensions for every operator of the catalogue, and its peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as tf
from torch import Tensor
from torch.func import functional_call

from juanji import nn
from juanji.catalog import Case
from juanji.catalog.record import maps, weight

Inputs = Mapping[str, Any]  # tensors by argument name


@dataclass(frozen=True)
class Workload:
    """One call of an operator, and what to compare it with.

    peer: its name, how to call it with the tensors, and its own case where it takes others.
    call: how to call the operator, where the catalogue's call is bound to its small cases.
    prepare: what to make of the tensors after they are drawn.
    """

    case: Case
    peer: tuple[str, Callable[..., Any]] | tuple[str, Callable[..., Any], Case] | None
    call: Callable[..., Any] | None = None
    prepare: Callable[[Inputs], Inputs] = lambda inputs: inputs


def work(arguments: Mapping[str, Any], peer: Any, call: Any = None, **options: Any) -> Workload:
    """Shorten the table below."""
    return Workload(Case("workload", arguments, options), peer, call)


def conv(channels: int, kernel: int, groups: int = 1, **options: Any) -> Workload:
    """A convolution of 4 maps of 56 x 56, which torch has too."""
    given = {"input": MAPS(channels), "weight": FILTERS(channels, kernel, groups)}
    options |= {"groups": groups}
    return work(given, ("torch", partial(tf.conv2d, **options)), **options)


def dense(channels: int, size: int = 56, kernel: int = 3, padding: int = 1) -> tuple[Any, ...]:
    """The dense convolution that a variant stands for."""
    given = {"input": MAPS(channels, size), "weight": FILTERS(channels, kernel)}
    return "dense", partial(tf.conv2d, padding=padding), Case("dense", given)


def MAPS(channels: int, size: int = 56, **kind: Any) -> Any:  # noqa: N802
    """Return 4 square maps."""
    return maps(4, channels, size, size, **kind)


def FILTERS(channels: int, kernel: int, groups: int = 1) -> Any:  # noqa: N802
    """Return as many filters as there are channels, with square kernels."""
    return weight(channels, channels // groups, kernel, kernel)


def layer(module: torch.nn.Module, *inputs: str) -> Callable[..., Any]:
    """Call a layer with given parameters; several inputs make a pair."""

    def call(**given: Tensor) -> Any:
        values = tuple(given.pop(name) for name in inputs)
        return functional_call(module, given, (values if len(values) > 1 else values[0],))

    return call


def one_of_each_window(inputs: Inputs) -> Inputs:
    """Turn numbers 0..3 into indices of cells, each in its window of 2 x 2."""
    cell = inputs["indices"]
    rows, columns = (torch.arange(size) * 2 for size in cell.shape[2:])
    row, column = rows[:, None] + cell // 2, columns + cell % 2
    return {**inputs, "indices": row * (2 * cell.shape[3]) + column}


def torch_squeeze_excite(input: Tensor, **parameters: Tensor) -> Tensor:
    """Squeeze and excitation as one writes it in torch."""
    reduce, reduce_bias, expand, expand_bias = parameters.values()
    hidden = tf.linear(input.mean((2, 3)), reduce, reduce_bias).relu()
    return input * tf.linear(hidden, expand, expand_bias).sigmoid()[:, :, None, None]


def torch_octave_split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the first half of the channels, average the other."""
    high, low = x.chunk(2, 1)
    return high, tf.avg_pool2d(low, 2)


def torch_frequency_split(image: Tensor) -> tuple[Tensor, Tensor]:
    """Average and repeat; the rest is the high part."""
    low = doubled(tf.avg_pool2d(image, 2))
    return image - low, low


def torch_octave_batch_norm(high: Tensor, low: Tensor, weight: Tensor, bias: Tensor) -> Any:
    """Normalize both halves by themselves."""
    parameters = zip((high, low), weight.chunk(2), bias.chunk(2), strict=True)
    return tuple(tf.batch_norm(x, None, None, w, b, training=True) for x, w, b in parameters)


def doubled(input: Tensor) -> Tensor:
    """Repeat every cell 2 x 2 times."""
    return tf.interpolate(input, scale_factor=2, mode="nearest")


PAIR = {"high": MAPS(64), "low": MAPS(64, 28)}

# operator of the catalogue: what to run it on
WORKLOADS: dict[str, Workload] = {
    "convolution": conv(64, 3, padding=1),
    "transposed convolution": work(
        {"input": MAPS(64, 28), "weight": FILTERS(64, 4)},
        ("torch", partial(tf.conv_transpose2d, stride=2, padding=1)),
        stride=2,
        padding=1,
    ),
    "convolution as a matrix": work(
        {"weight": FILTERS(16, 3)}, None, input_size=(28, 28), padding=1
    ),
    "pointwise (1 x 1) convolution": conv(128, 1),
    "dilated (atrous) convolution": conv(64, 3, padding=2, dilation=2),
    "grouped convolution": conv(64, 3, groups=16, padding=1),
    "depthwise convolution": conv(64, 3, groups=64, padding=1),
    "deformable convolution": work(
        {
            "input": MAPS(64),
            "offset": MAPS(18, kind="offsets"),
            "weight": FILTERS(64, 3),
            "mask": MAPS(9, kind="positive"),
        },
        dense(64),
        padding=1,
    ),
    "spatially separable convolution": work(
        {"input": MAPS(128), "weights": (weight(128, 128, 3, 1), weight(128, 128, 1, 3))},
        dense(128),
        padding=1,
    ),
    "depthwise separable convolution": work(
        {
            "input": MAPS(128),
            "depthwise_weight": FILTERS(128, 3, groups=128),
            "pointwise_weight": FILTERS(128, 1),
        },
        dense(128),
        padding=1,
    ),
    "flattened convolution": work(
        {
            "input": MAPS(128),
            "lateral_weight": FILTERS(128, 1),
            "axis_weights": (weight(128, 1, 3, 1), weight(128, 1, 1, 3)),
        },
        dense(128),
        padding=1,
    ),
    "shuffled grouped convolution": work(
        {"input": MAPS(128), "weight": FILTERS(128, 3, groups=4)}, dense(128), padding=1, groups=4
    ),
    "interleaved group convolution": work(
        {
            "input": MAPS(128),
            "primary_weight": FILTERS(128, 3, groups=4),
            "secondary_weight": FILTERS(128, 1, groups=32),
        },
        dense(128),
        padding=1,
        primary_groups=4,
        secondary_groups=32,
    ),
    "channel shuffle": work(
        {"input": MAPS(128)}, ("torch", partial(tf.channel_shuffle, groups=4)), groups=4
    ),
    "squeeze and excitation": work(
        {
            "input": MAPS(128),
            "reduce.weight": weight(8, 128),
            "reduce.bias": weight(8),
            "expand.weight": weight(128, 8),
            "expand.bias": weight(128),
        },
        ("torch", torch_squeeze_excite),
        layer(nn.SqueezeExcite(128, 16, device="meta"), "input"),
    ),
    "stacked 3 x 3 in place of 5 x 5": work(
        {"input": MAPS(64, 60), "first": FILTERS(64, 3), "second": FILTERS(64, 3)},
        dense(64, 60, kernel=5, padding=0),
    ),
    "bottleneck convolution": work(
        {
            "input": MAPS(128),
            "reduce_weight": weight(32, 128, 1, 1),
            "spatial_weight": FILTERS(32, 3),
            "expand_weight": weight(128, 32, 1, 1),
            "bias": weight(128),
        },
        dense(128),
        layer(nn.BottleneckConv2d(128, 128, 3, padding=1, reduction=4, device="meta"), "input"),
    ),
    "octave convolution": work(
        PAIR | {"weight": FILTERS(128, 3)}, dense(128), padding=1, alpha_in=0.5, alpha_out=0.5
    ),
    "transposed octave convolution": work(
        {"high": MAPS(64, 28), "low": MAPS(64, 14), "weight": FILTERS(128, 4)},
        (
            "dense",
            partial(tf.conv_transpose2d, stride=2, padding=1),
            Case("dense", {"input": MAPS(128, 28), "weight": FILTERS(128, 4)}),
        ),
        stride=2,
        padding=1,
        alpha_in=0.5,
        alpha_out=0.5,
    ),
    "octave split": work({"x": MAPS(128)}, ("torch", torch_octave_split), alpha=0.5),
    "octave merge": work(PAIR, ("torch", lambda high, low: torch.cat((high, doubled(low)), 1))),
    "frequency split": work({"image": MAPS(64)}, ("torch", torch_frequency_split)),
    "octave batch normalization": work(
        PAIR | {"weight": weight(128), "bias": weight(128)},
        ("torch", torch_octave_batch_norm),
        layer(nn.OctaveBatchNorm2d(128, track_running_stats=False, device="meta"), "high", "low"),
    ),
    "max pooling": work(
        {"input": MAPS(64, 112)},
        ("torch", partial(tf.max_pool2d, kernel_size=3, stride=2, padding=1)),
        kernel_size=(3, 3),
        stride=2,
        padding=1,
    ),
    "average pooling": work(
        {"input": MAPS(64, 112)},
        ("torch", partial(tf.avg_pool2d, kernel_size=2)),
        kernel_size=(2, 2),
    ),
    "stochastic pooling": work(
        {"input": MAPS(64, 112, kind="positive")},
        ("max", partial(tf.max_pool2d, kernel_size=2)),
        kernel_size=(2, 2),
    ),
    "global average pooling": work(
        {"input": MAPS(512, 14)}, ("torch", partial(tf.adaptive_avg_pool2d, output_size=1))
    ),
    "global max pooling": work(
        {"input": MAPS(512, 14)}, ("torch", partial(tf.adaptive_max_pool2d, output_size=1))
    ),
    "max unpooling": replace(
        work(
            {"input": MAPS(64), "indices": MAPS(64, kind="indices", below=4)},
            ("torch", partial(tf.max_unpool2d, kernel_size=2)),
            kernel_size=(2, 2),
        ),
        prepare=one_of_each_window,
    ),
    "average unpooling": work({"input": MAPS(64)}, ("torch", doubled), kernel_size=(2, 2)),
}
