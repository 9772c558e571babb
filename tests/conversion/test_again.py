"""Squeeze-excite on any network, and swaps of swapped networks."""

import pytest
import torch
from pytorchcv.models import densenet, mobilenetv2
from small_networks import EVERY, X, mobile, reason
from torch import nn

import juanji
from juanji import nets
from juanji.ops.octave import OctavePair


@pytest.mark.parametrize("build", [mobilenetv2.mobilenetv2_wd4, densenet.densenet121])
@torch.no_grad()
def test_squeeze_excite_stands_behind_every_spatial_convolution(build):
    model = build().eval().features
    model.final_pool = nn.AdaptiveAvgPool2d(1)  # it is made for one size only
    x = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    plan = juanji.plan(model, "squeeze-excite", x, where="*")
    spatial = [
        name for name, m in model.named_modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)
    ]  # fmt: skip
    assert [e.name for e in plan.converted] == spatial
    changed = plan.apply(model)
    assert torch.equal(changed(x), model(x))


def test_squeeze_excite_needs_a_batch():
    assert reason(nn.Conv2d(3, 4, 3), "squeeze-excite", X[0]) == "its input has no batch dimension"


@pytest.mark.parametrize(
    "order", [("octave:0.5", "squeeze-excite:2"), ("squeeze-excite:2", "octave:0.5")]
)
def test_octaves_and_squeeze_excite_meet(order):
    torch.manual_seed(0)
    model = nets.resnet20(width=4)
    both = model
    for swap in order:
        both = juanji.convert(
            both, swap, X, exclude=["conv1", "layer2.*"] if swap.startswith("oct") else "conv1"
        )
    units = [m for m in both.modules() if isinstance(m, juanji.nn.SqueezeExcite)]
    octaves = [m for m in both.modules() if isinstance(m, juanji.nn.OctaveConv2d)]
    assert units
    assert octaves
    got = []
    for unit in units:
        unit.register_forward_hook(lambda _, args, output: got.append((args[0], output)))
    y = both(X)
    assert y.shape == model(X).shape
    assert all(type(given) is type(taken) for given, taken in got)
    assert any(isinstance(given, OctavePair) for given, _ in got) == (order[0] != "octave:0.5")
    y.square().mean().backward()
    assert all(p.grad is not None for p in both.parameters())


@pytest.mark.parametrize("first", EVERY)
@pytest.mark.parametrize("second", ["grouped:2", "octave:0.5", "deformable", "dilated"])
def test_a_converted_network_can_be_converted_again(first, second):
    torch.manual_seed(0)
    once = juanji.convert(mobile(), first, X)
    plan = juanji.plan(once, second, X)
    ordinary = {
        name for name, m in once.named_modules()
        if type(m) in (nn.Conv2d, juanji.nn.Conv2d) and not name.endswith((".offset", ".mask"))
    }  # fmt: skip
    assert {e.name for e in plan.entries} == ordinary
    twice = plan.apply(once)
    assert twice(X).shape[:2] == once(X).shape[:2]


@pytest.mark.parametrize("swap", [s for s in EVERY if s not in ("dilated", "octave:0.25")])
def test_every_layer_takes_what_an_octave_hands_on(swap):
    """An octave pair reaches a layer of another swap: it means the map it stands for."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2, return_indices=False), nn.Conv2d(8, 8, 3),
    )  # fmt: skip
    mapping = {"0": "octave:0.5", "*": swap, "5": "octave:0.5"}
    plan = juanji.plan(model, mapping, X)
    changed = plan.apply(model)
    assert isinstance(changed[0](X), OctavePair)
    y = changed(X)
    assert y.shape == model(X).shape
    y.square().mean().backward()
    assert all(p.grad is not None for p in changed.parameters())


def test_a_single_layer_is_no_network():
    with pytest.raises(ValueError, match="model must have layers to swap, but it is one itself"):
        juanji.plan(nn.Conv2d(3, 4, 3), "grouped:1", X)


def test_layers_called_by_keyword_are_seen():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(input=x)

    assert juanji.plan(Named(), "flattened", X, where="*").converted
