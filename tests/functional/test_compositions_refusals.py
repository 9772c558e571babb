"""Compositions refuse weights that do not belong together, before they compute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from juanji import functional as F

X = torch.zeros(1, 4, 6, 6)


def w(*shape: int) -> Tensor:
    return torch.zeros(shape)


REFUSED: dict[str, tuple[Callable[[], Tensor], str]] = {
    "depthwise: not a multiple": (
        lambda: F.depthwise_separable_conv(X, w(6, 1, 3, 3), w(2, 6, 1, 1)),
        r"depthwise_weight must have shape \(C_in \* multiplier, 1, \*kernel\).*got \(6, 1, 3, 3\)",
    ),
    "depthwise: two channels per filter": (
        lambda: F.depthwise_separable_conv(X, w(4, 2, 3, 3), w(2, 4, 1, 1)),
        r"got \(4, 2, 3, 3\)",
    ),
    "depthwise: no channels": (
        lambda: F.depthwise_separable_conv(X[:, :0], w(0, 1, 3, 3), w(2, 0, 1, 1)),
        "C_in at least 1",
    ),
    "pointwise: a kernel": (
        lambda: F.depthwise_separable_conv(X, w(4, 1, 3, 3), w(2, 4, 3, 1)),
        r"pointwise_weight must have shape \(2, 4, 1, 1\).*got \(2, 4, 3, 1\)",
    ),
    "spatial: too few weights": (
        lambda: F.spatially_separable_conv(X, [w(4, 4, 3, 1)]),
        r"one per spatial axis: 1 of them have 3 dimensions.*got weights\[0\]",
    ),
    "spatial: none": (lambda: F.spatially_separable_conv(X, []), "got none"),
    "spatial: kernel on the wrong axis": (
        lambda: F.spatially_separable_conv(X, [w(5, 4, 1, 3), w(2, 5, 3, 1)]),
        r"weights\[0\] must have shape \(5, 4, 1, 1\).*axis 0 alone",
    ),
    "spatial: passes that do not fit": (
        lambda: F.spatially_separable_conv(X, [w(5, 4, 3, 1), w(2, 4, 1, 3)]),
        r"weights\[1\] must have shape \(2, 5, 1, 3\)",
    ),
    "spatial: order": (
        lambda: F.spatially_separable_conv(X, [w(5, 4, 3, 1), w(2, 5, 1, 3)], order=(0, 0)),
        r"order must name each of the axes 0 to 1 once, got \(0, 0\)",
    ),
    "spatial: groups": (
        lambda: F.spatially_separable_conv(X, [w(5, 2, 3, 1), w(2, 2, 1, 3)], groups=2),
        r"groups must divide the channels of every pass, got 5",
    ),
    "spatial: groups 0": (
        lambda: F.spatially_separable_conv(X, [w(5, 4, 3, 1), w(2, 5, 1, 3)], groups=0),
        "groups must be at least 1",
    ),
    "flattened: too few": (
        lambda: F.flattened_conv(X, w(5, 4, 1, 1), [w(5, 1, 3, 1)]),
        "axis_weights must have one weight per spatial axis, got 1",
    ),
    "flattened: lateral kernel": (
        lambda: F.flattened_conv(X, w(5, 4, 3, 1), [w(5, 1, 3, 1), w(5, 1, 1, 3)]),
        r"lateral_weight must have shape \(5, 4, 1, 1\)",
    ),
    "flattened: swapped axes": (
        lambda: F.flattened_conv(X, w(5, 4, 1, 1), [w(5, 1, 1, 3), w(5, 1, 3, 1)]),
        r"axis_weights\[0\] must have shape \(5, 1, 1, 1\)",
    ),
    "flattened: nothing out": (
        lambda: F.flattened_conv(X, w(0, 4, 1, 1), [w(0, 1, 3, 1), w(0, 1, 1, 3)]),
        "at least 1 output channel",
    ),
    "shuffled: groups": (
        lambda: F.shuffled_group_conv(X, w(5, 2, 3, 3), groups=2),
        "groups must divide out_channels",
    ),
    "interleaved: middle": (
        lambda: F.interleaved_group_conv(
            X, w(4, 2, 3, 3), w(12, 1, 1, 1), primary_groups=2, secondary_groups=4
        ),
        r"primary_groups \* secondary_groups must divide the 4 channels.*got 2 \* 4",
    ),
    "interleaved: output": (
        lambda: F.interleaved_group_conv(
            X, w(4, 2, 3, 3), w(5, 2, 1, 1), primary_groups=2, secondary_groups=2
        ),
        "must each divide the 5 output channels, got 2 and 2",
    ),
    "interleaved: secondary": (
        lambda: F.interleaved_group_conv(
            X, w(4, 2, 3, 3), w(4, 1, 1, 1), primary_groups=2, secondary_groups=2
        ),
        r"secondary_weight must have shape \(4, 2, 1, 1\)",
    ),
    "interleaved: groups 0": (
        lambda: F.interleaved_group_conv(
            X, w(4, 2, 3, 3), w(4, 2, 1, 1), primary_groups=0, secondary_groups=2
        ),
        "must be at least 1, got 0 and 2",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
