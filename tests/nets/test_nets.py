"""What holds for every network of the table."""

from __future__ import annotations

import pytest
import torch
from small_forms import SMALL
from torch import Tensor, nn

from juanji import nets
from juanji.analysis import count

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
