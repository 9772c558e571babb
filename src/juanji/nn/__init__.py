"""Every variant as a layer, one file each."""

from __future__ import annotations

from .blocks import (
    BasicBlock,
    BottleneckBlock,
    ConvUnit,
    ResidualBlock,
    ResNeXtBlock,
)
from .bottleneck import BottleneckConv1d, BottleneckConv2d, BottleneckConv3d
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .deform import DeformConv1d, DeformConv2d, DeformConv3d
from .depthwise import DepthwiseConv1d, DepthwiseConv2d, DepthwiseConv3d
from .depthwise_separable import (
    DepthwiseSeparableConv1d,
    DepthwiseSeparableConv2d,
    DepthwiseSeparableConv3d,
)
from .fit import fit_error
from .flattened import FlattenedConv1d, FlattenedConv2d, FlattenedConv3d
from .interleaved import InterleavedGroupConv1d, InterleavedGroupConv2d, InterleavedGroupConv3d
from .octave import (
    OctaveBatchNorm1d,
    OctaveBatchNorm2d,
    OctaveBatchNorm3d,
    OctaveConv1d,
    OctaveConv2d,
    OctaveConv3d,
)
from .octave_transpose import OctaveConvTranspose1d, OctaveConvTranspose2d, OctaveConvTranspose3d
from .pool import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    AvgUnpool1d,
    AvgUnpool2d,
    AvgUnpool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    StochasticPool1d,
    StochasticPool2d,
    StochasticPool3d,
)
from .shuffled import ChannelShuffle, ShuffledGroupConv1d, ShuffledGroupConv2d, ShuffledGroupConv3d
from .spatially_separable import (
    SpatiallySeparableConv1d,
    SpatiallySeparableConv2d,
    SpatiallySeparableConv3d,
)
from .squeeze_excite import SqueezeExcite

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "AvgUnpool1d",
    "AvgUnpool2d",
    "AvgUnpool3d",
    "BasicBlock",
    "BottleneckBlock",
    "BottleneckConv1d",
    "BottleneckConv2d",
    "BottleneckConv3d",
    "ChannelShuffle",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "ConvUnit",
    "DeformConv1d",
    "DeformConv2d",
    "DeformConv3d",
    "DepthwiseConv1d",
    "DepthwiseConv2d",
    "DepthwiseConv3d",
    "DepthwiseSeparableConv1d",
    "DepthwiseSeparableConv2d",
    "DepthwiseSeparableConv3d",
    "FlattenedConv1d",
    "FlattenedConv2d",
    "FlattenedConv3d",
    "InterleavedGroupConv1d",
    "InterleavedGroupConv2d",
    "InterleavedGroupConv3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "OctaveBatchNorm1d",
    "OctaveBatchNorm2d",
    "OctaveBatchNorm3d",
    "OctaveConv1d",
    "OctaveConv2d",
    "OctaveConv3d",
    "OctaveConvTranspose1d",
    "OctaveConvTranspose2d",
    "OctaveConvTranspose3d",
    "ResNeXtBlock",
    "ResidualBlock",
    "ShuffledGroupConv1d",
    "ShuffledGroupConv2d",
    "ShuffledGroupConv3d",
    "SpatiallySeparableConv1d",
    "SpatiallySeparableConv2d",
    "SpatiallySeparableConv3d",
    "SqueezeExcite",
    "StochasticPool1d",
    "StochasticPool2d",
    "StochasticPool3d",
    "fit_error",
]
