"""MobileNet, Xception, ShuffleNet, IGCNet, the combined network: against others, and laws."""

from __future__ import annotations

import re
from typing import Any

import pytest
import pytorchcv.models.mobilenet as theirs_mobilenet
import pytorchcv.models.mobilenetv2 as theirs_mobilenet2
import pytorchcv.models.shufflenet as theirs_shufflenet
import pytorchcv.models.xception as theirs_xception
import torch
from peers import assert_same_outputs, count
from torch import nn
from transformers import (
    MobileNetV1Config,
    MobileNetV1ForImageClassification,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
)

from juanji import analysis, nets
from juanji.nets.shufflenet import shufflenet
from juanji.nn import BottleneckBlock, CombinedBlock, ShuffleUnit

# transformers' defaults are TensorFlow's: ReLU6 in version 1, another epsilon, lopsided padding
PLAIN = {"num_labels": 1000, "tf_padding": False, "layer_norm_eps": 1e-5}


def any_size(peer: Any) -> Any:
    """Let a network of pytorchcv, which ends in a pooling of 7x7, take smaller images."""
    peer.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return peer


def awake(peer: nn.Module) -> nn.Module:
    """Draw larger weights than transformers does, whose outputs are hardly more than biases."""
    for module in peer.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return peer


def products(net: nn.Module, *shape: int) -> int:
    return analysis.count(net, torch.empty(1, *shape, device="meta")).multiply_adds.dense


def test_mobilenet1_computes_what_pytorchcv_does() -> None:
    assert_same_outputs(nets.mobilenet1(), any_size(theirs_mobilenet.mobilenet_w1()), 3, 65, 49)


def test_mobilenet1_computes_what_transformers_does() -> None:
    peer = MobileNetV1ForImageClassification(MobileNetV1Config(**PLAIN, hidden_act="relu"))
    assert_same_outputs(
        nets.mobilenet1(), awake(peer), 3, 65, 49, output=lambda result: result.logits
    )


@pytest.mark.parametrize("first", [False, True])
def test_mobilenet2_computes_what_pytorchcv_does(first: bool) -> None:
    # pytorchcv's has no bias in its classifier; its form "w1" convolves in the first block too
    theirs = theirs_mobilenet2.mobilenetv2_w1() if first else theirs_mobilenet2.mobilenetv2b_w1()
    peer = nn.Sequential(any_size(theirs).features, nn.Flatten(), nn.Linear(1280, 1000))
    ours = nets.octmobilenet2(alpha=0) if first else nets.mobilenet2()
    assert_same_outputs(ours, peer, 3, 65, 49)


def test_mobilenet2_computes_what_transformers_does() -> None:
    peer = MobileNetV2ForImageClassification(MobileNetV2Config(**PLAIN))
    assert_same_outputs(
        nets.mobilenet2(), awake(peer), 3, 65, 49, output=lambda result: result.logits
    )


def xception_name(theirs: str) -> str:
    """Return our name of an entry of pytorchcv's Xception."""
    name = re.sub(r"^features\.(init|final)_block\.conv(\d)\.", r"\1\2.", theirs)
    name = name.replace("init", "stem").replace("final", "last").replace(".bn.", ".norm.")
    name = re.sub(r"conv\.([dp])w_conv\.weight", r"conv.\1_weight", name)
    name = name.replace("d_weight", "depthwise_weight").replace("p_weight", "pointwise_weight")
    name = name.replace("output.", "fc.")
    unit = re.match(r"features\.stage(\d)\.unit(\d+)\.(.*)", name)
    if unit is None:
        return name
    stage, index, rest = int(unit[1]), int(unit[2]), unit[3]
    block = stage if stage < 3 else {3: 2 + index, 4: 11 + index}[stage]
    rest = rest.replace("identity_conv.conv", "downsample.0")
    rest = rest.replace("identity_conv.norm", "downsample.1")
    inner = re.match(r"body\.block(\d)\.(conv|norm)\.(.*)", rest)
    if inner is not None:
        place = 3 * int(inner[1]) - (2 if block > 1 else 3) + (inner[2] == "norm")
        rest = f"branch.{place}.{inner[3]}"
    return f"block{block}.{rest}"


