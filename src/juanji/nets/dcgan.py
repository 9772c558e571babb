"""DCGAN: Unsupervised Representation Learning, Radford et al. 2016 (arXiv:1511.06434).

A vector of noise becomes a 4x4 map, and transposed convolutions of stride 2 double it until it is a
64x64 image; normalization everywhere but at the end, ReLU inside, tanh at the end. Kernels are 4x4,
as in the authors' code and in PyTorch's example, so that strides cover all cells alike. Weights
start from N(0, 0.02^2), as in the paper.

`width` are the channels before the image: 64, as in PyTorch's example, whose count is below; 128
are the paper's for bedrooms. For small images (`small`) the map starts at 7x7 and becomes 28x28.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..nn import ConvTranspose2d, ConvUnit, GeneratorBlock
from .parts import check_counts
from .record import Net


def dcgan_generator(
    latent: int = 100, out_channels: int = 3, width: int = 64, small: bool = False
) -> nn.Sequential:
    """DCGAN's generator: 3,576,704 weights.

    Vectors (N, latent) give images (N, out_channels, 64, 64), or 28x28 where `small`, in [-1, 1].

    >>> import torch
    >>> dcgan_generator(latent=10, out_channels=1, width=4, small=True)(torch.randn(2, 10)).shape
    torch.Size([2, 1, 28, 28])
    """
    check_counts(latent=latent, out_channels=out_channels, width=width)
    doublings = 1 if small else 3
    features = width * 2**doublings
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["unflatten"] = nn.Unflatten(1, (latent, 1, 1))
    layers["first"] = ConvUnit(
        latent, features, 7 if small else 4, padding=0, layer=ConvTranspose2d
    )
    for index in range(doublings):
        layers[f"block{index + 1}"] = GeneratorBlock(features, features // 2)
        features //= 2
    layers["last"] = ConvTranspose2d(features, out_channels, 4, stride=2, padding=1, bias=False)
    layers["tanh"] = nn.Tanh()
    net = nn.Sequential(layers)
    net.apply(draw)
    return net


def draw(module: nn.Module) -> None:
    """Draw weights as the paper and its authors' code do."""
    if isinstance(module, ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)


DCGAN = (
    Net(
        dcgan_generator,
        "Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative "
        "Adversarial Networks, 2016, arXiv:1511.06434",
        3_576_704,
        None,
        "weights: the generator of PyTorch's DCGAN example",
        input_size=(100,),
        task="generation",
    ),
)
