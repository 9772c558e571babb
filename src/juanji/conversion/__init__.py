"""Swap the layers of a network: match -> plan -> apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..swaps import Swap
from .match import Pattern
from .optimizer import remap
from .plans import Entry, Plan
from .trial import make_plan

__all__ = ["Entry", "Plan", "convert", "convert_", "plan"]

Swaps = Swap | str | Mapping[Pattern, Swap | str | None]


def plan(
    model: nn.Module,
    swap: Swaps,
    *inputs: Any,
    where: Pattern | None = None,
    exclude: Pattern | None = None,
) -> Plan:
    """Work out what a swap would do to each layer that it is about, and change nothing.

    The model runs a few times on `inputs`, in evaluation mode and without gradients: what reaches
    a layer decides how it can be swapped, and what it costs.

    Most swaps are about convolutions: torch.nn's, and `Conv` of juanji.nn. A model may have been
    converted before; what a swap put in place of a convolution is another kind of layer, which the
    next swap leaves alone and does not list, unless it is or contains an ordinary convolution, as
    after "grouped", "dilated", "stacked-3x3" and "squeeze-excite". `StochasticPool` is about max
    pooling layers, `Dilated` about convolutions and pooling layers.

    Args:
        model: any module; its `forward` is not rewritten.
        swap: a record of `juanji.swaps`, its command-line form such as "octave:0.25", or an ordered
            mapping from patterns to swaps, of which the first that matches a layer counts; None
            leaves the layer.
        inputs: what `model` is called with; small sizes do, the sizes set the multiply-adds shown.
        where: convert only those layers that match: a glob over names ("layer1.*"), "re:" and a
            regular expression, a type, a predicate (module, name) -> bool, or a list of these.
            Without it, and without a mapping, the first convolution is left as it is.
        exclude: leave the layers that match.

    Returns:
        a `Plan` with one `Entry` per layer: what becomes of it and what that changes, or the
        reason why it stays.

    Raises:
        ValueError: a pattern matches none of the layers that its swap is about, no inputs are
            given, a swap's text is unknown, or the model is a single layer.

    >>> from juanji import nets, swaps
    >>> print(plan(nets.resnet20(), swaps.Octave(alpha=0.25), torch.zeros(1, 3, 32, 32)).summary)
    21 of 21 layers swapped, weights 270,256 -> 270,256, ...
    """
    return make_plan(model, swap, inputs, where, exclude)


def convert(
    model: nn.Module,
    swap: Swaps,
    *inputs: Any,
    where: Pattern | None = None,
    exclude: Pattern | None = None,
) -> nn.Module:
    """Return a changed copy of a model; arguments and errors as in `plan`.

    >>> from juanji import nets
    >>> thin = convert(nets.resnet20(), "grouped:4", torch.zeros(1, 3, 32, 32))
    >>> thin.layer1[0].conv1.groups
    4
    """
    return plan(model, swap, *inputs, where=where, exclude=exclude).apply(model)


def convert_(
    model: nn.Module,
    swap: Swaps,
    *inputs: Any,
    where: Pattern | None = None,
    exclude: Pattern | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> Plan:
    """Change a model in place and return the plan; arguments as in `plan`, and an optimizer.

    An optimizer then holds the new parameters in the groups that held the old ones. Where a new
    parameter is the old one in another layer, its state (momentum) goes along.

    Raises:
        ValueError: as in `plan`; also when the optimizer holds parameters that are not the model's.

    >>> from juanji import nets
    >>> model = nets.resnet20()
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> _ = convert_(model, "grouped:4", torch.zeros(1, 3, 32, 32), optimizer=optimizer)
    >>> len(optimizer.param_groups[0]["params"]) == len(list(model.parameters()))
    True
    """
    result = plan(model, swap, *inputs, where=where, exclude=exclude)
    if optimizer is None:
        result.apply_(model)
    else:
        with remap(optimizer, model):
            result.apply_(model)
    return result
