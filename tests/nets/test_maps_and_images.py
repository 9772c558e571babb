"""Deformable, segmenting and generating networks: other implementations, sizes, laws."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from peers import assert_same_outputs, randomize
from pytorchcv.models.deeplabv3 import DeepLabv3
from pytorchcv.models.resnetd import resnetd50b
from torch import nn

from juanji import nets
from juanji.nn import DeformConv2d, FactorizedBlock, TransposedUpsampling


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("stages", [1, 3])
def test_deformable_resnet_starts_as_resnet(version: int, stages: int) -> None:
    torch.manual_seed(0)
    ordinary = nets.resnet50(classes=5, width=4)
    randomize(ordinary)
    net = nets.deformable_resnet50(classes=5, width=4, version=version, stages=stages)
    net.load_state_dict(ordinary.state_dict())
    deformable = [layer for layer in net.modules() if isinstance(layer, DeformConv2d)]
    assert len(deformable) == {1: 3, 3: 13}[stages]
    assert not any(layer.offset.weight.any() for layer in deformable)
    x = torch.randn(2, 3, 49, 33)
    torch.testing.assert_close(net.eval()(x), ordinary.eval()(x), rtol=1e-5, atol=1e-5)


def test_deformable_stages_are_checked() -> None:
    with pytest.raises(ValueError, match="stages must be 0 to 4, got 5"):
        nets.deformable_resnet50(stages=5)


def test_deeplab_computes_what_pytorchcv_does() -> None:
    backbone = resnetd50b(ordinary_init=True, bends=(3,)).features
    del backbone[-1]
    peer = DeepLabv3(backbone, aux=False, fixed_size=False, num_classes=21)
    assert_same_outputs(nets.deeplab3_resnet50(), peer, 3, 65, 49)


@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s", "deeplab3_resnet50"])
@pytest.mark.parametrize("small", [False, True])
def test_every_cell_of_an_image_of_any_size_gets_scores(name: str, small: bool) -> None:
    net: Any = nets.NETS[name](classes=4, width=2, small=small).eval()
    for size in ((33, 47), (28, 28), (9, 64)):
        with torch.no_grad():
            assert net(torch.randn(1, 3, *size)).shape == (1, 4, *size)


def test_fcn_is_vgg16_slid_over_the_image() -> None:
    torch.manual_seed(0)
    vgg = nets.vgg16(width=2).double().eval()
    fcn: Any = nets.fcn32s(width=2).double().eval()
    names = [name for name in fcn.state_dict() if not name.startswith("head.")]
    values = list(vgg.state_dict().values())[: len(names)]
    shapes = [fcn.state_dict()[name].shape for name in names]
    state = {n: v.reshape(s) for n, v, s in zip(names, values, shapes, strict=True)}
    assert not [n for n in fcn.load_state_dict(state, strict=False)[0] if "head." not in n]
    x = torch.randn(1, 3, 224, 224, dtype=torch.float64)
    with torch.no_grad():
        hidden = vgg[:-1](x)
        maps = x
        for stage in fcn.stages:
            maps = stage(maps)
        # the middle of the 7x7 map is where the first fully connected layer sees all of it
        torch.testing.assert_close(fcn.classifier(maps)[..., 3, 3], hidden)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_transposed_upsampling_starts_bilinear(factor: int) -> None:
    x = torch.randn(1, 2, 6, 5)
    upsampled = TransposedUpsampling(2, factor)(x)
    expected = torch_functional.interpolate(x, scale_factor=factor, mode="bilinear")
    assert upsampled.shape == expected.shape
    inner = (..., slice(factor, -factor), slice(factor, -factor))  # at the edge there are zeros
    torch.testing.assert_close(upsampled[inner], expected[inner])
    with pytest.raises(ValueError, match="factor must be even and at least 2, got 3"):
        TransposedUpsampling(2, 3)


def test_the_generator_is_that_of_pytorchs_example() -> None:
    layers: list[nn.Module] = [nn.Unflatten(1, (100, 1, 1))]
    channels = [100, 512, 256, 128, 64, 3]
    for index, (before, after) in enumerate(itertools.pairwise(channels)):
        stride, padding = (2, 1) if index else (1, 0)
        layers.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False))
        if after != 3:
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
    assert_same_outputs(nets.dcgan_generator(), nn.Sequential(*layers, nn.Tanh()), 100)


@pytest.mark.parametrize(("small", "size"), [(False, 64), (True, 28)])
def test_generated_images_have_their_size_and_range(small: bool, size: int) -> None:
    net = nets.dcgan_generator(latent=5, out_channels=1, width=4, small=small)
    nn.init.normal_(net.last.weight, std=10)
    with torch.no_grad():
        images = net(torch.randn(3, 5))
    assert images.shape == (3, 1, size, size)
    assert -1 <= float(images.min()) < -0.9
    assert 0.9 < float(images.max()) <= 1


def test_a_factorized_block_without_filters_only_projects() -> None:
    block: Any = FactorizedBlock(6, 8, bases=2).eval()
    for layer in block.filters:
        nn.init.zeros_(layer.conv.weight)
    x = torch.randn(2, 6, 5, 7)
    first, second = block.projections
    torch.testing.assert_close(block(x), second(first(x)))
    with pytest.raises(ValueError, match="bases must be at least 1, got 0"):
        FactorizedBlock(6, 8, bases=0)
