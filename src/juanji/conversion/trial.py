"""Make a plan by running the model: first as it is, then with every layer swapped on first call."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from .. import interop
from ..analysis import count
from ..bind import bind
from ..cost import multiply_adds
from ..spec import Conv
from ..swaps import Call, Site, Swap, spelled
from .calls import evaluation, observe
from .match import Pattern, choose
from .plans import Entry, Plan, build, replace


def make_plan(
    model: nn.Module,
    swap: Any,
    inputs: tuple[Any, ...],
    where: Pattern | None,
    exclude: Pattern | None,
) -> Plan:
    """Work out a plan; see `juanji.plan`."""
    if not inputs:
        raise ValueError("inputs must be what the model is called with, got none")
    layers, chosen = choose(model, swap, where, exclude)
    network = observe(model, inputs)
    explicit = where is not None or isinstance(swap, Mapping)
    first = None if explicit else first_convolution(network)
    reasons = {
        name: reason
        for name, layer in layers.items()
        if (reason := stays(layer, layers, chosen[name], network.get(name, []), name == first))
    }
    swaps = {name: swap for name, swap in chosen.items() if name not in reasons and swap}
    entries = attempt(model, inputs, swaps, network, last=None)
    changed = [name for name, entry in entries.items() if entry.reason is None]
    if changed and swaps[changed[-1]].ends:  # only now is it known which is the last
        entries = attempt(model, inputs, swaps, network, last=changed[-1])
    order = {name: position for position, name in enumerate(network)}
    return Plan(
        tuple(
            entries.get(name) or kept(name, layers[name], reasons[name], network.get(name, []))
            for name in sorted(layers, key=lambda name: order.get(name, len(order)))
        )
    )


def first_convolution(network: Mapping[str, list[Call]]) -> str | None:
    """Return the name of the convolution that is called first."""
    names = (name for name, calls in network.items() if not interop.is_pool(calls[0].layer))
    return next(names, None)


def stays(
    layer: nn.Module,
    layers: dict[str, nn.Module],
    swap: Swap | None,
    calls: list[Call],
    first: bool,
) -> str | None:
    """Return why a layer stays as it is whatever the swap, or None."""
    if swap is None:
        return "not selected"
    if interop.is_transposed(layer):
        return "transposed"
    if not swap.everywhere and sum(other is layer for other in layers.values()) > 1:
        return "shared module"
    if not calls:
        return "never called"
    if not swap.everywhere and len(calls) > 1:
        return f"called {len(calls)} times"
    if first and not swap.first:
        return "first layer"
    if not interop.is_plain(layer):
        return f"{type(layer).__name__} has a forward of its own"
    if getattr(layer, "padding_mode", "zeros") != "zeros":
        return f"padding_mode {layer.padding_mode!r}"
    if getattr(layer, "flip", False):
        return "its kernel is flipped"
    if interop.is_conv(layer) and "weight" not in layer._parameters:
        return "weight is parametrized"
    if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
        return "hooks are attached to it"
    return None


class Trial(nn.Module):
    """Stands in for a layer, and at the first call becomes what its swap makes of it there."""

    def __init__(
        self,
        name: str,
        layer: nn.Module,
        swap: Swap,
        last: bool,
        network: Mapping[str, list[Call]],
        entries: dict[str, Entry],
    ) -> None:
        super().__init__()
        self.layer = layer
        self.name, self.swap, self.last = name, swap, last
        self.network, self.entries = network, entries

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # some networks read in_channels, stride or weight off a layer
            return getattr(super().__getattr__("layer"), name)

    def forward(self, input: Any) -> Any:
        """Swap the layer, note what that changes, and compute with the result."""
        before = kept(self.name, self.layer, None, self.network[self.name])
        site = Site(self.name, input, self.last, self.network)
        try:
            arguments = self.swap.arguments(self.layer, site)
            new = build(self.layer, spelled(self.swap), arguments)
        except ValueError as error:
            self.entries[self.name] = dataclasses.replace(before, reason=str(error))
            return self.layer(input)
        self.entries[self.name] = dataclasses.replace(
            before,
            after=repr(new),
            swap=spelled(self.swap),
            arguments=arguments,
            weights_after=weights(new),
            multiply_adds_after=count(new, input).multiply_adds.dense,
            fit_error=self.swap.fit_error(self.layer, new),
        )
        return new(input)


def attempt(
    model: nn.Module,
    inputs: tuple[Any, ...],
    swaps: dict[str, Swap],
    network: Mapping[str, list[Call]],
    last: str | None,
) -> dict[str, Entry]:
    """Run a copy of the model with trials in place; return their entries in the order of calls."""
    entries: dict[str, Entry] = {}
    tried = copy.deepcopy(model)
    for name, swap in swaps.items():
        layer = tried.get_submodule(name)
        replace(tried, name, Trial(name, layer, swap, name == last, network, entries))
    with evaluation(tried):
        tried(*inputs)
    return entries


def kept(name: str, layer: nn.Module, reason: str | None, calls: list[Call]) -> Entry:
    """Describe a layer as it is, with the multiply-adds of its calls."""
    spec = interop.layer_spec(layer)
    number = weights(layer)
    multiplied = 0
    for call in calls if isinstance(spec, Conv) else ():
        *batch, _ = call.input[: -len(spec.windows)]
        multiplied += multiply_adds(bind(spec, call.input[-len(spec.windows) :]), *batch).dense
    return Entry(
        name=name,
        before=repr(layer),
        weights_before=number,
        weights_after=number,
        multiply_adds_before=multiplied,
        multiply_adds_after=multiplied,
        reason=reason,
    )


def weights(layer: nn.Module) -> int:
    """Return the number of parameters of a layer."""
    return sum(parameter.numel() for parameter in layer.parameters())
