"""The functional interface: every operator by its name."""

from __future__ import annotations

from .compositions import (
    channel_shuffle,
    depthwise_separable_conv,
    flattened_conv,
    interleaved_group_conv,
    shuffled_group_conv,
    spatially_separable_conv,
)
from .ops.conv import conv, conv_matrix, conv_transpose
from .ops.deform import deform_conv
from .ops.octave import (
    frequency_split,
    octave_conv,
    octave_conv_transpose,
    octave_merge,
    octave_split,
)
from .ops.pool import (
    avg_pool,
    avg_unpool,
    global_avg_pool,
    global_max_pool,
    max_pool,
    max_unpool,
    stochastic_pool,
)

__all__ = [
    "avg_pool",
    "avg_unpool",
    "channel_shuffle",
    "conv",
    "conv_matrix",
    "conv_transpose",
    "deform_conv",
    "depthwise_separable_conv",
    "flattened_conv",
    "frequency_split",
    "global_avg_pool",
    "global_max_pool",
    "interleaved_group_conv",
    "max_pool",
    "max_unpool",
    "octave_conv",
    "octave_conv_transpose",
    "octave_merge",
    "octave_split",
    "shuffled_group_conv",
    "spatially_separable_conv",
    "stochastic_pool",
]
