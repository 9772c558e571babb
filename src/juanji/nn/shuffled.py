"""Channel shuffle and shuffled grouped convolution as layers."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from .. import functional as F
from .. import interop
from ..compositions import shuffled
from .conv import ConvBase, diagonal_blocks
from .fit import require_dense, trained_weight


class ChannelShuffle(nn.Module):
    """Deal the channels of each group out to all groups; see `juanji.functional.channel_shuffle`.

    Shapes: (N, C, *spatial) to the same, any number of spatial axes.

    Raises:
        ValueError: groups is below 1, or does not divide the channels of an input.

    >>> import torch
    >>> ChannelShuffle(2)(torch.arange(6).view(1, 6))
    tensor([[0, 3, 1, 4, 2, 5]])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f"groups must be at least 1, got {groups}")
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Shuffle the channels of `input`."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does."""
        return f"groups={self.groups}"


class ShuffledGroupConv(ConvBase):
    """Grouped convolution, then a shuffle of its output channels over the groups.

    Shapes: (N, C_in, *spatial) or (C_in, *spatial) to the same with C_out channels. Arguments,
    weights, state dict and initialization are those of torch.nn's grouped convolution.

    Source: Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083.

    >>> import torch
    >>> ShuffledGroupConv2d(4, 8, 3, padding=1, groups=4)(torch.randn(1, 4, 7, 9)).shape
    torch.Size([1, 8, 7, 9])
    """

    @classmethod
    def from_conv(cls, conv: nn.Module, *, groups: int) -> Self:
        """Build the layer from a trained convolution: every output channel keeps its own weights.

        Output channel j of the layer lies in group j % groups; it keeps those weights of output
        channel j of `conv` that read this group's input channels, and its bias.

        Raises:
            TypeError: not a convolution.
            ValueError: `conv` has groups already, or `groups` does not divide its channels.
        """
        require_dense(conv)
        layer = cls(**interop.conv_arguments(conv) | {"groups": groups})

        def unshuffle(rows: Tensor) -> Tensor:
            return shuffled.shuffle(rows, len(rows) // groups, dim=0)

        state = {"weight": diagonal_blocks(unshuffle(trained_weight(conv)), groups)}
        if layer.bias is not None:
            state["bias"] = unshuffle(conv.state_dict()["bias"])
        layer.load_state_dict(state)
        return layer.train(conv.training)

    def dense_weight(self) -> Tensor:
        """Return the ordinary weight (C_out, C_in, *kernel) that the layer stands for."""
        return shuffled.dense_weight(self.weight, self.groups)

    def dense_bias(self) -> Tensor | None:
        """Return the bias of the ordinary convolution that the layer stands for."""
        return None if self.bias is None else shuffled.shuffle(self.bias, self.groups, dim=0)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input` and shuffle the channels."""
        return F.shuffled_group_conv(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class ShuffledGroupConv1d(ShuffledGroupConv):
    """`ShuffledGroupConv` on (N, C, length)."""

    dimensions = 1


class ShuffledGroupConv2d(ShuffledGroupConv):
    """`ShuffledGroupConv` on (N, C, height, width)."""

    dimensions = 2


class ShuffledGroupConv3d(ShuffledGroupConv):
    """`ShuffledGroupConv` on (N, C, depth, height, width)."""

    dimensions = 3
