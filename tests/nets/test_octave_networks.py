"""OctResNet and OctMobileNet: the paper's arithmetic, alpha's laws, others' networks."""

from __future__ import annotations

from typing import Any

import pytest
import pytorchcv.models.octresnet as theirs_octave
import torch
from peers import randomize
from torch import Tensor, nn

from juanji import analysis, nets
from juanji.nn import BasicBlock, OctaveBasicBlock, OctaveConv2d
from juanji.ops.octave import OctavePair


def millions(build: Any, **options: Any) -> float:
    """Count the multiply-adds of a network on an image of ImageNet's size."""
    with torch.device("meta"):
        counted = analysis.count(build(**options), torch.empty(1, 3, 224, 224))
    return counted.multiply_adds.dense / 1e6


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0, 4.1), (0.125, 3.6), (0.25, 3.1), (0.5, 2.4), (0.75, 1.9)]
)
def test_octresnet50_costs_what_the_paper_says(alpha: float, expected: float) -> None:
    assert round(millions(nets.octresnet50, alpha=alpha) / 1000, 1) == expected


def averaged_cells(net: nn.Module, x: Tensor) -> int:
    """Count the cells that an octave network averages for its strides and its low channels."""
    cells = 0

    def note(module: nn.Module, inputs: tuple[Any], output: Any) -> None:
        nonlocal cells
        high, low = (inputs[0], None) if isinstance(inputs[0], Tensor) else inputs[0]
        if isinstance(module, nn.AvgPool2d) or module.stride == (2, 2):
            cells += sum(half.numel() for half in (high, low) if half is not None)
        elif module.groups == 1 and module.cut.low_out:
            cells += high.numel()

    for module in net.modules():
        if isinstance(module, nn.AvgPool2d | OctaveConv2d):
            module.register_forward_hook(note)
    net(x)
    return cells


@pytest.mark.parametrize(
    ("build", "width", "alpha", "expected"),
    [
        (nets.octmobilenet1, 24, 0.375, 213),
        (nets.octmobilenet1, 32, 0.5, 321),
        (nets.octmobilenet2, 32, 0.375, 256),
        (nets.octmobilenet2, 36, 0.5, 295),
    ],
)
def test_octmobilenet_costs_what_the_authors_say(
    build: Any, width: int, alpha: float, expected: float
) -> None:
    # Their tool, CalFlops of Ldpe2G/DeepLearningForFun, also counts what is averaged, biases, and
    # what MXNet's layers for ReLU take. Their version 1 has one of these, in the stem, and averages
    # at the end by an operator that the tool does not know; in version 2 it is the other way round.
    with torch.device("meta"):
        net, x = build(width=width, alpha=alpha), torch.empty(1, 3, 224, 224)
        products = analysis.count(net, x).multiply_adds.dense
        part = net.stem(x) if build is nets.octmobilenet1 else net[:-3](x)
        counted = products + averaged_cells(net, x) + part.numel() + len(net.fc.bias)
    assert round(counted / 1e6) == expected
    assert products == pytest.approx(counted, rel=0.01)


PAIRS = [
    (nets.octresnet50, nets.resnet50, 4),
    (nets.octresnet101, nets.resnet101, 2),
    (nets.octmobilenet1, nets.mobilenet1, 8),
]


