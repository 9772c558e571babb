"""The network of a study: by a known name, by `module:function`, or any callable that builds it."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..conversion import convert
from ..nets import NETS, Net
from .data import Data

Build = Callable[[], nn.Module]

SMALL = 64  # cells; from there on, a stem that divides the size by four leaves something to see


def builder(
    net: str | Callable[..., nn.Module], size: Sequence[int] = (), **offered: int
) -> tuple[str, Build]:
    """Return a network's name and a function that builds it.

    A callable gets those of the offered arguments, `in_channels` and `classes`, that it takes.
    `size` is that of the images: where it is below `SMALL` cells on every axis, a network of
    `juanji.nets` is built in its form for small images, if it has one.

    Raises ValueError or TypeError where the name is unknown, the import fails, or the callable
    needs more.
    """
    if isinstance(net, Net):
        net = net.name
    if isinstance(net, str):
        name, function = net, find(net)
    elif isinstance(net, nn.Module):
        raise TypeError(
            f"net must be a callable that builds a network, got a {type(net).__name__} already "
            "built; every repeat starts from fresh weights, so give its class or a function"
        )
    elif callable(net):
        name = f"{getattr(net, '__module__', '')}:{getattr(net, '__qualname__', repr(net))}"
        function = net
    else:
        raise TypeError(f"net must be a name or a callable, got {type(net).__name__}")
    arguments = accepted(function, offered, name)
    if name in NETS and NETS[name].small and size and max(size) < SMALL:
        arguments["small"] = True
    return name, lambda: function(**arguments)


def find(name: str) -> Callable[..., nn.Module]:
    """Return the function that a name or `module:function` means."""
    module_name, colon, attribute = name.partition(":")
    if not colon:
        if name in NETS:
            return NETS[name].build
        near = nearest(name, list(NETS))
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(
            f"unknown net {name!r}; {hint}`juanji nets` lists the known ones; "
            "one of your own is package.module:function"
        )
    here = str(Path.cwd())
    if here not in sys.path:  # for good: the function may import more when it is called
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module does while it loads
        raise ValueError(
            f"net {name!r}: importing {module_name!r} failed: {first_line(error)}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = nearest(part, dir(found))
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"net {name!r}: {module_name!r} has no {attribute!r}{hint}")
        found = getattr(found, part)
    if not callable(found) or isinstance(found, nn.Module):
        raise TypeError(
            f"net {name!r} must be a function that builds a network, got {type(found).__name__}"
        )
    return found  # type: ignore[no-any-return]


def nearest(name: str, known: list[str]) -> str | None:
    """Return the known name most like this one; of equals, the one that begins like it."""
    near = difflib.get_close_matches(name, known, n=10, cutoff=0.4)

    def likeness(other: str) -> tuple[float, int]:
        matcher = difflib.SequenceMatcher(None, other, name)
        start = matcher.get_matching_blocks()[0]
        return matcher.ratio(), start.size if start.a == start.b == 0 else 0

    return max(near, key=likeness, default=None)


def accepted(function: Callable[..., Any], offered: dict[str, int], name: str) -> dict[str, int]:
    """Return those of the offered arguments that a function takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C: it does not say
        return {}
    by_name = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        by_name |= offered.keys()
    needed = [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and p.name not in offered.keys() & by_name
    ]
    if needed:
        raise TypeError(
            f"net {name} needs {', '.join(needed)}, but is called with no more than "
            f"{' and '.join(offered)}; wrap it in a function without other arguments"
        )
    return {key: value for key, value in offered.items() if key in by_name}


def example(net: str, input: str, swap: str | None = None) -> tuple[nn.Module, torch.Tensor]:
    """Return a network from its name, converted if asked for, and one random image for it.

    `input` is the image's shape, channels first, as in "3x224x224".

    >>> net, image = example("resnet20", "1x28x28", "octave:0.5")
    >>> net(image).shape
    torch.Size([1, 10])
    """
    sizes = [int(size) if size.isdecimal() else 0 for size in input.split("x")]
    if len(sizes) < 2 or 0 in sizes:
        raise ValueError(f"input must be the shape of one image, as in 3x224x224, got {input!r}")
    _, build = builder(net, sizes[1:], in_channels=sizes[0])
    model, image = build(), torch.randn(1, *sizes)
    return model if swap is None else convert(model, swap, image), image


def fingerprint(net: nn.Module) -> str:
    """A digest of a network's parts and shapes: not of its weights, which follow from the seed."""
    parts = [f"{key} {tuple(value.shape)} {value.dtype}" for key, value in net.state_dict().items()]
    parts += [f"{key} {type(module).__name__}" for key, module in net.named_modules()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def checked(build: Build, data: Data, name: str) -> nn.Module:
    """Build a network and run it once: a row of at least `classes` numbers for every image.

    Raises TypeError or ValueError that name the network.
    """
    images = torch.zeros(2, data.channels, *data.size)
    try:
        net: Any = build()
    except Exception as error:
        raise ValueError(f"net {name} cannot be built: {first_line(error)}") from error
    if not isinstance(net, nn.Module):
        raise TypeError(f"net {name} must build a torch.nn.Module, got {type(net).__name__}")
    try:
        with torch.no_grad():
            output = net.eval()(images)
    except Exception as error:
        raise ValueError(
            f"net {name} cannot take images of shape {tuple(images.shape)}: {first_line(error)}"
        ) from error
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) != 2 or shape[0] != 2 or shape[1] < data.classes:
        raise ValueError(
            f"net {name} must give (N, classes) with classes at least {data.classes} for images of "
            f"shape {tuple(images.shape)}, got {shape or type(output).__name__}"
        )
    return net


def first_line(error: Exception) -> str:
    """The kind of an error, and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
