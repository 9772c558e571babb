"""GoogLeNet, IGCNet, ELASTIC and FCN against the same networks in torch.nn alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import references
from peers import assert_same_outputs, count
from torch import nn

from juanji import nets


@pytest.mark.parametrize("name", ["googlenet", "igcnet20", "igcnet18", "elastic_resnext50"])
def test_same_weights_give_the_same_output(name: str) -> None:
    reference: Callable[[], nn.Module] = getattr(references, name)
    assert count(reference) == count(nets.NETS[name])
    assert_same_outputs(nets.NETS[name](), awake(reference()), 3, 65, 49)


@pytest.mark.parametrize(("name", "maps"), [("fcn32s", 1), ("fcn16s", 2), ("fcn8s", 3)])
def test_fcn_computes_what_the_authors_layers_do(name: str, maps: int) -> None:
    assert count(lambda: references.FCN(maps, 64)) == nets.NETS[name].weights
    for size in ((96, 64), (75, 49)):
        assert_same_outputs(nets.NETS[name](width=4), awake(references.FCN(maps, 4)), 3, *size)


def awake(net: nn.Module) -> nn.Module:
    """Draw larger weights than torch does, with which deep networks hardly see their input."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return net
