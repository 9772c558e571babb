"""Skip connections with learned weights: how much of the branch, how much of the input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .residual import BasicBlock


class WeightedResidualBlock(BasicBlock):
    """relu(a * branch(x) + b * shortcut(x)) with a and b learned; both begin at one.

    At the start it is exactly `BasicBlock`. Shapes and arguments: `ResidualBlock`.

    Source: an open idea of a survey; Shen and Zeng, "Weighted Residuals for Very Deep Networks",
    2016, arXiv:1605.08831, weigh the branch alone.

    >>> WeightedResidualBlock(16, 32, stride=2)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 32, 5, 4])
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, reduction: int | None = None
    ) -> None:
        super().__init__(in_channels, channels, stride, reduction=reduction)
        self.branch_weight = nn.Parameter(torch.ones(()))
        self.skip_weight = nn.Parameter(torch.ones(()))

    def join(self, branch: Tensor, skipped: Tensor) -> Tensor:
        """Add the weighted branch and the weighted shortcut."""
        return branch * self.branch_weight + skipped * self.skip_weight
