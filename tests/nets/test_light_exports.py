"""One of every kind of the light, octave, segmenting and generating networks leaves juanji."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import juanji
from juanji import nets
from juanji.nets.octave import octresnet
from juanji.nets.resnet import resnet
from juanji.nn import (
    AtrousBottleneckBlock,
    AtrousPyramid,
    CombinedBlock,
    ConvUnit,
    DeformableBottleneckBlock,
    FactorizedBlock,
    GeneratorBlock,
    InterleavedResidualBlock,
    InvertedResidualBlock,
    OctaveDepthwiseSeparableBlock,
    OctaveInvertedResidualBlock,
    ShuffleUnit,
    XceptionBlock,
)


def behind_a_stem(*blocks: nn.Module) -> nn.Module:
    return nn.Sequential(ConvUnit(3, 8, 3), *blocks)


KINDS: dict[str, Callable[[], nn.Module]] = {
    "xception": lambda: behind_a_stem(XceptionBlock(8, [12, 12], 2)),
    "mobilenet2": lambda: behind_a_stem(InvertedResidualBlock(8, 8), InvertedResidualBlock(8, 4)),
    "shufflenet": lambda: behind_a_stem(
        ShuffleUnit(8, 32, 2, groups=2), ShuffleUnit(32, 32, groups=2)
    ),
    "igcnet": lambda: behind_a_stem(InterleavedResidualBlock(8, 16, 2, primary_groups=4)),
    "deformable": lambda: resnet(DeformableBottleneckBlock, [1, 1], 3, 10, width=4, small=True),
    "octresnet": lambda: octresnet([1, 1], 3, 10, width=4, small=True, alpha=0.5),
    "octmobilenet": lambda: behind_a_stem(
        OctaveDepthwiseSeparableBlock(8, 8, alpha_in=0, alpha_out=0.5),
        OctaveDepthwiseSeparableBlock(8, 8, 2, alpha_in=0.5, alpha_out=0),
        OctaveInvertedResidualBlock(8, 8, alpha=0.5),
    ),
    "factorized": lambda: behind_a_stem(FactorizedBlock(8, 8), FactorizedBlock(8, 16, 2)),
    "combined": lambda: resnet(CombinedBlock, [1, 1], 3, 10, width=8, small=True),
    "fcn": lambda: nets.fcn8s(classes=3, width=1, small=True),
    "deeplab": lambda: behind_a_stem(
        AtrousBottleneckBlock(8, 2, dilation=2), AtrousPyramid(8, 4, rates=(2, 4))
    ),
    "dcgan": lambda: behind_a_stem(GeneratorBlock(8, 4)),
}


@pytest.mark.parametrize("name", KINDS)
def test_exports_and_compiles(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, x = KINDS[name]().eval(), torch.randn(2, 3, 17, 15)
    # export reads the file back, and compares the numbers; other suffixes: test_exporting.py
    juanji.export(net, tmp_path / "net.onnx", x)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), net(x))
