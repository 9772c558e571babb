"""How well a layer stands for the convolution that it was fitted to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .. import interop
from ..compositions.weights import ungroup


def fit_error(conv: nn.Module, layer: nn.Module) -> float:
    """Return the relative error ||W - W'|| / ||W|| of the dense weights (Frobenius norm).

    Args:
        conv: an ordinary convolution, with weight W.
        layer: a layer with `dense_weight()` W', or a convolution.

    Returns:
        0.0 where the weights are the same, infinity where W alone is zero.

    Raises:
        TypeError: one of them is no convolution.
        ValueError: the shapes differ.

    >>> from juanji.nn import ShuffledGroupConv2d
    >>> conv = nn.Conv2d(8, 8, 3)
    >>> fit_error(conv, ShuffledGroupConv2d.from_conv(conv, groups=1))
    0.0
    """
    weight = ungroup(trained_weight(conv), interop.conv_spec(conv).groups)
    if hasattr(layer, "dense_weight"):
        with torch.no_grad():
            composed: Any = layer
            own = composed.dense_weight().to(weight)
    else:
        own = ungroup(trained_weight(layer), interop.conv_spec(layer).groups)
    if own.shape != weight.shape:
        raise ValueError(
            f"layer must stand for a weight of shape {tuple(weight.shape)}, got {tuple(own.shape)}"
        )
    error = float((weight - own).norm())
    if error == 0:
        return 0.0
    norm = float(weight.norm())
    return error / norm if norm else float("inf")


def trained_weight(conv: nn.Module) -> Tensor:
    """Return the weight (C_out, C_in / groups, *kernel) of a convolution, in float64 to compute on.

    Raises:
        TypeError: not an ordinary convolution.
        ValueError: there are no numbers in it, or it flips its kernel or pads by other than zeros.
    """
    interop.conv_arguments(conv)  # checks that it is one
    module: Any = conv
    weight: Tensor = module.weight.detach()
    if weight.is_meta or not weight.numel():
        raise ValueError(
            f"conv must hold numbers to start from, got a weight of shape {tuple(weight.shape)} "
            f"on device {weight.device}"
        )
    return weight.to(torch.promote_types(weight.dtype, torch.float64))


def require_dense(conv: nn.Module) -> None:
    """Raise ValueError if a convolution has groups."""
    groups = interop.conv_arguments(conv)["groups"]
    if groups != 1:
        raise ValueError(f"conv must have groups=1, got groups={groups}")
