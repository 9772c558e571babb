"""Memory layout: outputs have the channels innermost if the input has."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def channels_innermost(input: Tensor, dimensions: int) -> bool:
    """Whether a batched input lies in memory as (N, *spatial, C); strides tell under vmap too."""
    return input.ndim == dimensions + 2 and input.stride(1) == 1 < input.stride(-1)


def follow(output: Tensor, input: Tensor, dimensions: int) -> Tensor:
    """Lay `output` out with channels innermost if those of `input` are; copies only if needed.

    Shapes: (N, C, *spatial) with as many spatial axes as `dimensions`; others are left alone.
    """
    if channels_innermost(input, dimensions) and not channels_innermost(output, dimensions):
        return output.movedim(1, -1).contiguous().movedim(-1, 1)
    return output


def empty(like: Tensor, shape: Sequence[int], innermost: bool) -> Tensor:
    """Return a new tensor (N, C, *spatial), its channels innermost or not."""
    if not innermost:
        return like.new_empty(shape)
    batch, channels, *spatial = shape
    return like.new_empty((batch, *spatial, channels)).movedim(-1, 1)
