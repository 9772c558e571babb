"""Checks of tensors that the operators share; arguments are checked by `juanji.spec`."""

from __future__ import annotations

import torch
from torch import Tensor


def same_kind(**tensors: Tensor | None) -> None:
    """Raise TypeError unless all tensors share one floating dtype and one device.

    Under autocast, floating dtypes may differ: torch casts all but float64.
    """
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    (first, reference), *others = given.items()
    for name, tensor in given.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            raise TypeError(f"{name} must be floating-point, got {tensor.dtype}")
    for name, tensor in others:
        if tensor.device != reference.device:
            raise TypeError(
                f"{name} must be on the device of {first}, {reference.device}, got {tensor.device}"
            )
        if tensor.dtype != reference.dtype and not _autocast(tensor, reference):
            raise TypeError(
                f"{name} must have the dtype of {first}, {reference.dtype}, got {tensor.dtype}"
            )


def _autocast(a: Tensor, b: Tensor) -> bool:
    """Whether autocast is on and casts both; devices such as meta do not know it."""
    kind = a.device.type
    return (
        torch.amp.is_autocast_available(kind)
        and torch.is_autocast_enabled(kind)
        and torch.float64 not in (a.dtype, b.dtype)
    )


def spatial_size(input: Tensor, dimensions: int, channels: int) -> tuple[int, ...]:
    """Return the spatial size of (N, C, *spatial) or (C, *spatial), its channels checked."""
    if input.ndim not in (dimensions + 1, dimensions + 2):
        raise ValueError(
            f"input must have {dimensions + 2} dimensions (N, C, *spatial), or {dimensions + 1} "
            f"unbatched, for a {dimensions}-D operator; got shape {tuple(input.shape)}"
        )
    if input.shape[-dimensions - 1] != channels:
        raise ValueError(
            f"input must have {channels} channels, got {input.shape[-dimensions - 1]} "
            f"(shape {tuple(input.shape)})"
        )
    return tuple(input.shape[-dimensions:])
