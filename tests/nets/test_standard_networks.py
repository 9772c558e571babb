"""AlexNet to ELASTIC against pytorchcv's, an independent implementation, and by their laws."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytorchcv.models.alexnet as theirs_alexnet
import pytorchcv.models.densenet as theirs_densenet
import pytorchcv.models.inceptionv3 as theirs_inception
import pytorchcv.models.nin_cifar as theirs_nin
import pytorchcv.models.resnext as theirs_resnext
import pytorchcv.models.seresnet as theirs_seresnet
import pytorchcv.models.vgg as theirs_vgg
import torch
from peers import assert_same_outputs, count
from small_forms import SMALL
from torch import nn

from juanji import nets
from juanji.analysis import count as count_all
from juanji.nets.auxiliary import WithAuxiliary

Build = Callable[[], nn.Module]


def any_size(peer: nn.Module) -> nn.Module:
    """Let pytorchcv's network take images of any size, which its last pooling does not."""
    if hasattr(peer.output, "final_pool"):
        peer.output.final_pool = nn.AdaptiveAvgPool2d(1)
    else:
        peer.features.final_pool = nn.AdaptiveAvgPool2d(1)
    for module in peer.modules():  # its own initial weights let deep networks fade out
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return peer


def seresnet_name(theirs: str) -> str:
    """Return our name of an entry of pytorchcv's SE-ResNet."""
    for old, new in (
        ("features.init_block.conv.conv.", "conv1."),
        ("features.init_block.conv.bn.", "bn1."),
        ("features.stage", "layer"),
        ("identity_conv.conv.", "downsample.0."),
        ("identity_conv.bn.", "downsample.1."),
        ("body.", ""),
        ("se.conv1.", "weigh.reduce."),
        ("se.conv2.", "weigh.expand."),
        ("output.", "fc."),
    ):
        theirs = theirs.replace(old, new)
    parts = [str(int(p[4:]) - 1) if p.startswith("unit") else p for p in theirs.split(".")]
    if parts[-2] in ("conv", "bn"):  # conv2.bn.bias -> bn2.bias
        unit = parts.pop(-3)
        parts[-2] += unit.removeprefix("conv")
    return ".".join(parts)


