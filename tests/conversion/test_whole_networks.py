"""Conversion of whole networks whose forward nobody rewrites, ours and other people's."""

import pytest
import torch
import transformers
from pytorchcv.models import densenet, mobilenetv2, resnet, senet
from torch import nn

import juanji
from juanji import nets
from juanji.nn import OctaveConv2d
from juanji.ops.octave import OctavePair


def image(*size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(1))


class Features(nn.Module):
    """A ResNet of the transformers library, with a tensor as its output."""

    def __init__(self):
        super().__init__()
        sizes = {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [1, 2]}
        self.model = transformers.ResNetModel(transformers.ResNetConfig(**sizes))

    def forward(self, x):
        return self.model(x).pooler_output


# name: (network, input, convolutions that octave:0.25 changes)
# fmt: off
NETWORKS = {
    "resnet20": (nets.resnet20, image(2, 3, 33, 31), 21),
    "resnet18": (lambda: nets.resnet18(width=16), image(1, 3, 75, 65), 20),
    "resnet50": (lambda: nets.resnet50(width=16), image(1, 3, 75, 65), 53),
    "pytorchcv-resnet": (
        lambda: resnet.get_resnet(10, width_scale=0.25), image(1, 3, 224, 224), 12),
    "pytorchcv-mobilenetv2": (mobilenetv2.mobilenetv2_wd4, image(1, 3, 224, 224), 53),
    "pytorchcv-densenet": (
        lambda: densenet.DenseNet([[24, 32], [24, 32, 40]], 16), image(1, 3, 56, 56), 12),
    "pytorchcv-senet": (
        lambda: senet.SENet([[64], [64, 64]], 32, cardinality=2, bottleneck_width=32),
        image(1, 3, 56, 56), 14),
    "transformers-resnet": (Features, image(2, 3, 65, 63), 12),
}
# fmt: on


@pytest.fixture(params=NETWORKS)
def network(request):
    build, x, changed = NETWORKS[request.param]
    torch.manual_seed(0)
    return build().eval(), x, changed


def test_nothing_changes_by_a_bit_at_alpha_zero_and_one_group(network):
    """While it is trained: the same kernels of torch's compute it.

    In inference dense layers may take a faster one, and grouped layers have kernels of ours.
    """
    model, x, _ = network
    expected = model(x)
    grouped = any(getattr(layer, "groups", 1) > 1 for layer in model.modules())
    for swap in ("octave:0", "grouped:1"):
        changed = juanji.convert(model, swap, x)
        assert grouped or torch.equal(changed(x), expected)
        with torch.no_grad():
            torch.testing.assert_close(changed(x), expected)
        assert any(type(layer).__module__.startswith("juanji.nn") for layer in changed.modules())


def test_octaves_pass_through(network):
    model, x, expected = network
    plan = juanji.plan(model, "octave:0.25", x)
    assert len(plan.converted) == expected, str(plan)
    changed = plan.apply(model)
    layers = [layer for layer in changed.modules() if isinstance(layer, OctaveConv2d)]
    seen = []
    for layer in layers:
        layer.register_forward_hook(lambda _, args, output: seen.append((args[0], output)))
    y = changed(x)
    assert y.shape == model(x).shape
    assert isinstance(seen[0][0], torch.Tensor)
    assert isinstance(seen[0][1], OctavePair)
    assert isinstance(seen[-1][1], torch.Tensor)  # the last one gives a plain map
    pairs = [isinstance(given, OctavePair) for given, _ in seen]
    assert sum(pairs) > len(pairs) / 2  # it is pairs that travel between the layers
    assert plan.converted[0].weights_before == plan.converted[0].weights_after
    spent = [(e.multiply_adds_before, e.multiply_adds_after) for e in plan.converted]
    assert sum(after for _, after in spent) < 0.85 * sum(before for before, _ in spent)
    y.square().sum().backward()
    assert all(p.grad is not None for p in changed.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    "swap",
    ["depthwise-separable", "spatially-separable", "grouped:2", "shuffled:2", "squeeze-excite:4"],
)
def test_other_swaps_run_and_train(network, swap):
    model, x, _ = network
    with torch.no_grad():
        expected = model(x)
    changed = juanji.convert(model, swap, x)
    y = changed(x)
    assert y.shape == expected.shape
    if swap.startswith("squeeze"):  # exact right after
        assert torch.equal(y, expected)
    y.square().sum().backward()
    assert all(p.grad is not None for p in changed.parameters() if p.requires_grad)


class Concatenating(nn.Module):
    """Dense connections of 1x1 convolutions, BatchNorm, and a channel weighting."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.a = nn.Conv2d(8, 12, 1)
        self.norm = nn.BatchNorm2d(20)
        self.b = nn.Conv2d(20, 8, 1)
        self.c = nn.Conv2d(28, 8, 1)
        self.prelu = nn.PReLU(8)
        self.gate = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, torch.relu(self.a(x))], 1)
        x = torch.cat([x, self.b(self.norm(x))], dim=1)
        x = self.prelu(self.c(x))
        weight = self.gate(x.mean((2, 3))).sigmoid()
        x = x * weight[:, :, None, None]
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("alpha", [0.25, 0.5, 1])
def test_trained_weights_meet_the_channels_they_were_trained_for(alpha, training):
    """On maps that are constant over space, halving the resolution loses nothing."""
    torch.manual_seed(0)
    model = Concatenating().double()
    with torch.no_grad():
        model.norm.running_mean.normal_()
        model.norm.running_var.uniform_(0.5, 2)
        model.norm.weight.normal_()
        model.prelu.weight.uniform_(-1, 1)
    model.train(training)
    x = torch.randn(6, 3, 1, 1, dtype=torch.float64).expand(6, 3, 6, 8)
    changed = juanji.convert(model, f"octave:{alpha}", x)
    assert sum(isinstance(layer, OctaveConv2d) for layer in changed.modules()) == 4
    torch.testing.assert_close(changed(x), model(x), rtol=1e-10, atol=1e-12)
    for name in ("running_mean", "running_var"):  # unbiased over other counts: the mean is exact
        ours, theirs = getattr(changed.norm, name), getattr(model.norm, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-2 if "var" in name else 1e-10, atol=1e-12)


@pytest.mark.parametrize(("build", "x"), [
    (lambda: nn.Sequential(nn.Conv1d(2, 8, 3), nn.Conv1d(8, 8, 5, 2), nn.Conv1d(8, 4, 3)),
     image(2, 2, 31)),
    (lambda: nn.Sequential(nn.Conv3d(2, 8, 3), nn.Conv3d(8, 8, 3, 2, 1), nn.Conv3d(8, 4, 3)),
     image(1, 2, 9, 11, 10)),
])  # fmt: skip
@pytest.mark.parametrize("swap", ["octave:0.5", "depthwise-separable", "grouped:2", "shuffled:2"])
def test_one_and_three_dimensions(build, x, swap):
    model = build()
    changed = juanji.convert(model, swap, x)
    assert changed(x).shape == model(x).shape
    assert len(juanji.plan(model, swap, x).converted) == (3 if swap.startswith("octave") else 2)


def test_a_converted_network_compiles_and_exports():
    model = Concatenating().eval()
    x = image(2, 3, 15, 17)
    changed = juanji.convert(model, "octave:0.5", x)
    with torch.no_grad():
        expected = changed(x)
        compiled = torch.compile(changed, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), expected)
        exported = torch.export.export(changed, (x,))
        torch.testing.assert_close(exported.module()(x), expected)
