"""The native kernel of `cpu.cpp`: when it applies, and its gradient, a shuffle that undoes it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from .. import layout
from ..native import DTYPES, Kernel, native_status, unavailable, wants_gradient


def declines(input: Tensor, groups: int) -> str | None:
    """Say why the kernel does not shuffle this tensor, or None if it does; any dtype will do."""
    contiguous = input.ndim > 2 and input.is_contiguous() and input.dtype in DTYPES
    if contiguous and (is_compiling() or wants_gradient(input)):
        return "torch copies contiguous channels as fast as memory, and its gradient takes less"
    if (reason := unavailable()) is not None:
        return reason
    if input.device.type != "cpu" or input.layout != torch.strided:
        return f"the tensor is {input.layout} on {input.device.type}"
    return None


def shuffle(input: Tensor, groups: int) -> Tensor:
    """Shuffle dimension 1."""
    output: Tensor = channel_shuffle(input, groups)
    return output


def _fake(input, groups):  # type: ignore[no-untyped-def]
    return layout.empty(input, input.shape, layout.channels_innermost(input, input.ndim - 2))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, groups = inputs
    ctx.groups = input.shape[1] // groups if input.shape[1] else 1


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (channel_shuffle(gradient, ctx.groups),)


if native_status().isa is not None:
    channel_shuffle = Kernel("channel_shuffle", _fake, _keep, _gradients)
