"""Every network of `juanji.nets` with as few layers as show all of its code, for costly checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from small_forms import SMALL
from torch import Tensor, nn

from juanji import nets
from juanji.nets.densenet import densenet

# Networks that differ from these in numbers alone (depths, channels, groups): the same code.
ALIKE = {
    "vgg13": "vgg11",
    "vgg16": "vgg11",
    "vgg19": "vgg11",
    "resnet34": "resnet18",
    "resnet101": "resnet50",
    "resnet152": "resnet50",
    "resnet32": "resnet20",
    "resnet56": "resnet20",
    "resnet110": "resnet20",
    "densenet169": "densenet121",
    "shufflenet_g3": "shufflenet_g2",
    "shufflenet_g4": "shufflenet_g2",
    "shufflenet_g8": "shufflenet_g2",
    "octresnet50": "octresnet26",
    "octresnet101": "octresnet26",
    "fcn32s": "fcn8s",
    "fcn16s": "fcn8s",
}
# Every layer of a dense block adds channels, so none of them can be left out afterwards.
FEWER: dict[str, Callable[[], nn.Module]] = {
    "densenet121": lambda: densenet([2, 2], 3, 10, 4, small=False)
}


def small(name: str) -> nn.Module:
    """Build the small form of a network."""
    arguments, _ = SMALL[name]
    return nets.NETS[name](**arguments)


def kinds(module: nn.Module) -> frozenset[tuple[type, str]]:
    """Return the kinds of layers in a module: types and arguments, without their numbers."""
    return frozenset((type(m), re.sub(r"\d+", "#", m.extra_repr())) for m in module.modules())


def shallow(name: str) -> tuple[nn.Module, Tensor]:
    """Build a network in its small form, without repetitions, and draw two images for it.

    A block is left out where it gives its input's shape and is of the kinds of one before it. The
    normalizations know the images' statistics, so that the outputs depend on the images.
    """
    torch.manual_seed(0)
    net = FEWER.get(name, lambda: small(name))()
    x = torch.randn(2, *SMALL[name][1])
    everything = kinds(net)
    leave_out(net, keeping_shape(net, x))
    assert kinds(net) == everything
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1
    with torch.no_grad():
        net.train()(x)
        outputs = net.eval()(x)
    assert float((outputs[0] - outputs[1]).abs().max()) > 1e-2 * float(outputs.abs().max())
    return net, x


def keeping_shape(net: nn.Module, x: Tensor) -> set[nn.Module]:
    """Return the parts of a network that give what they take, in type and shape."""
    found = set()

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        given, got = ((type(part), getattr(part, "shape", None)) for part in (inputs[0], output))
        if given == got:
            found.add(module)

    hooks = [module.register_forward_hook(note) for module in net.modules()]
    with torch.no_grad():
        net.eval()(x)
    for hook in hooks:
        hook.remove()
    return found


def leave_out(net: nn.Module, candidates: set[nn.Module]) -> None:
    """Take those candidates out of plain sequences that are of the kinds of a block before."""
    seen = set()
    for stage in list(net.modules()):
        if type(stage) is not nn.Sequential:
            continue
        for name, block in list(stage.named_children()):
            if type(block) is nn.Sequential or not list(block.children()):
                continue
            if block in candidates and kinds(block) in seen:
                delattr(stage, name)
            seen.add(kinds(block))
