"""Run a model and note how its layers are called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .. import interop
from ..swaps import Call
from .match import layers_of


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Run without gradients and in evaluation mode, and put every module's mode back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def observe(model: nn.Module, inputs: tuple[Any, ...]) -> dict[str, list[Call]]:
    """Return the calls of each convolution and pooling layer, in the order of first calls."""
    calls: dict[str, list[Call]] = {}
    handles = []
    try:
        for name, layer in layers_of(model, interop.has_window).items():

            def note(
                layer: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name
            ) -> None:
                input = args[0] if args else kwargs["input"]
                values = output[0] if isinstance(output, tuple) else output  # with indices
                calls.setdefault(name, []).append(Call(layer, input.shape, values.shape))

            handles.append(layer.register_forward_hook(note, with_kwargs=True))
        with evaluation(model):
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls
