"""Stacks of 3x3 convolutions: sizes, view and variance of the kernels that they replace."""

import pytest
import torch
from small_networks import CONV, X
from torch import nn

import juanji
from juanji import swaps


def cells_seen(model, size, dimensions):
    """Return which input cells move an output cell, for all of them: the view."""
    x = torch.rand(1, 1, *(size,) * dimensions, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model(x).flatten(), x)
    return jacobian.flatten(1) != 0, model(x).shape


@pytest.mark.parametrize(
    ("dimensions", "arguments"),
    [
        (1, {"kernel_size": 5, "padding": 2}),
        (1, {"kernel_size": 9, "stride": 3, "padding": 3, "dilation": 2}),
        (1, {"kernel_size": 7, "padding": 5}),
        (2, {"kernel_size": 5, "stride": 2, "padding": 1}),
        (2, {"kernel_size": (7, 3), "stride": (2, 1), "padding": (3, 1)}),
        (2, {"kernel_size": (1, 5), "padding": (0, 2)}),
        (2, {"kernel_size": 5, "padding": "same", "dilation": 2}),
        (3, {"kernel_size": (3, 5, 1), "stride": (1, 2, 2), "padding": (0, 2, 0)}),
    ],
)
@pytest.mark.parametrize("size", [11, 12])
def test_a_stack_has_the_sizes_and_the_view_of_the_kernel(dimensions, arguments, size):
    size = size if dimensions < 3 else size - 6
    if arguments.get("dilation") == 2 and dimensions == 1:
        size += 8
    torch.manual_seed(0)
    model = nn.Sequential(CONV[dimensions](1, 1, bias=False, **arguments)).double()
    with torch.no_grad():
        model[0].weight.fill_(1)
    x = torch.rand(1, 1, *(size,) * dimensions, dtype=torch.float64)
    changed = juanji.convert(model, "stacked-3x3", x, where="*")
    with torch.no_grad():
        for p in changed.parameters():
            p.fill_(1)
    expected, shape = cells_seen(model, size, dimensions)
    view, own_shape = cells_seen(changed, size, dimensions)
    assert own_shape == shape
    assert torch.equal(view, expected)
    layers = [layer for layer in changed[0] if hasattr(layer, "kernel_size")]
    assert all(max(layer.kernel_size) == 3 for layer in layers)
    assert len(layers) == max(model[0].kernel_size) // 2


@pytest.mark.parametrize("padding", ["same", "full", "valid", ((1, 2), (0, 3))])
@pytest.mark.parametrize("size", [9, 12])
def test_a_stack_takes_every_padding(padding, size):
    layer = juanji.nn.Conv2d(1, 1, 5, 2, padding, bias=False).double()
    nn.init.ones_(layer.weight)
    model = nn.Sequential(layer)
    x = torch.rand(1, 1, size, size, dtype=torch.float64)
    changed = juanji.convert(model, "stacked-3x3", x, where="*")
    for p in changed.parameters():
        nn.init.ones_(p)
    expected, shape = cells_seen(model, size, 2)
    view, own_shape = cells_seen(changed, size, 2)
    assert own_shape == shape
    assert torch.equal(view, expected)


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_stack_starts_with_the_variance_of_the_old_outputs(activation, groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 64, 7, groups=groups)
    with torch.no_grad():
        conv.weight.mul_(3)
        conv.bias.normal_()
    x = torch.randn(8, 32, 13, 13)
    swap = swaps.Stacked3x3(activation=activation)
    stack = juanji.convert(nn.Sequential(conv), swap, x, where="*")[0]
    assert torch.equal(stack[-1].bias, conv.bias)
    offset = conv.bias[:, None, None]
    old, new = (conv(x) - offset).square().mean(), (stack(x) - offset).square().mean()
    assert new.item() == pytest.approx(old.item(), rel=0.25)
    assert juanji.plan(nn.Sequential(conv), swap, x, where="*").entries[0].fit_error is None
    assert sum(isinstance(layer, nn.ReLU) for layer in stack) == (2 if activation == "relu" else 0)


def test_a_stack_of_two_has_19_weights_for_26():
    plan = juanji.plan(nn.Sequential(nn.Conv2d(1, 1, 5)), "stacked-3x3", X[:, :1], where="*")
    assert (plan.entries[0].weights_before, plan.entries[0].weights_after) == (26, 19)