@pytest.mark.parametrize(("octave", "plain", "width"), PAIRS)
@pytest.mark.parametrize("small", [False, True])
def test_with_alpha_zero_it_is_the_ordinary_network(
    octave: Any, plain: Any, width: int, small: bool
) -> None:
    torch.manual_seed(0)
    ordinary = plain(classes=5, width=width, small=small)
    randomize(ordinary)
    net = octave(classes=5, width=width, small=small, alpha=0)
    net.load_state_dict(ordinary.state_dict())
    x = torch.randn(2, 3, 49, 33)
    torch.testing.assert_close(net.eval()(x), ordinary.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize(("octave", "plain", "width"), [*PAIRS, (nets.octmobilenet2, None, 8)])
def test_ordinary_weights_load_at_any_alpha_and_more_of_it_costs_less(
    octave: Any, plain: Any, width: int
) -> None:
    plain = plain or nets.octmobilenet2
    state = plain(classes=5, width=width).state_dict()
    x = torch.randn(1, 3, 33, 49)
    costs = []
    for alpha in (0, 0.125, "0.3", 0.5, 1):
        net = octave(classes=5, width=width, alpha=alpha)
        net.load_state_dict(state)
        assert net.eval()(x).isfinite().all()
        costs.append(analysis.count(net, x).multiply_adds.dense)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_the_octave_ends_where_the_last_stage_begins_and_strides_by_averaging() -> None:
    net = nets.octresnet50(width=4, alpha=0.5)
    low = {
        name: (layer.cut.low_in > 0, layer.cut.low_out > 0)
        for name, layer in net.named_modules()
        if isinstance(layer, OctaveConv2d)
    }
    assert low["layer1.0.conv1"] == (False, True)
    assert low["layer1.0.downsample.0"] == (False, True)
    assert low["layer3.5.conv3"] == (True, True)
    assert low["layer4.0.conv1"] == low["layer4.0.downsample.0"] == (True, False)
    assert low["layer4.0.conv2"] == low["layer4.2.conv3"] == (False, False)
    first = net.layer4[0]
    assert isinstance(first.pool, nn.AvgPool2d)
    assert first.conv2.stride == (1, 1)
    assert isinstance(nets.octresnet50(width=4, alpha=0).layer4[0].pool, nn.Identity)


def test_three_stages_compute_what_pytorchcv_does() -> None:
    """Where pytorchcv departs from the authors is left out: the last stage and the classifier.

    There its first block ends the octave in its 3x3 convolution, not in its first one.
    """
    torch.manual_seed(0)
    peer = theirs_octave.octresnet50b_ad2().double().eval()
    randomize(peer)
    state: dict[str, Tensor] = {}
    for name, value in peer.state_dict().items():
        name = name.removeprefix("features.").replace("init_block.conv.conv.", "conv1.")
        name = name.replace("init_block.conv.bn.", "bn1.")
        if not name.startswith("stage") or name.startswith("stage4"):
            if name.startswith(("conv1", "bn1")):
                state[name] = value
            continue
        stage, unit, *rest = name.split(".")
        place, what, entry = rest[-3:]
        if place == "identity_conv":
            place, index = "downsample.", {"conv": "0"}.get(what, "1")
        else:
            place, index = ("conv" if what == "conv" else "bn"), place.removeprefix("conv")
        ours = f"layer{stage[5:]}.{int(unit[4:]) - 1}.{place}{index}.{entry}"
        if what == "l_bn" and value.ndim:
            state[ours] = torch.cat([state[ours], value])
        else:
            state[ours] = value
    net = nets.octresnet50(alpha=0.5)[:-4].double().eval()
    net.load_state_dict(state)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        high, low = peer.features.init_block(x), None
        for stage in (peer.features.stage1, peer.features.stage2, peer.features.stage3):
            high, low = stage(high, low)
        ours_pair = net(x)
    assert isinstance(ours_pair, OctavePair)
    for ours_half, theirs_half in zip(ours_pair, (high, low), strict=True):
        torch.testing.assert_close(ours_half, theirs_half, rtol=1e-9, atol=1e-9)


def test_the_basic_block_with_alpha_zero_is_the_ordinary_one() -> None:
    block = OctaveBasicBlock(8, 16, 2, alpha_in=0, alpha_out=0).eval()
    ordinary = BasicBlock(8, 16, 2).eval()
    ordinary.load_state_dict(block.state_dict())
    x = torch.randn(2, 8, 9, 7)
    torch.testing.assert_close(block(x), ordinary(x), rtol=0, atol=0)


@pytest.mark.parametrize("build", [nets.octresnet26, nets.octmobilenet1, nets.octmobilenet2])
def test_alpha_is_checked(build: Any) -> None:
    with pytest.raises(ValueError, match="alpha must be"):
        build(alpha=1.5)
