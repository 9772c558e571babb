"""Let an optimizer follow a model through a conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def remap(optimizer: torch.optim.Optimizer, model: nn.Module) -> Iterator[None]:
    """Put the parameters that a model gets inside the block into the groups of those they replace.

    A parameter that only moved into another layer (same name, shape and values) takes its state
    along; other new ones start afresh.

    Raises:
        ValueError: the optimizer is stale already: it holds parameters that are not the model's.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter not in names:
                raise ValueError(
                    f"optimizer must hold parameters of the model, got one of shape "
                    f"{tuple(parameter.shape)} that is not: it was made before another conversion"
                )
    yield
    current = dict(model.named_parameters())
    unclaimed = {name: p for name, p in current.items() if p not in names}
    for group in optimizer.param_groups:
        members = []
        for parameter in group["params"]:
            name = names[parameter]
            if current.get(name) is parameter:
                members.append(parameter)
                continue
            state = optimizer.state.pop(parameter, None)
            for heir in heirs(name, set(names.values()), unclaimed):
                new = unclaimed.pop(heir)
                members.append(new)
                if state and heir == name and torch.equal(parameter, new):
                    optimizer.state[new] = state
        group["params"] = members


def heirs(name: str, old: set[str], unclaimed: dict[str, nn.Parameter]) -> list[str]:
    """Return the new parameters that take the place of `name`.

    A bias is followed by the biases of the layer that replaced its own, a weight by all the rest.
    """
    layer, _, kind = name.rpartition(".")
    prefix = layer + "." if layer else ""
    inside = [new for new in unclaimed if new.startswith(prefix)]
    if kind == "bias":
        return [new for new in inside if new.endswith("bias")]
    return [new for new in inside if not new.endswith("bias") or prefix + "bias" not in old]
