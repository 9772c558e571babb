"""The building blocks of the papers' networks, one idea a file.

A block takes `in_channels`, `out_channels` (or `channels`), then its stride and what is its own.
"""

from __future__ import annotations

from .atrous import AtrousBottleneckBlock, AtrousPyramid
from .big_little import BigLittleBlock, PooledBottleneckBlock
from .branches import Branches
from .combined import CombinedBlock
from .conv_unit import ConvUnit
from .deformable import DeformableBottleneckBlock
from .dense import DenseBlock, DenseLayer, TransitionBlock
from .depthwise_separable import DepthwiseSeparableBlock
from .elastic import ElasticBlock
from .factorized import FactorizedBlock
from .gated import HighwayBlock
from .generator import GeneratorBlock
from .inception import InceptionBlock, NaiveInceptionBlock
from .inception_v3 import (
    InceptionExpandedBlock,
    InceptionFactorizedBlock,
    InceptionReductionBlock,
    InceptionStackedBlock,
)
from .interleaved_group import InterleavedGroupBlock, InterleavedResidualBlock
from .inverted_residual import InvertedResidualBlock
from .octave import (
    OctaveBasicBlock,
    OctaveBottleneckBlock,
    OctaveDepthwiseSeparableBlock,
    OctaveInvertedResidualBlock,
    OctaveResidualBlock,
    OctaveUnit,
)
from .pre_activation import PreActivationBlock, PreActivationBottleneckBlock
from .residual import BasicBlock, BottleneckBlock, ResidualBlock
from .resnext import ResNeXtBlock
from .shuffle_unit import ShuffleUnit
from .stacked import StackedBlock
from .upsampling import TransposedUpsampling, UpsamplingHead
from .weighted_residual import WeightedResidualBlock
from .xception import XceptionBlock

__all__ = [
    "AtrousBottleneckBlock",
    "AtrousPyramid",
    "BasicBlock",
    "BigLittleBlock",
    "BottleneckBlock",
    "Branches",
    "CombinedBlock",
    "ConvUnit",
    "DeformableBottleneckBlock",
    "DenseBlock",
    "DenseLayer",
    "DepthwiseSeparableBlock",
    "ElasticBlock",
    "FactorizedBlock",
    "GeneratorBlock",
    "HighwayBlock",
    "InceptionBlock",
    "InceptionExpandedBlock",
    "InceptionFactorizedBlock",
    "InceptionReductionBlock",
    "InceptionStackedBlock",
    "InterleavedGroupBlock",
    "InterleavedResidualBlock",
    "InvertedResidualBlock",
    "NaiveInceptionBlock",
    "OctaveBasicBlock",
    "OctaveBottleneckBlock",
    "OctaveDepthwiseSeparableBlock",
    "OctaveInvertedResidualBlock",
    "OctaveResidualBlock",
    "OctaveUnit",
    "PooledBottleneckBlock",
    "PreActivationBlock",
    "PreActivationBottleneckBlock",
    "ResNeXtBlock",
    "ResidualBlock",
    "ShuffleUnit",
    "StackedBlock",
    "TransitionBlock",
    "TransposedUpsampling",
    "UpsamplingHead",
    "WeightedResidualBlock",
    "XceptionBlock",
]
