"""Channel shuffle. The mathematics, and how it folds into convolutions: see README.md."""

from __future__ import annotations

from torch import Tensor

from ..operator import operator
from .op import shuffle

__all__ = ["channel_shuffle", "shuffle"]


@operator
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out to all groups, like cards.

    Seen as a (groups, C / groups) table, the channels are read column by column: channel
    g * C / groups + i goes to i * groups + g. `channel_shuffle(_, C // groups)` undoes it.

    Args:
        input: (N, C, *spatial) with any number of spatial axes, none too. Dimension 1 is the
            channels: unbatched input cannot be told from batched and needs `unsqueeze(0)`.
        groups: how many groups the channels stand in; divides C.

    Returns:
        the input's shape and memory format.

    Raises:
        ValueError: groups do not divide the channels, or there is no dimension 1.

    Source: Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083.

    >>> import torch
    >>> channel_shuffle(torch.arange(6).view(1, 6), groups=2)
    tensor([[0, 3, 1, 4, 2, 5]])
    """
    if input.ndim < 2:
        raise ValueError(f"input must have shape (N, C, *spatial), got {tuple(input.shape)}")
    if groups < 1 or input.shape[1] % groups:
        raise ValueError(
            f"groups must be at least 1 and divide the channels, got {groups} "
            f"for {input.shape[1]} channels"
        )
    return shuffle(input, groups)
