"""The gated (Highway) block: a learned gate lets each cell through, or transforms it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..conv import Conv2d


class HighwayBlock(nn.Module):
    """T(x) * relu(H(x)) + (1 - T(x)) * x, with convolutions H and, under a sigmoid, T.

    Shapes: (N, C, H, W) to the same.

    Args:
        channels: C.
        kernel_size: of both convolutions, odd.
        gate_bias: initial bias of the gate; below zero the block begins by letting through.

    Raises:
        ValueError: kernel_size is even.

    Source: Srivastava et al., "Training Very Deep Networks", 2015, arXiv:1507.06228.

    >>> HighwayBlock(16)(torch.ones(1, 16, 9, 7)).shape
    torch.Size([1, 16, 9, 7])
    """

    def __init__(self, channels: int, kernel_size: int = 3, *, gate_bias: float = -1.0) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.gate_bias = gate_bias
        self.transform = Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.gate = Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.reset_gate()

    def reset_gate(self) -> None:
        """Give the gate its initial bias, again after another initialization of convolutions."""
        assert self.gate.bias is not None
        nn.init.constant_(self.gate.bias, self.gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.transform(x)) + (1 - gate) * x
