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


def autocast(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """Cast to autocast's dtype what torch's own convolutions would: all but double precision."""
    if not torch._C._is_any_autocast_enabled():
        return tensors
    kind = next(x.device.type for x in tensors if x is not None)
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(
        x if x is None or x.dtype == torch.float64 or x.is_complex() else x.to(dtype)
        for x in tensors
    )


def spatial_size(shape: tuple[int, ...], dimensions: int, channels: int) -> tuple[int, ...]:
    """Return the spatial size of (N, C, *spatial) or (C, *spatial), its channels checked."""
    if len(shape) not in (dimensions + 1, dimensions + 2):
        raise ValueError(
            f"input must have {dimensions + 2} dimensions (N, C, *spatial), or {dimensions + 1} "
            f"unbatched, for a {dimensions}-D operator; got shape {shape}"
        )
    if shape[-dimensions - 1] != channels:
        raise ValueError(
            f"input must have {channels} channels, got {shape[-dimensions - 1]} (shape {shape})"
        )
    return shape[-dimensions:]
