"""Every swap: what it keeps exactly, what it fits, what it leaves alone and why."""

import pytest
import torch
from small_networks import CONV, EVERY, NETWORKS, X, reason
from torch import nn

import juanji
from juanji import swaps
from juanji.conversion import Plan


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("swap", EVERY)
def test_every_swap_runs_trains_and_rebuilds(tmp_path, name, swap):
    torch.manual_seed(0)
    build, x = NETWORKS[name]
    model = build()
    plan = juanji.plan(model, swap, x)
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan
    changed = plan.apply(model)
    y = changed(x)
    if swap != "dilated":
        assert y.shape == model(x).shape
    y.square().mean().backward()
    assert all(p.grad is not None for p in changed.parameters())
    rebuilt = Plan.load(tmp_path / "plan.json").apply(build())
    rebuilt.load_state_dict(changed.state_dict())
    changed.eval()
    assert torch.equal(rebuilt.eval()(x), changed(x))


@pytest.mark.parametrize("swap", EVERY)
def test_a_converted_network_exports(swap):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(8, 4, 3),
    )  # fmt: skip
    changed = juanji.convert(model, swap, X).eval()
    exported = torch.export.export(changed, (X,)).module()
    torch.testing.assert_close(exported(X), changed(X))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "swap", ["deformable:1", "deformable:2", "squeeze-excite:2", "octave:0", "grouped:1"]
)
def test_what_keeps_the_weights_computes_the_same(name, swap):
    torch.manual_seed(0)
    build, x = NETWORKS[name]
    model = build().double().eval()
    x = x.double()
    plan = juanji.plan(model, swap, x, where="*")
    assert plan.converted
    assert {e.fit_error for e in plan.converted} == {0.0}
    torch.testing.assert_close(plan.apply(model)(x), model(x), rtol=1e-10, atol=1e-12)


# Weights that the variant can represent are found, up to rounding; others as well as they claim.


def planted(kind, dimensions):
    """An ordinary convolution that has the weight of a variant."""
    kernel = (3, 5, 3)[:dimensions]
    arguments = {"stride": 2, "padding": 2, "dilation": 1}
    variant = getattr(juanji.nn, f"{kind}{dimensions}d")
    extra = {"BottleneckConv": {"reduction": 3}, "InterleavedGroupConv": {"primary_groups": 3}}
    layer = variant(6, 12, kernel, **arguments, **extra.get(kind, {})).double()
    conv = CONV[dimensions](6, 12, kernel, **arguments).double()
    with torch.no_grad():
        conv.weight.copy_(layer.dense_weight())
        conv.bias.copy_(layer.dense_bias())
    return conv, layer


