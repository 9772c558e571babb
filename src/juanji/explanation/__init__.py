"""`juanji.explain`: the picture of a layer with its real numbers, or of a whole model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ..bind import Bound, bind
from ..draw import facts
from ..spec import Conv, Pool
from . import table, windowed
from .crop import View
from .explanation import Explanation
from .walk import Walk, walk_through

__all__ = ["Explanation", "Walk", "explain"]


def explain(
    layer: Bound | Conv | Pool | nn.Module,
    input: Any = None,
    *,
    channel: int = 0,
    at: Sequence[int] | None = None,
) -> Explanation | Walk:
    """Show how an operator works: step by step, with its numbers, its formula and its matrix.

    What is too large to be read is cropped, and the picture says what of; sums stay true.

    Args:
        layer: a specification, bound to a size or not; or a layer of torch.nn or juanji.nn, whose
            weights are shown; or a model, whose layers can be walked through.
        input: what the layer reads, (N, C, *spatial) or (C, *spatial): its first example is shown.
            Without it, small numbers that are always the same.
        channel: the first output channel to show, of many.
        at: the first output position to show, of many; the middle when not given.

    Returns:
        An explanation with `.svg(path)`, `.gif(path)` and `.html(path)`, which a notebook shows. Of
        a model its layers, `.layers`, and the page that walks through them, `.html(path)`.

    Raises:
        TypeError: layer or input is nothing that can be explained.
        ValueError: the input does not fit the layer, or channel or at the output.

    >>> import torch
    >>> from juanji.explanation import explain
    >>> shown = explain(torch.nn.Conv2d(1, 1, 3, stride=2), torch.ones(1, 1, 7, 7))
    >>> shown
    Explanation('Conv2d: conv 3 x 3, stride 2', 9 steps)
    """
    view = View(channel, None if at is None else tuple(at))
    if isinstance(layer, (Bound, Conv, Pool)):
        return Explanation(_specified(layer, input, view))
    if not isinstance(layer, nn.Module):
        raise TypeError(f"layer must be a specification or a torch.nn.Module, got {type(layer)}")
    row = table.find(layer)
    if row is None and list(layer.children()):
        return walk_through(layer, input, view)
    if row is None:
        raise TypeError(
            f"layer must be one of: {', '.join(row.kind for row in table.LAYERS)}; "
            f"got {type(layer).__name__}"
        )
    return Explanation(row.build(layer, input, view))


def _specified(layer: Bound | Conv | Pool, input: Any, view: View) -> Any:
    """Return the scene of a specification, with weights that are made up."""
    spec = layer.spec if isinstance(layer, Bound) else layer
    size = layer.input_size if isinstance(layer, Bound) else windowed.default_size(spec)
    x = windowed.example(input, spec.in_channels if isinstance(spec, Conv) else None, size)
    bound = layer if isinstance(layer, Bound) else bind(spec, tuple(x.shape[1:]))
    if tuple(x.shape[1:]) != bound.input_size:
        raise ValueError(
            f"input must have the size that layer is bound to, {bound.input_size}, "
            f"got {tuple(x.shape[1:])}"
        )
    title = facts.describe(bound)
    if isinstance(spec, Conv):
        return windowed.conv(bound, x, windowed.made_weight(spec), None, view, title=title)
    return windowed.pooled(bound, x, view, title=title)