def test_xception_computes_what_pytorchcv_does() -> None:
    peer = theirs_xception.xception()
    peer.features.final_block.pool = nn.AdaptiveAvgPool2d(1)
    assert_same_outputs(nets.xception(), peer, 3, 75, 71, rename=xception_name)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_shufflenet_is_pytorchcvs_and_as_complex_as_the_paper_says(groups: int) -> None:
    build = nets.NETS[f"shufflenet_g{groups}"]
    theirs = getattr(theirs_shufflenet, f"shufflenet_g{groups}_w1")
    assert count(build) == count(theirs)
    assert_same_outputs(build(), any_size(theirs()), 3, 65, 49)
    with torch.device("meta"):
        body = build()[:-1]  # the paper leaves the classifier out
    millions = {1: 143, 2: 140, 3: 137, 4: 133, 8: 137}[groups]
    assert round(products(body, 3, 224, 224) / 1e6) == millions


def test_igcnet_has_the_weights_of_the_papers_formula_and_of_the_authors_table() -> None:
    with torch.device("meta"):
        cifar, imagenet = nets.igcnet20(), nets.igcnet18()
    # a block of L partitions of M channels: L * M^2 * 9 weights, then M * L^2
    stages = [6 * (24 * m * m * 9 + m * 24 * 24) for m in (2, 4, 8)]
    # the first block of a stage has half the input channels in its spatial convolution
    halves = [24 * m * m * 9 // 2 for m in (4, 8)]
    blocks = sum(stages) - sum(halves)
    norms = 2 * (48 + 6 * (48 + 96 + 192))
    assert count(lambda: cifar) == blocks + 3 * 48 * 9 + norms + 193 * 10
    normalizations = sum(
        p.numel() for m in imagenet.modules() if isinstance(m, nn.BatchNorm2d)
        for p in m.parameters()
    )  # fmt: skip
    assert round((count(lambda: imagenet) - normalizations) / 1e4) == 861
    assert round(products(imagenet, 3, 224, 224) / 1e8) == 13


def test_the_combined_block_without_its_parts_is_the_bottleneck() -> None:
    plain = CombinedBlock(16, 8, 2, groups=1, shuffle=False, depthwise=False).eval()
    bottleneck = BottleneckBlock(16, 8, 2).eval()
    bottleneck.load_state_dict(plain.state_dict())
    x = torch.randn(2, 16, 9, 7)
    torch.testing.assert_close(plain(x), bottleneck(x), rtol=0, atol=0)


@pytest.mark.parametrize("shuffle", [False, True])
def test_only_the_shuffle_lets_groups_know_of_each_other(shuffle: bool) -> None:
    block = CombinedBlock(16, 4, groups=2, shuffle=shuffle).eval()
    x = torch.randn(1, 16, 5, 5, requires_grad=True)
    block.branch(x)[:, :8].sum().backward()
    assert x.grad is not None
    assert bool(x.grad[:, 8:].any()) is shuffle


def test_a_shuffle_unit_refuses_what_it_cannot_add() -> None:
    with pytest.raises(ValueError, match="equal to in_channels at stride 1, got 32 and 24"):
        ShuffleUnit(24, 32)
    with pytest.raises(ValueError, match="above in_channels at stride 2, got 24 and 24"):
        ShuffleUnit(24, 24, 2)
    with pytest.raises(ValueError, match="stride must be 1 or 2, got 3"):
        ShuffleUnit(24, 240, 3)
    with pytest.raises(ValueError, match=r"groups must be one of \[1, 2, 3, 4, 8\], got 5"):
        shufflenet(5, 3, 10, 24, False)
