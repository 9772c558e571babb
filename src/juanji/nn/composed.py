"""What the layers of several weights share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from .conv import ConvBase


class ComposedConv(ConvBase):
    """A layer whose weights, one convolution after the other, stand for one ordinary weight.

    A subclass creates its weights in `add_weights` and lists them in `weights`.
    """

    def weights(self) -> list[nn.Parameter]:
        """Return the weights in the order in which they are applied."""
        raise NotImplementedError

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        raise NotImplementedError

    def dense_bias(self) -> Tensor | None:
        """Return the bias of the ordinary convolution that the layer stands for."""
        return self.bias

    def reset_parameters(self) -> None:
        """Initialize so that the outputs have the variance that an ordinary layer's have.

        Weights are independent and of mean zero, so each multiplies the variance by its own times
        its fan-in: 1 for all but the last (uniform within sqrt(3 / fan_in)), 1/3 for the last, as
        for torch.nn's layer. The bias is uniform within 1 / sqrt(C_in / groups * cells of the
        kernel), as that layer's.
        """
        *first, last = self.weights()
        for weight in first:
            if weight.numel():
                nn.init.kaiming_uniform_(weight, nonlinearity="linear")
        if last.numel():
            nn.init.kaiming_uniform_(last, a=math.sqrt(5))
        fan_in = self.in_channels // self.groups * math.prod(self.kernel_size)
        if self.bias is not None and fan_in:
            bound = 1 / math.sqrt(fan_in)
            nn.init.uniform_(self.bias, -bound, bound)

    def load_fit(self, conv: nn.Module, weights: Sequence[Tensor]) -> Self:
        """Copy fitted weights, in the order of `weights`, and the bias and mode of `conv`."""
        trained: Any = conv
        with torch.no_grad():
            for own, fitted in zip(self.weights(), weights, strict=True):
                own.copy_(fitted)
            if self.bias is not None:
                self.bias.copy_(trained.bias)
        return self.train(conv.training)
