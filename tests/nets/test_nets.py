"""What holds for every network of the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from small_forms import SMALL
from torch import Tensor, nn

import juanji
from juanji import nets
from juanji.analysis import count
from juanji.nets.densenet import densenet
from juanji.nets.resnet import resnet
from juanji.nn import (
    BasicBlock,
    BigLittleBlock,
    BottleneckBlock,
    ConvUnit,
    ElasticBlock,
    HighwayBlock,
    InceptionBlock,
    InceptionReductionBlock,
    ResNeXtBlock,
)

# in training they normalize a map of one cell, which takes two images
NORMALIZES_ONE_CELL = {"deeplab3_resnet50"}


def small(name: str, batch: int, **options: int) -> tuple[nn.Module, Tensor]:
    """Build the small form of a network and draw inputs for it."""
    arguments, shape = SMALL[name]
    torch.manual_seed(0)
    return nets.NETS[name](**arguments | options), torch.randn(batch, *shape)


def test_every_network_is_a_function_of_the_package_and_has_a_small_form() -> None:
    assert list(SMALL) == list(nets.NETS)
    for name, net in nets.NETS.items():
        assert net.build is getattr(nets, name)


@pytest.mark.parametrize("name", nets.NETS)
def test_counts_are_the_published_ones(name: str) -> None:
    net = nets.NETS[name]
    with torch.device("meta"):
        counted = count(net(), torch.empty(1, *net.input_size))
    assert not counted.uncounted
    if net.weights is not None:
        assert counted.weights == net.weights
    if net.multiply_adds is not None:
        assert counted.multiply_adds.dense == pytest.approx(net.multiply_adds, rel=0.01)


@pytest.mark.parametrize("name", nets.NETS)
def test_gradient_reaches_every_parameter_also_for_one_image(name: str) -> None:
    options = {} if nets.NETS[name].task == "generation" else {"classes": 3}
    net, x = small(name, batch=2 if name in NORMALIZES_ONE_CELL else 1, **options)
    output = net(x)
    (output * torch.randn_like(output)).sum().backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


# One network of every kind, as few layers as it has; the others have more of the same.
KINDS: dict[str, Callable[[], nn.Module]] = {
    "alexnet": lambda: nets.alexnet(width=2, small=True),
    "network_in_network": lambda: nets.network_in_network(width=6),
    "vgg": lambda: nets.vgg11(width=2, small=True),
    "inception": lambda: nn.Sequential(
        InceptionBlock(3, 2, 3, 4, 1, 2, 3), InceptionReductionBlock(11, 4, 2, reduce=3, size=7)
    ),
    "highway": lambda: nn.Sequential(ConvUnit(3, 4, 3), HighwayBlock(4)),
    "resnet": lambda: resnet(BottleneckBlock, [1, 1], 3, 10, width=4, small=False),
    "resnext": lambda: resnet(ResNeXtBlock, [1, 1], 3, 10, width=16, small=True),
    "densenet": lambda: densenet([2, 2], 3, 10, width=4, small=False),
    "se_resnet": lambda: resnet(
        partial(BasicBlock, reduction=2), [1, 1], 3, 10, width=4, small=True
    ),
    "big_little": lambda: BigLittleBlock(3, 16, 3, stride=2),
    "elastic": lambda: ElasticBlock(3, 4, 16),
}


@pytest.mark.parametrize("name", KINDS)
def test_exports_and_compiles(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, x = KINDS[name]().eval(), torch.randn(2, 3, 17, 15)
    # export reads the file back, and compares the numbers
    juanji.export(net, tmp_path / "net.onnx", x)
    juanji.export(net, tmp_path / "net.pt2", x)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize("name", KINDS)
def test_swaps_find_the_convolutions(name: str) -> None:
    torch.manual_seed(0)
    net, x = KINDS[name]().eval(), torch.randn(1, 3, 18, 14)
    with torch.no_grad():
        expected = net(x)
        same = juanji.convert(net, "octave:0", x)
        torch.testing.assert_close(same(x), expected)
        plan = juanji.plan(net, "octave:0.5", x)
        assert plan.converted
        assert plan.apply(net)(x).shape == expected.shape
