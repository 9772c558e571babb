"""Every picture as one explicit table: its name, how it is built, with which arguments.

The command line, the gallery, the page and the tests go by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import (
    arguments,
    blocks,
    compositions,
    convolution,
    deform,
    frequency,
    inception,
    pool,
    unpool,
)
from .arguments import conv, pooling, sized
from .scene import Scene


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
        settings = {**self.arguments, **given}
        for name, value in settings.items():
            if name == "input" and not (value and all(cells >= 1 for cells in value)):
                raise ValueError(f"input must have at least one cell on each axis, got {value}")
            if name.endswith("channels") and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        return self.build(**settings)


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


CONV = {
    "input": (5, 5), "kernel": 3, "stride": 1, "padding": 0, "dilation": 1, "groups": 1,
    "in_channels": 1, "out_channels": 1,
}  # fmt: skip
UNGROUPED = {name: value for name, value in CONV.items() if name != "groups"}
POOL = {"input": (4, 4), "kernel": 2, "stride": None, "padding": 0}

OPERATORS: tuple[Operator, ...] = (
    Operator(
        "conv", "convolution", "convolution", conv(convolution.scene), CONV | {"flip": False},
        ("values", "weight", "bias"),
    ),
    Operator(
        "conv-transpose", "transposed convolution", "convolution",
        conv(convolution.scene, transposed=True),
        CONV | {"input": (2, 2), "output_padding": 0, "how": "scatter"},
        ("values", "weight", "bias"),
    ),
    Operator(
        "deformable", "deformable convolution", "convolution", conv(deform.scene),
        CONV | {"pattern": "free"}, ("values", "weight", "offset", "bias", "mask"),
    ),
    Operator(
        "depthwise-separable", "depthwise separable convolution", "composition",
        conv(compositions.depthwise_separable),
        UNGROUPED | {"in_channels": 3, "out_channels": 2, "multiplier": 1},
        ("values", "weights", "bias"),
    ),
    Operator(
        "spatially-separable", "spatially separable convolution", "composition",
        conv(compositions.spatially_separable), CONV, ("values", "weights", "bias"),
    ),
    Operator(
        "flattened", "flattened convolution", "composition", 
        conv(compositions.flattened), CONV | {"in_channels": 3},
        ("values", "weights", "bias"),
    ),
    Operator(
        "shuffled", "shuffled grouped convolution", "composition", conv(compositions.shuffled),
        CONV | {"input": (3, 3), "kernel": 1, "groups": 2, "in_channels": 4, "out_channels": 4}
        | {"twice": True},
        ("values", "weight", "bias"),
    ),
    Operator(
        "interleaved", "interleaved group convolution", "composition",
        conv(compositions.interleaved),
        UNGROUPED | {"input": (3, 3), "kernel": 2, "in_channels": 4, "out_channels": 4}
        | {"primary_groups": 2, "secondary_groups": 2},
        ("values", "weights", "bias"),
    ),
    Operator(
        "channel-shuffle", "channel shuffle", "composition", sized(compositions.channel_shuffle),
        {"input": (2, 2), "channels": 6, "groups": 3}, ("values",),
    ),
    Operator(
        "octave", "octave convolution", "frequency", arguments.octave(),
        CONV | {"input": (4, 4), "padding": 1, "in_channels": 2, "out_channels": 2}
        | {"alpha_in": 0.5, "alpha_out": 0.5, "downsample": "pool"},
        ("high", "low", "weight", "bias"),
    ),
    Operator(
        "octave-transpose", "transposed octave convolution", "frequency",
        arguments.octave(transposed=True),
        CONV | {"input": (4, 4), "padding": 1, "in_channels": 2, "out_channels": 2}
        | {"output_padding": 0, "alpha_in": 0.5, "alpha_out": 0.5, "downsample": "pool"},
        ("high", "low", "weight", "bias"),
    ),
    Operator(
        "octave-split", "octave split", "frequency", arguments.octave_split,
        {"input": (4, 4), "channels": 2, "alpha": 0.5}, ("values",),
    ),
    Operator(
        "octave-merge", "octave merge", "frequency", arguments.octave_merge,
        {"input": (4, 4), "channels": 2, "alpha": 0.5}, ("high", "low"),
    ),
    Operator(
        "frequency-split", "frequency split", "frequency", sized(frequency.frequencies),
        {"input": (4, 4), "channels": 1}, ("values",),
    ),
    Operator(
        "max-pool", "max pooling", "pooling", pooling(pool.max_pool),
        POOL | {"dilation": 1, "ceil_mode": False, "channels": 1}, ("values",),
    ),
    Operator(
        "avg-pool", "average pooling", "pooling", pooling(pool.avg_pool),
        POOL | {"dilation": 1, "ceil_mode": False, "count_include_pad": True, "channels": 1},
        ("values",),
    ),
    Operator(
        "stochastic-pool", "stochastic pooling", "pooling", pooling(pool.stochastic_pool),
        POOL | {"channels": 1, "training": True}, ("values", "random"),
    ),
    Operator(
        "max-unpool", "max unpooling", "pooling", pooling(unpool.max_pool_and_unpool),
        POOL | {"channels": 1}, ("values",),
    ),
    Operator(
        "avg-unpool", "average unpooling", "pooling", pooling(unpool.avg_unpool),
        POOL | {"channels": 1}, ("values",),
    ),
    Operator(
        "global-avg-pool", "global average pooling", "pooling", arguments.global_avg_pool,
        {"input": (3, 3), "channels": 3}, ("values",),
    ),
    Operator(
        "squeeze-excite", "squeeze and excitation", "block", arguments.weighing,
        {"input": (3, 3), "channels": 4, "reduction": 2}, ("values",),
    ),
    Operator(
        "inception", "Inception block", "block", sized(inception.inception),
        {"input": (3, 3), "channels": 2, "reduction": None}, ("values",),
    ),
    Operator(
        "bottleneck", "bottleneck", "block", sized(blocks.bottleneck),
        {"input": (3, 3), "in_channels": 4, "middle": 1, "out_channels": 4, "kernel": 3},
        ("values",),
    ),
    Operator(
        "residual", "residual connection", "block", sized(blocks.residual),
        {"input": (4, 4), "channels": 1, "kernel": 3, "skip": 1.0}, ("values",),
    ),
    Operator(
        "gated", "gated connection (Highway)", "block", sized(blocks.gated),
        {"input": (3, 3), "channels": 1, "kernel": 3}, ("values",),
    ),
    Operator(
        "dense", "dense connections", "block", sized(blocks.dense),
        {"input": (3, 3), "channels": 1, "growth": 1, "layers": 3, "kernel": 3}, ("values",),
    ),
    Operator(
        "stacked", "stacked small kernels", "block", sized(blocks.stacked),
        {"input": (6, 6), "kernel": 3, "layers": 2}, ("values",),
    ),
    Operator(
        "view", "view of a stack of layers", "block", arguments.view,
        {"input": (7,), "kernels": (3, 3), "strides": 1, "dilations": 1},
    ),
)  # fmt: skip
