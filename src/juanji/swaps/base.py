"""What a swap is: a frozen record that says how one layer becomes another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from .. import interop
from .. import nn as variants
from ..ops.octave import OctavePair


class Unsuitable(ValueError):  # noqa: N818, it is a reason more than an error
    """The layer cannot be swapped; the message is the reason that a plan shows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a convolution or pooling layer in the unchanged network, with whole shapes."""

    layer: nn.Module
    input: tuple[int, ...]
    output: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a layer stands in a network, as one forward pass with the swaps before it shows.

    Attributes:
        name: of the layer.
        input: what reaches it.
        last: set for the last layer of a network that the swap changes.
        network: in the unchanged network, every call of each convolution and pooling layer, by
            name.
    """

    name: str
    input: Tensor | OctavePair
    last: bool = False
    network: Mapping[str, Sequence[Call]] = field(default_factory=dict)


@dataclass(frozen=True)
class Swap:
    """One way to replace a layer. A subclass is a frozen record with a name, and two methods.

    `arguments` decides, from the layer and its site, what `build` needs beside the layer: plain
    values that JSON can hold, so that a saved plan rebuilds the network without a forward pass.

    `everywhere` says that the site does not matter: layers that are called several times, or that
    the network holds under several names, are swapped too. `first` says that it is about the first
    layer as much as about any other; most are not, for that one reads few channels and has little
    to give. `ends` says that the last layer becomes another thing than the others.
    """

    name: ClassVar[str]
    everywhere: ClassVar[bool] = False
    first: ClassVar[bool] = False
    ends: ClassVar[bool] = False

    def targets(self, layer: nn.Module) -> bool:
        """Whether the swap is about layers of this kind: they are in the plan, changed or not."""
        return interop.is_conv(layer) or interop.is_transposed(layer)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Return the arguments of `build`, or raise `Unsuitable` with the reason."""
        raise NotImplementedError

    def build(self, layer: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        """Return the new layer, with the weights of `layer` where the mathematics keeps them."""
        raise NotImplementedError

    def fit_error(self, layer: nn.Module, new: nn.Module) -> float | None:
        """Return ||W - W'|| / ||W|| of the old weight and the one the new layer stands for.

        0 where the weight was kept whole; None where the new layer's weight is another thing.
        """
        return 0.0


@dataclass(frozen=True)
class Fitted(Swap):
    """A swap whose new layers stand for an ordinary weight, near to the old one."""

    def fit_error(self, layer: nn.Module, new: nn.Module) -> float:
        """Compare the weight with the dense one that the new layer stands for."""
        return variants.fit_error(layer, new)


def from_conv(kind: str, layer: nn.Module, **arguments: Any) -> nn.Module:
    """Build the layer of `juanji.nn` of this kind, with as many axes, from a convolution."""
    variant = getattr(variants, f"{kind}{len(interop.conv_spec(layer).windows)}d")
    new: nn.Module = variant.from_conv(layer, **arguments)
    return new


def even(paddings: Iterable[Sequence[int]]) -> tuple[int | tuple[int, int], ...]:
    """Write (low, high) paddings as torch does, one number where both sides are equal."""
    return tuple(low if low == high else (low, high) for low, high in paddings)


def require_taps(layer: nn.Module) -> None:
    """Refuse a convolution whose kernel is one cell: it has no spatial extent to work on."""
    if all(window.kernel == 1 for window in interop.conv_spec(layer).windows):
        raise Unsuitable("1x1 kernel")


def require_dense(layer: nn.Module) -> None:
    """Refuse a convolution that has groups already."""
    groups = interop.conv_spec(layer).groups
    if groups > 1:
        raise Unsuitable(f"has {groups} groups already")


def require_divisible(layer: nn.Module, groups: int) -> None:
    """Refuse a convolution whose channels `groups` does not divide."""
    spec = interop.conv_spec(layer)
    for name, channels in (("input", spec.in_channels), ("output", spec.out_channels)):
        if channels % groups:
            raise Unsuitable(f"{groups} groups do not divide {channels} {name} channels")


def at_least_one(name: str, value: int) -> None:
    """Refuse a swap's value below 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