FITTED = {
    "FlattenedConv": "flattened",
    "InterleavedGroupConv": "interleaved:3",
    "BottleneckConv": "bottleneck:3",
}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", FITTED)
def test_a_weight_that_the_variant_has_is_found(kind, dimensions):
    torch.manual_seed(0)
    conv, layer = planted(kind, dimensions)
    x = torch.randn(2, 6, *(7, 8, 9)[:dimensions], dtype=torch.float64)
    torch.testing.assert_close(conv(x), layer(x))
    model = nn.Sequential(conv)
    plan = juanji.plan(model, FITTED[kind], x, where="*")
    assert plan.entries[0].fit_error < 1e-6
    torch.testing.assert_close(plan.apply(model)(x), conv(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", FITTED)
def test_the_fit_error_is_that_of_the_outputs_for_white_input(kind):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 12, 3, bias=False).double()
    x = torch.randn(4000, 6, 3, 3, dtype=torch.float64)
    plan = juanji.plan(nn.Sequential(conv), FITTED[kind], x[:1], where="*")
    changed = plan.apply(nn.Sequential(conv))
    error = (changed(x) - conv(x)).norm() / conv(x).norm()
    assert 0.1 < plan.entries[0].fit_error < 1
    assert error.item() == pytest.approx(plan.entries[0].fit_error, rel=0.05)


def test_a_bottleneck_is_what_alternation_cannot_improve():
    """Turning either subspace away from the fitted one loses part of the weight."""
    torch.manual_seed(0)
    conv = nn.Conv2d(9, 12, 3, bias=False).double()
    layer = juanji.nn.BottleneckConv2d.from_conv(conv, reduction=4)
    fitted = juanji.nn.fit_error(conv, layer)
    first, last = layer.reduce_weight.detach().clone(), layer.expand_weight.detach().clone()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(20):
            for own, kept in ((layer.reduce_weight, first), (layer.expand_weight, last)):
                own.copy_(kept + 0.05 * torch.randn(kept.shape, generator=generator).double())
            assert best_core_error(conv.weight, layer) > fitted
    random = 1 - 3 / 9 * 3 / 12  # energy that random subspaces lose, on average
    assert fitted**2 < random


def best_core_error(weight, layer):
    """Fit the kernel between two given 1x1 convolutions by least squares: what stays."""
    left, _ = torch.linalg.qr(layer.expand_weight.flatten(1))
    right, _ = torch.linalg.qr(layer.reduce_weight.flatten(1).T)
    seen = torch.einsum("oikl,op,iq->pqkl", weight, left, right)
    return (1 - seen.square().sum() / weight.square().sum()).sqrt().item()


def test_a_bottleneck_has_the_weights_of_the_textbook():
    layer = juanji.nn.BottleneckConv2d(256, 256, 3, bias=False)
    assert sum(p.numel() for p in layer.parameters()) == 69_632
    assert [tuple(p.shape[:2]) for p in layer.weights()] == [(64, 256), (64, 64), (256, 64)]


def test_a_zero_weight_stays_zero():
    conv = nn.Conv2d(8, 8, 3)
    nn.init.zeros_(conv.weight)
    x = torch.randn(1, 8, 5, 5)
    for swap in ("bottleneck", "stacked-3x3", "flattened", "interleaved:2"):
        layer = nn.Conv2d(8, 8, 5) if swap.startswith("stacked") else conv
        nn.init.zeros_(layer.weight)
        changed = juanji.convert(nn.Sequential(layer), swap, x, where="*")
        torch.testing.assert_close(changed(x), layer(x))


@pytest.mark.parametrize(
    ("layer", "swap", "expected"),
    [
        (nn.Conv2d(8, 8, 1), "flattened", "1x1 kernel"),
        (nn.Conv2d(8, 8, 1), "bottleneck", "1x1 kernel"),
        (nn.Conv2d(8, 8, 3, groups=2), "bottleneck", "has 2 groups already"),
        (nn.Conv2d(3, 64, 3), "bottleneck:4", "16 channels are no bottleneck for 3 input channels"),
        (nn.Conv2d(8, 8, 3, groups=4), "interleaved:2", "has 4 groups already"),
        (nn.Conv2d(6, 8, 3), "interleaved:4", "4 groups do not divide 6 input channels"),
        (nn.Conv2d(8, 6, 3), "interleaved:4", "4 groups do not divide 6 output channels"),
        (nn.Conv2d(8, 8, 1), "stacked-3x3", "1x1 kernel"),
        (nn.Conv2d(8, 8, 3), "stacked-3x3", "3x3 kernel is not larger than 3"),
        (nn.Conv2d(8, 8, (5, 4)), "stacked-3x3", "5x4 kernel is not odd"),
        (nn.Conv2d(8, 8, 1), "deformable", "1x1 kernel"),
        (nn.Conv2d(8, 8, 3), "deformable:3", "version 3 stands for depthwise layers only"),
        (nn.Conv2d(8, 8, 3, groups=8), "deformable:4", None),
        (nn.Conv1d(8, 8, 3), "spatially-separable",
         "a kernel of 3 has nothing to separate: fewer than two of its axes have more than one "
         "cell"),
        (juanji.nn.Conv2d(8, 8, 3, flip=True), "grouped:2", "its kernel is flipped"),
    ],
)  # fmt: skip
def test_reasons_to_stay(layer, swap, expected):
    assert reason(layer, swap) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interleaved", "needs groups"),
        ("bottleneck:0", "reduction must be at least 1, got 0"),
        ("dilated:0", "rate must be at least 1, got 0"),
        ("deformable:5", "version must be 1, 2, 3 or 4, got 5"),
        ("stacked-3x3:gelu", 'activation must be "none" or "relu"'),
        ("stochastic-pool:2", "takes none"),
        ("flattened:2", "takes none"),
    ],
)
def test_texts_that_are_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        swaps.parse(text)


# Deformable: the extra filters come from the input, so that training moves the taps


def test_deformable_taps_move_in_training():
    torch.manual_seed(0)
    model = juanji.convert(nn.Sequential(nn.Conv2d(3, 4, 3)), "deformable", X, where="*")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    assert model[0].offset(X).abs().max() > 0
    assert model[0].mask(X).abs().max() > 0