# ours, pytorchcv's, the size of the images; sizes are odd where the network takes any
PEERS: dict[str, tuple[Build, Build, tuple[int, int]]] = {
    "alexnet": (nets.alexnet, theirs_alexnet.alexnetb, (224, 224)),
    "network_in_network": (
        nets.network_in_network, lambda: any_size(theirs_nin.nin_cifar10()), (29, 37),
    ),
    "inception_v3": (
        nets.inception_v3, lambda: any_size(theirs_inception.inceptionv3()), (171, 139),
    ),
    "resnext50": (
        nets.resnext50, lambda: any_size(theirs_resnext.resnext50_32x4d()), (97, 75),
    ),
    "densenet121": (
        nets.densenet121, lambda: any_size(theirs_densenet.densenet121()), (97, 75),
    ),
    "densenet169": (
        nets.densenet169, lambda: any_size(theirs_densenet.densenet169()), (97, 75),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PEERS)
def test_same_weights_give_the_same_output_as_pytorchcv(name: str) -> None:
    ours, peer, size = PEERS[name]
    assert_same_outputs(ours(), peer(), 3, *size)


def test_se_resnet_computes_what_pytorchcv_does() -> None:
    peer = any_size(theirs_seresnet.seresnet50b())
    assert_same_outputs(nets.se_resnet50(), peer, 3, 97, 75, rename=seresnet_name)


VGGS = {"vgg11": 11, "vgg13": 13, "vgg16": 16, "vgg19": 19}


def features(ours: nn.Module) -> nn.Module:
    """Return what comes before the classifier, which is most of the weights."""
    assert isinstance(ours, nn.Sequential)
    return ours[: list(dict(ours.named_children())).index("avgpool")]


def test_alexnet_grouped_computes_ungrouped_what_pytorchcv_does_up_to_the_classifier() -> None:
    ours = features(nets.alexnet_grouped(groups=1))
    assert_same_outputs(ours, theirs_alexnet.alexnet().features, 3, 107, 89)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", VGGS)
def test_vgg_computes_what_pytorchcv_does_up_to_the_classifier(name: str, normalize: bool) -> None:
    # pytorchcv's stages at an eighth of the width; the classifier is AlexNet's, compared above
    ours = features(nets.NETS[name](normalize=normalize, width=8))
    convs = [(len(stage) - 1) for stage in theirs_features(VGGS[name])]
    peer = theirs_vgg.VGG(
        [[8 * factor] * convs[i] for i, factor in enumerate((1, 2, 4, 8, 8))],
        bias=not normalize,
        use_bn=normalize,
    )
    assert_same_outputs(ours, peer.features, 3, 75, 49)


def theirs_features(blocks: int) -> nn.Sequential:
    """Return pytorchcv's stages, for their depths: without memory for the weights."""
    with torch.device("meta"):
        found: nn.Sequential = theirs_vgg.get_vgg(blocks).features
    return found


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", VGGS)
def test_vgg_has_the_weights_of_pytorchcv(name: str, normalize: bool) -> None:
    assert count(lambda: nets.NETS[name](normalize=normalize)) == count(
        lambda: theirs_vgg.get_vgg(VGGS[name], bias=not normalize, use_bn=normalize)
    )


def test_weights_of_the_other_forms_are_the_documented_ones() -> None:
    assert count(lambda: nets.googlenet(auxiliary=True)) == 13_004_888  # torchvision
    assert count(lambda: nets.inception_v3(auxiliary=True)) == 27_161_264  # torchvision
    assert count(lambda: nets.alexnet_grouped(groups=1)) == count(theirs_alexnet.alexnet)
    with torch.device("meta"):
        original = count_all(nets.googlenet(original=True), torch.empty(1, 3, 224, 224))
    assert original.weights == 6_998_552  # Caffe's bvlc_googlenet
    assert round(original.multiply_adds.dense / 1e9, 2) == 1.58


@pytest.mark.parametrize(
    ("alpha", "beta", "millions"), [(2, 2, 26.97), (2, 4, 26.69), (4, 2, 26.31), (4, 4, 26.24)]
)
def test_bl_resnet_has_the_weights_of_the_paper(alpha: int, beta: int, millions: float) -> None:
    assert round(count(lambda: nets.bl_resnet50(alpha=alpha, beta=beta)) / 1e6, 2) == millions


def test_se_adds_two_fully_connected_layers_to_every_block() -> None:
    sizes = [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
    added = sum(2 * n * (n // 16) + n // 16 + n for n in sizes)
    assert count(nets.se_resnet50) - count(nets.resnet50) == added


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_speak_in_training_alone(name: str) -> None:
    torch.manual_seed(0)
    net = nets.NETS[name](classes=5, width=4, small=True, auxiliary=True)
    assert isinstance(net, WithAuxiliary)
    x = torch.randn(3, 3, 29, 27)
    outputs = net(x)
    assert [tuple(logits.shape) for logits in outputs] == [(3, 5)] * (1 + len(net.heads))
    sum(logits.square().sum() for logits in outputs).backward()
    assert all(head[-1].weight.grad.abs().max() > 0 for head in net.heads.values())
    net.eval()
    torch.testing.assert_close(net(x), net.body(x), rtol=0, atol=0)


SMALL_FORMS = [
    name for name, net in nets.NETS.items() if net.small and net.task == "classification"
]


@pytest.mark.parametrize("name", SMALL_FORMS)
def test_small_forms_take_small_images(name: str) -> None:
    arguments, _ = SMALL[name]
    net = nets.NETS[name](**arguments, small=True).eval()
    for size in ((8, 8), (13, 9)):
        with torch.no_grad():
            assert net(torch.randn(1, 3, *size)).isfinite().all()
