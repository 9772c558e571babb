"""Ours against another implementation: its random weights in our network give its outputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-9  # in float64; the project promises 1e-5, which would hide another epsilon


def count(build: Callable[[], nn.Module]) -> int:
    """Count the weights of a network without making them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build().parameters())


def assert_same_outputs(
    ours: nn.Module,
    peer: nn.Module,
    *shape: int,
    rename: Callable[[str], str] | None = None,
    output: Callable[[Any], Tensor] = lambda result: result,
) -> None:
    """Assert that our network, with the weights of the peer, computes what the peer computes.

    `shape` is that of an image, (C, *spatial). `rename` gives our name of each entry of the peer's
    state dict; without it the n-th entry of a shape is the n-th of that shape. Whatever pairs them,
    all entries are random, so that a wrong pair shows. `output` finds the peer's tensor in what it
    returns. Evaluation mode, float64; the difference is relative to how far the outputs of two
    images are apart, so that biases which reach the output do not count.
    """
    ours, peer = ours.double().eval(), peer.double().eval()
    randomize(peer)
    state = paired(peer.state_dict(), ours.state_dict(), rename)
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    # a 1x1 convolution of one cell is a linear layer
    ours.load_state_dict({name: x.reshape(shapes.get(name, x.shape)) for name, x in state.items()})
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected, got = output(peer(images)), ours(images)
    assert got.shape == expected.shape
    scale = float((expected[0] - expected[1]).abs().max())
    assert scale > 1e-4 * float(expected.abs().max()), "the peer's output ignores its input"
    difference = float((got - expected).abs().max())
    assert difference < TOLERANCE * scale, f"differs by {difference / scale:.1e} of the output"


def randomize(net: nn.Module) -> None:
    """Give every bias, and every normalization's weights and statistics, values of its own."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if name == "bias":
                nn.init.normal_(parameter, std=0.1, generator=generator)
            elif parameter.ndim == 1:
                nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)


def paired(
    theirs: dict[str, Tensor], ours: dict[str, Tensor], rename: Callable[[str], str] | None = None
) -> dict[str, Tensor]:
    """Return the peer's entries under our names.

    >>> a, b, c = torch.zeros(2), torch.ones(3), torch.ones(2)
    >>> list(paired({"x": a, "y": b, "z": c}, {"p": b, "q": a, "r": c}).items())
    [('q', tensor([0., 0.])), ('p', tensor([1., 1., 1.])), ('r', tensor([1., 1.]))]
    """
    if rename is not None:
        result = {rename(name): value for name, value in theirs.items()}
        assert len(result) == len(theirs), "two names became one"
        return result
    names = defaultdict(list)
    for name, value in ours.items():
        names[value.shape].append(name)
    result = {}
    for name, value in theirs.items():
        assert names[value.shape], f"{name} is {tuple(value.shape)}; no more of ours is"
        result[names[value.shape].pop(0)] = value
    return result
