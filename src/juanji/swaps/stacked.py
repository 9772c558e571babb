"""Stacks of 3x3 convolutions in place of larger kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor, nn

from .. import interop
from .. import nn as variants
from ..spec import Window
from .base import Site, Swap, Unsuitable, even, require_taps

Activation = Literal["none", "relu"]


@dataclass(frozen=True)
class Stacked3x3(Swap):
    """Stack (k - 1) / 2 kernels of 3x3 in place of one of k x k, k odd (VGG, arXiv:1409.1556).

    Sizes and view stay: 5x5 becomes two layers, 7x7 three. The padding is shared out among them
    and the last one takes the stride, since a stride before it would stretch the taps behind. From
    the second layer on there are C_out channels, and only the last has a bias. An axis of a
    smaller odd kernel gets its 3s in the first layers, then 1s.

    A trained weight is in general no product of 3x3 ones, so the new ones are random; the outputs
    have at first the variance that those of the old layer have for white input. `activation`,
    "none" or "relu", stands between the layers.

    >>> import juanji, torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 5, stride=2, padding=2))
    >>> juanji.convert(model, Stacked3x3(), torch.zeros(1, 1, 9, 9), where="*")[0]
    Sequential(
      (0): Conv2d(1, 1, kernel_size=(3, 3), padding=(1, 1), bias=False)
      (1): Conv2d(1, 1, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    )
    """

    name: ClassVar[str] = "stacked-3x3"

    activation: Activation = "none"

    def __post_init__(self) -> None:
        if self.activation not in get_args(Activation):
            raise ValueError(f'activation must be "none" or "relu", got {self.activation!r}')

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Need an odd kernel of 5 or more."""
        require_taps(layer)
        kernel = [window.kernel for window in interop.conv_spec(layer).windows]
        shown = "x".join(map(str, kernel))
        if any(cells % 2 == 0 for cells in kernel):
            raise Unsuitable(f"{shown} kernel is not odd")
        if max(kernel) < 5:
            raise Unsuitable(f"{shown} kernel is not larger than 3")
        return {}

    def build(self, layer: nn.Module) -> nn.Module:
        """Stack fresh layers, whose outputs vary as the old one's."""
        arguments = interop.conv_arguments(layer)
        windows = interop.conv_spec(layer).windows
        conv = getattr(variants, f"Conv{len(windows)}d")
        depth = max(window.kernel for window in windows) // 2
        layers: list[nn.Module] = []
        for place in range(depth):
            last = place == depth - 1
            changed = {
                "in_channels": arguments["in_channels" if place == 0 else "out_channels"],
                "kernel_size": tuple(3 if place < window.kernel // 2 else 1 for window in windows),
                "stride": arguments["stride"] if last else 1,
                "bias": arguments["bias"] and last,
            }
            if not isinstance(arguments["padding"], str):  # a mode means the same for every layer
                changed["padding"] = even(share(window, place) for window in windows)
            new = conv(**arguments | changed)
            halved = self.activation == "relu" and place > 0
            gain = mean_square_sum(layer) if last else 1.0
            reach = math.sqrt(3 * gain * (2 if halved else 1) / new.weight[0].numel())
            nn.init.uniform_(new.weight, -reach, reach)
            layers.append(new)
            if self.activation == "relu" and not last:
                layers.append(nn.ReLU())
        if arguments["bias"]:
            layers[-1].load_state_dict({"bias": layer.state_dict()["bias"]}, strict=False)
        return nn.Sequential(*layers)

    def fit_error(self, layer: nn.Module, new: nn.Module) -> None:
        """The weights are new."""


def share(window: Window, place: int) -> tuple[int, int]:
    """Return the padding (low, high) of the layer at a place of the stack on one axis.

    The layers with a kernel of 3 there share it evenly, the first ones take what is left over.
    """
    layers = max(1, window.kernel // 2)
    if place >= layers:
        return 0, 0
    assert not isinstance(window.padding, str)
    low, high = (side // layers + (place < side % layers) for side in window.padding)
    return low, high


def mean_square_sum(layer: Any) -> float:
    """Return by what a convolution multiplies the variance of white input, on average."""
    weight: Tensor = layer.weight.detach()
    return float(weight.square().sum()) / len(weight)
