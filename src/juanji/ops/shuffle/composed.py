"""Channel shuffle by torch's own kernel."""

from __future__ import annotations

import torch.nn.functional as torch_functional
from torch import Tensor

from .. import layout


def shuffle(input: Tensor, groups: int) -> Tensor:
    """Shuffle dimension 1."""
    if input.shape[1] == 0:  # torch divides by it
        return input.clone()
    if input.ndim == 2:  # torch wants a third dimension
        return shuffle(input.unsqueeze(2), groups).squeeze(2)
    shuffled = torch_functional.channel_shuffle(input, groups)
    # torch keeps channels last itself, but says otherwise where there is no data
    return layout.follow(shuffled, input, input.ndim - 2)
