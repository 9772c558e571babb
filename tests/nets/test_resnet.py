"""ResNet against pytorchcv's, an independent implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from peers import assert_same_outputs, count
from pytorchcv.models import resnet as theirs_imagenet
from pytorchcv.models.resnet_cifar import get_resnet_cifar
from torch import nn

from juanji import nets
from juanji.nets.resnet import resnet
from juanji.nn import BasicBlock, BottleneckBlock, Conv2d

# pytorchcv's names: the "b" strides in the 3x3 of the bottleneck, as ours does
THEIRS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": theirs_imagenet.resnet18,
    "resnet34": theirs_imagenet.resnet34,
    "resnet50": theirs_imagenet.resnet50b,
    "resnet101": theirs_imagenet.resnet101b,
    "resnet152": theirs_imagenet.resnet152b,
    "resnet20": lambda: get_resnet_cifar(num_classes=10, blocks=20, bottleneck=False),
    "resnet32": lambda: get_resnet_cifar(num_classes=10, blocks=32, bottleneck=False),
    "resnet56": lambda: get_resnet_cifar(num_classes=10, blocks=56, bottleneck=False),
    "resnet110": lambda: get_resnet_cifar(num_classes=10, blocks=110, bottleneck=False),
}


@pytest.mark.parametrize("name", THEIRS)
def test_count_of_weights_equals_pytorchcv(name: str) -> None:
    assert count(nets.NETS[name]) == count(THEIRS[name])


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet20", "resnet56"])
def test_same_weights_give_the_same_output_as_pytorchcv(name: str) -> None:
    size = 224 if name in ("resnet18", "resnet34", "resnet50") else 32
    assert_same_outputs(nets.NETS[name](), THEIRS[name](), 3, size, size)


def test_parameters_are_named_as_in_torchvision() -> None:
    with torch.device("meta"):
        names = dict(nets.resnet50().named_parameters())
    assert len(names) == 161
    assert names["conv1.weight"].shape == (64, 3, 7, 7)
    assert names["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert names["layer1.0.downsample.1.bias"].shape == (256,)
    assert names["layer3.5.conv2.weight"].shape == (256, 256, 3, 3)
    assert names["layer4.2.bn3.weight"].shape == (2048,)
    assert names["fc.bias"].shape == (1000,)


def test_bottleneck_strides_in_its_3x3_convolution() -> None:
    block = BottleneckBlock(8, 4, stride=2)
    strides = [block.conv1.stride, block.conv2.stride, block.conv3.stride]
    assert strides == [(1, 1), (2, 2), (1, 1)]


def test_small_stem_keeps_the_size() -> None:
    x = torch.ones(1, 3, 29, 23)
    with torch.no_grad():
        small = nets.resnet18(width=4, small=True).eval()
        assert small[:-4](x).shape == (1, 16, 8, 6)  # without layer4, avgpool, flatten, fc
        large = nets.resnet18(width=4).eval()
        assert large[:-4](x).shape == (1, 16, 2, 2)
    assert large.conv1.weight.numel() - small.conv1.weight.numel() == 3 * 4 * (7 * 7 - 3 * 3)
    assert not any(isinstance(module, nn.MaxPool2d) for module in small.modules())


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (28, 28), (33, 10)])
@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("block", [BasicBlock, BottleneckBlock])
@pytest.mark.parametrize("small", [True, False])
def test_any_size_and_any_batch(
    size: tuple[int, int], batch: int, block: type[BasicBlock] | type[BottleneckBlock], small: bool
) -> None:
    net = resnet(block, [1, 2, 1], in_channels=2, classes=7, width=4, small=small).eval()
    with torch.no_grad():
        logits = net(torch.randn(batch, 2, *size))
    assert logits.shape == (batch, 7)
    assert logits.isfinite().all()


def test_initialization_is_that_of_he_et_al() -> None:
    torch.manual_seed(0)
    net = nets.resnet18()
    for name, convolution in net.named_modules():
        if isinstance(convolution, Conv2d):
            weight = convolution.weight
            fan_out = weight.shape[0] * weight[0, 0].numel()
            # the deviation of n samples is known to about sqrt(1 / 2n); this is six times as wide
            wide = 6 * (2 * weight.numel()) ** -0.5
            assert float(weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=wide), (
                name
            )


@pytest.mark.parametrize("argument", ["in_channels", "classes", "width"])
def test_a_count_below_one_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be at least 1, got 0"):
        nets.resnet20(**{argument: 0})


def test_import_is_light() -> None:
    heavy = {"sklearn", "mlxtend", "PIL", "matplotlib", "pandas", "jinja2", "pytorchcv"}
    code = f"import sys, juanji.nets; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
