"""Convolutions composed of convolutions, and the channel shuffle."""

from __future__ import annotations

from .. import functional as F
from ..compositions import reference
from ..ops.shuffle import reference as shuffle_reference
from .record import THREADS, Case, Limit, Operator, maps, weight

SPATIALLY_SEPARABLE = Operator(
    name="spatially separable convolution",
    call=F.spatially_separable_conv,
    layer="SpatiallySeparableConv",
    formula="one axis after the other: k x k = k x 1, then 1 x k",
    cost="Σ over the passes p of C_p · C_(p−1)/g · k_p · O_p",
    source="Jaderberg et al., 2014, arXiv:1405.3866",
    reference=reference.spatially_separable_conv,
    linear=(("input",),),
    limits={"threads": THREADS},
    cases=(
        Case(
            "one pass",
            {"input": maps(2, 4, 6), "weights": (weight(2, 2, 3),), "bias": weight(2)},
            {"groups": 2, "stride": 2, "padding": ((2, 0),)},
        ),
        Case(
            "every option",
            {
                "input": maps(2, 4, 6, 7),
                "weights": (weight(6, 2, 1, 3), weight(2, 3, 2, 1)),
                "bias": weight(2),
            },
            {
                "stride": (1, 2),
                "padding": ((1, 0), (0, 2)),
                "dilation": (2, 1),
                "groups": 2,
                "order": (1, 0),
            },
        ),
        Case(
            "same",
            {
                "input": maps(1, 2, 3, 4, 5),
                "weights": (weight(3, 2, 2, 1, 1), weight(2, 3, 1, 3, 1), weight(2, 2, 1, 1, 2)),
            },
            {"stride": (1, 2, 3), "padding": "same"},
        ),
    ),
)

DEPTHWISE_SEPARABLE = Operator(
    name="depthwise separable convolution",
    call=F.depthwise_separable_conv,
    layer="DepthwiseSeparableConv",
    formula="depthwise with multiplier m, then pointwise",
    cost="C_in · m · K · O + C_out · C_in · m · O",
    source="Chollet, 2017, arXiv:1610.02357; Howard et al., 2017, arXiv:1704.04861",
    reference=reference.depthwise_separable_conv,
    linear=(("input",), ("depthwise_weight",), ("pointwise_weight",)),
    limits={"threads": THREADS},
    cases=(
        Case(
            "multiplier 2",
            {
                "input": maps(2, 3, 7),
                "depthwise_weight": weight(6, 1, 3),
                "pointwise_weight": weight(4, 6, 1),
                "bias": weight(4),
            },
            {"stride": 2, "padding": ((2, 1),)},
        ),
        Case(
            "every option",
            {
                "input": maps(2, 3, 5, 6),
                "depthwise_weight": weight(6, 1, 3, 2),
                "pointwise_weight": weight(4, 6, 1, 1),
                "bias": weight(4),
            },
            {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)},
        ),
        Case(
            "multiplier 1",
            {
                "input": maps(1, 2, 3, 4, 3),
                "depthwise_weight": weight(2, 1, 2, 3, 1),
                "pointwise_weight": weight(3, 2, 1, 1, 1),
            },
            {"stride": (1, 2, 2), "padding": "same"},
        ),
    ),
)

FLATTENED = Operator(
    name="flattened convolution",
    call=F.flattened_conv,
    layer="FlattenedConv",
    formula="across channels (C x 1 x 1), then along each axis, every output channel by itself",
    cost="C_out · C_in/g · I + Σ over the axes a of C_out · k_a · O_a",
    source="Jin, Dundar, Culurciello, 2015, arXiv:1412.5474",
    reference=reference.flattened_conv,
    linear=(("input",), ("lateral_weight",)),
    limits={"threads": THREADS},
    cases=(
        Case(
            "groups",
            {
                "input": maps(2, 4, 6),
                "lateral_weight": weight(6, 2, 1),
                "axis_weights": (weight(6, 1, 3),),
                "bias": weight(6),
            },
            {"groups": 2, "stride": 2, "padding": ((2, 0),), "dilation": 2},
        ),
        Case(
            "every option",
            {
                "input": maps(2, 4, 5, 6),
                "lateral_weight": weight(2, 2, 1, 1),
                "axis_weights": (weight(2, 1, 3, 1), weight(2, 1, 1, 2)),
                "bias": weight(2),
            },
            {
                "stride": (2, 1),
                "padding": ((1, 0), (0, 2)),
                "dilation": (1, 2),
                "groups": 2,
            },
        ),
        Case(
            "same",
            {
                "input": maps(1, 2, 3, 4, 2),
                "lateral_weight": weight(3, 2, 1, 1, 1),
                "axis_weights": (
                    weight(3, 1, 2, 1, 1),
                    weight(3, 1, 1, 3, 1),
                    weight(3, 1, 1, 1, 1),
                ),
            },
            {"stride": (1, 2, 1), "padding": "same"},
        ),
    ),
)

