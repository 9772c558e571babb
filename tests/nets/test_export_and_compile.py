"""Every network leaves juanji, compiles whole, and can be converted."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from shallow import ALIKE, kinds, shallow, small
from torch import Tensor, nn

import juanji
from juanji import nets

Network = tuple[nn.Module, Tensor]

NAMES = [name for name in nets.NETS if name not in ALIKE]
NOT_SWAPPED = {"dcgan_generator"}  # its convolutions are transposed
# their programs hold operators of juanji's own
OWN_OPERATORS = ["shufflenet_g2", "igcnet20", "deformable_resnet50"]


@pytest.fixture(scope="module", autouse=True)
def seldom_collect() -> Iterator[None]:
    """Let the garbage collector look less often: tracing makes many small objects that stay."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    yield
    gc.set_threshold(*before)


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> Network:
    """A shallow network and images for it."""
    return shallow(request.param)


@pytest.mark.parametrize("name", ALIKE)
def test_what_stands_for_another_network_differs_in_numbers_alone(name: str) -> None:
    with torch.device("meta"):
        assert kinds(small(name)) == kinds(small(ALIKE[name]))


def test_onnx_has_the_same_numbers(network: Network, tmp_path: Path) -> None:
    net, x = network
    # export reads the file back, and compares the numbers; the way there is torch.export's program
    juanji.export(net, tmp_path / "net.onnx", x)


@pytest.mark.parametrize("network", OWN_OPERATORS, indirect=True)
def test_a_program_read_back_has_the_same_numbers(network: Network, tmp_path: Path) -> None:
    net, x = network
    juanji.export(net, tmp_path / "net.pt2", x)


def test_compiles_whole_to_the_same_numbers(network: Network) -> None:
    net, x = network
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize(
    "network", [name for name in NAMES if name not in NOT_SWAPPED], indirect=True
)
def test_swaps_find_the_convolutions(network: Network) -> None:
    net, x = network
    with torch.no_grad():
        expected = net(x)
        same = juanji.convert(net, "octave:0", x)
        torch.testing.assert_close(same(x), expected)
        plan = juanji.plan(net, "octave:0.5", x)
        assert plan.converted
        assert plan.apply(net)(x).shape == expected.shape
