"""Auxiliary classifiers: they read features half-way, and shorten the way of the gradient."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class WithAuxiliary(nn.Module):
    """A network of named parts with classifiers behind some of them.

    In training it gives (logits, logits of each auxiliary classifier in order), otherwise the
    logits alone: the auxiliary classifiers are for the loss.

    >>> import torch
    >>> body = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    >>> net = WithAuxiliary(body, {"0": nn.Linear(4, 3)})
    >>> [tuple(logits.shape) for logits in net(torch.ones(2, 4))]
    [(2, 3), (2, 3)]
    >>> net.eval()(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(self, body: nn.Sequential, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleDict(heads)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Apply the network, and in training its auxiliary classifiers."""
        found = []
        for name, part in self.body.named_children():
            x = part(x)
            if self.training and name in self.heads:
                found.append(self.heads[name](x))
        return (x, *found) if self.training else x
