"""Branches side by side, their channels concatenated: what Inception blocks are made of."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Branches(nn.Module):
    """Apply every branch to the same input, and concatenate the outputs' channels, in order.

    Shapes: (N, C, *spatial) to (N, sum of the branches' channels, *spatial'), where all branches
    agree in the spatial size.

    >>> sides = Branches({"same": nn.Identity(), "twice": nn.Sequential()})
    >>> sides(torch.ones(1, 3, 5, 5)).shape
    torch.Size([1, 6, 5, 5])
    """

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the branches to `x`."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)
