"""The records of the catalogue, and tensors for their cases. A case is plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

Kind: TypeAlias = Literal["normal", "distinct", "positive", "offsets", "indices"]


@dataclass(frozen=True, slots=True)
class Argument:
    """A tensor that a case gives to its operator.

    kind: "normal" (Gaussian); "distinct" (no two equal while there are at most 256, and exact in
    every dtype); "positive" (from 0.1 up); "offsets" (up to two cells, none near a whole cell,
    where interpolation has no derivative); "indices" (int64 from 0 up, below `below`).
    maps: whether dimension 0 is the batch and dimension 1 the channels.
    """

    shape: tuple[int, ...]
    kind: Kind = "normal"
    maps: bool = False
    below: int = 0


# one tensor, or several that are given as one argument
Given: TypeAlias = Argument | tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One call of an operator: tensors by argument name, and the other arguments."""

    label: str
    arguments: Mapping[str, Given]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """What an operator does not do, and why; `refused`: it says so, in words that hold this."""

    reason: str
    refused: str | None = None


THREADS = Limit(
    "torch chooses a convolution's kernel by the number of threads: results agree to rounding"
)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as the catalogue lists it.

    Attributes:
        name: in the field's words.
        call: the function; a public one, unless the operator exists as a layer alone.
        layer: name in `juanji.nn`, the suffix 1d, 2d, 3d left out.
        dimensions: numbers of spatial axes.
        formula: what is computed.
        cost: multiply-adds for one input; K cells of the kernel, I and O cells of input and output,
            g groups.
        source: the paper.
        reference: the definition, with the arguments of `call`.
        cases: examples, and what the tests of the contract run on.
        linear: groups of arguments; the operator is linear in each group, without a bias.
        limits: what does not hold, by property: "unbatched", "vmap", "threads", "compile",
            "export", "fake", "gradient", "autocast".
        suffix: whether the layer's name ends in 1d, 2d, 3d.
    """

    name: str
    call: Callable[..., Any]
    layer: str | None
    formula: str
    cost: str
    source: str
    reference: Callable[..., Any]
    cases: tuple[Case, ...]
    linear: tuple[tuple[str, ...], ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    suffix: bool = True
    dimensions: tuple[int, ...] = (1, 2, 3)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its layers in `juanji.nn`."""
        if self.layer is None:
            return ()
        return tuple(f"{self.layer}{d}d" for d in self.dimensions) if self.suffix else (self.layer,)


def maps(*shape: int, kind: Kind = "normal", below: int = 0) -> Argument:
    """Feature maps (N, C, *spatial)."""
    return Argument(shape, kind, maps=True, below=below)


def weight(*shape: int) -> Argument:
    """Weights, the same for every element of the batch."""
    return Argument(shape)


def each(given: Given) -> tuple[Argument, ...]:
    """Return the tensors of one argument."""
    return given if isinstance(given, tuple) else (given,)


def dimensions(case: Case) -> int:
    """Return the number of spatial axes of a case."""
    shapes = [argument.shape for given in case.arguments.values() for argument in each(given)]
    return max(map(len, shapes)) - 2


def tensors(
    case: Case,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    batch: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Draw the tensors of a case, by argument name; with `batch` in place of its batch size.

    >>> shapes = Case("", {"input": maps(2, 3, 5), "bias": weight(4)})
    >>> {name: tuple(x.shape) for name, x in tensors(shapes, batch=0).items()}
    {'input': (0, 3, 5), 'bias': (4,)}
    """
    generator = torch.Generator().manual_seed(seed)

    def one(argument: Argument) -> Tensor:
        shape = argument.shape
        if batch is not None and argument.maps:
            shape = (batch, *shape[1:])
        values = _draw(argument, shape, generator)
        return values.to(device) if argument.kind == "indices" else values.to(device, dtype)

    return {
        name: tuple(map(one, given)) if isinstance(given, tuple) else one(given)
        for name, given in case.arguments.items()
    }


def _draw(argument: Argument, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    def uniform() -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    match argument.kind:
        case "normal":
            return torch.randn(shape, generator=generator, dtype=torch.float64)
        case "distinct":
            count = math.prod(shape)
            order = torch.randperm(count, generator=generator) % 256 - 128
            return order.reshape(shape).double() / 32
        case "positive":
            return 0.1 + uniform()
        case "offsets":
            return (uniform() * 4 - 2).floor() + 0.1 + 0.8 * uniform()
        case "indices":
            return torch.randint(argument.below, shape, generator=generator)


def named(case: Case) -> Iterator[tuple[str, Argument]]:
    """Yield every tensor of a case with the name of its argument."""
    for name, given in case.arguments.items():
        for argument in each(given):
            yield name, argument