SHUFFLED_GROUP = Operator(
    name="shuffled grouped convolution",
    call=F.shuffled_group_conv,
    layer="ShuffledGroupConv",
    formula="grouped convolution, then channel shuffle",
    cost="C_out · C_in/g · K · O",
    source="Zhang et al., ShuffleNet, 2017, arXiv:1707.01083",
    reference=reference.shuffled_group_conv,
    linear=(("input",), ("weight",)),
    limits={"threads": THREADS},
    cases=(
        Case(
            "3 groups",
            {"input": maps(2, 6, 7), "weight": weight(12, 2, 3), "bias": weight(12)},
            {"groups": 3, "stride": 2, "padding": ((1, 2),)},
        ),
        Case(
            "every option",
            {"input": maps(2, 4, 5, 6), "weight": weight(6, 2, 3, 2), "bias": weight(6)},
            {
                "stride": (2, 1),
                "padding": ((1, 0), (0, 2)),
                "dilation": (1, 2),
                "groups": 2,
            },
        ),
        Case(
            "same",
            {"input": maps(1, 4, 2, 3, 4), "weight": weight(4, 2, 2, 3, 1)},
            {"groups": 2, "padding": "same"},
        ),
    ),
)

INTERLEAVED_GROUP = Operator(
    name="interleaved group convolution",
    call=F.interleaved_group_conv,
    layer="InterleavedGroupConv",
    formula="L primary groups, permutation, 1 x 1 in M secondary groups, permutation back",
    cost="C_mid · C_in/L · K · O + C_out · C_mid/M · O",
    source="Zhang et al., 2017, arXiv:1707.02725",
    reference=reference.interleaved_group_conv,
    linear=(("input",), ("primary_weight",), ("secondary_weight",)),
    limits={"threads": THREADS},
    cases=(
        Case(
            "as in the paper, L 2, M 3",
            {
                "input": maps(2, 6, 5),
                "primary_weight": weight(6, 3, 3),
                "secondary_weight": weight(6, 2, 1),
                "bias": weight(6),
            },
            {"stride": 2, "padding": ((2, 0),), "primary_groups": 2, "secondary_groups": 3},
        ),
        Case(
            "every option",
            {
                "input": maps(2, 6, 4, 5),
                "primary_weight": weight(12, 2, 3, 2),
                "secondary_weight": weight(6, 6, 1, 1),
                "bias": weight(6),
            },
            {
                "stride": (2, 1),
                "padding": ((1, 0), (0, 2)),
                "dilation": (1, 2),
                "primary_groups": 3,
                "secondary_groups": 2,
            },
        ),
        Case(
            "same",
            {
                "input": maps(1, 4, 2, 3, 4),
                "primary_weight": weight(4, 2, 2, 3, 1),
                "secondary_weight": weight(4, 2, 1, 1, 1),
            },
            {"padding": "same", "primary_groups": 2, "secondary_groups": 2},
        ),
    ),
)

CHANNELS_ARE_SECOND = Limit("dimension 1 is the channels: unbatched input needs unsqueeze(0)")

CHANNEL_SHUFFLE = Operator(
    name="channel shuffle",
    call=F.channel_shuffle,
    layer="ChannelShuffle",
    suffix=False,
    formula="channel g · C/groups + i goes to i · groups + g",
    cost="0",
    source="Zhang et al., ShuffleNet, 2017, arXiv:1707.01083",
    reference=shuffle_reference.channel_shuffle,
    linear=(("input",),),
    limits={"unbatched": CHANNELS_ARE_SECOND},
    cases=(
        Case("3 groups", {"input": maps(2, 6, 3)}, {"groups": 3}),
        Case("3 groups", {"input": maps(2, 12, 2, 3)}, {"groups": 3}),
        Case("2 groups", {"input": maps(1, 8, 2, 1, 3)}, {"groups": 2}),
    ),
)


OPERATORS = (
    SPATIALLY_SEPARABLE,
    DEPTHWISE_SEPARABLE,
    FLATTENED,
    SHUFFLED_GROUP,
    INTERLEAVED_GROUP,
    CHANNEL_SHUFFLE,
)
