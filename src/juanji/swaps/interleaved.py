"""Interleaved group convolutions in place of ordinary ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from .base import from_conv
from .grouped import Grouped


@dataclass(frozen=True)
class Interleaved(Grouped):
    """Two grouped convolutions whose groups cross (Zhang et al., 2017, arXiv:1707.02725).

    `groups` is the number of primary groups, those of the kernel: L in the paper. The 1x1
    convolution behind it has C_out / L secondary groups, the paper's M, each of one channel out of
    every primary group. The weights are the best fit of the old one. With L = C_in = C_out this is
    the depthwise separable convolution.

    >>> import juanji, torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, bias=False))
    >>> thin = juanji.convert(model, Interleaved(4), torch.zeros(1, 8, 5, 5), where="*")
    >>> [tuple(weight.shape) for weight in thin[0].weights()]
    [(8, 2, 3, 3), (8, 4, 1, 1)]
    """

    name: ClassVar[str] = "interleaved"

    def build(self, layer: nn.Module) -> nn.Module:
        """Fit the weight by one product per pair of groups."""
        return from_conv("InterleavedGroupConv", layer, primary_groups=self.groups)
