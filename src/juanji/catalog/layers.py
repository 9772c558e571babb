"""What exists as a layer alone, or as a way to stack layers; called with explicit parameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from .. import functional as F
from .. import nn
from ..compositions.reference import in_a_row
from ..ops.conv import reference as conv_reference
from .compositions import CHANNELS_ARE_SECOND
from .record import THREADS, Case, Limit, Operator, maps, weight

SQUEEZE_EXCITE_LAYER = nn.SqueezeExcite(6, 3, device="meta")  # its parameters come with a case


def squeeze_excite(
    input: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor
) -> Tensor:
    """Apply the layer with the given parameters."""
    parameters = {
        "reduce.weight": reduce,
        "reduce.bias": reduce_bias,
        "expand.weight": expand,
        "expand.bias": expand_bias,
    }
    output: Tensor = functional_call(SQUEEZE_EXCITE_LAYER, parameters, (input,))
    return output


def squeeze_excite_reference(
    input: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor
) -> Tensor:
    """Channel means, two fully connected layers, a factor for every channel."""
    mean = torch.stack([torch.stack([channel.mean() for channel in maps]) for maps in input])
    hidden = (mean @ reduce.T + reduce_bias).clamp(min=0)
    gate = 1 / (1 + torch.exp(-(hidden @ expand.T + expand_bias)))
    return torch.stack(
        [
            torch.stack([a * channel for a, channel in zip(own, maps, strict=True)])
            for own, maps in zip(gate, input, strict=True)
        ]
    )


def _squeeze_excite(*spatial: int) -> Case:
    return Case(
        "reduction 3",
        {
            "input": maps(2, 6, *spatial),
            "reduce": weight(2, 6),
            "reduce_bias": weight(2),
            "expand": weight(6, 2),
            "expand_bias": weight(6),
        },
    )


SQUEEZE_EXCITE = Operator(
    name="squeeze and excitation",
    call=squeeze_excite,
    layer="SqueezeExcite",
    suffix=False,
    formula="y[c] = x[c] · sigmoid(W₂ · relu(W₁ · mean(x)))[c]",
    cost="2 · C²/reduction + C · I",
    source="Hu et al., 2018, arXiv:1709.01507",
    reference=squeeze_excite_reference,
    limits={"unbatched": Limit(CHANNELS_ARE_SECOND.reason, refused="input must have shape")},
    cases=(_squeeze_excite(4), _squeeze_excite(2, 3), _squeeze_excite(2, 1, 3)),
)


def stacked(input: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Convolve twice."""
    return F.conv(F.conv(input, first), second)


def stacked_reference(input: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Convolve once: the kernels' full convolution is the kernel of both."""
    reach = first.shape[2:]
    dense = conv_reference.conv(
        second, first.transpose(0, 1), padding=[k - 1 for k in reach], flip=True
    )
    return conv_reference.conv(input, dense)


STACKED = Operator(
    name="stacked 3 x 3 in place of 5 x 5",
    call=stacked,
    layer=None,
    formula="two layers of 3 x 3 see 5 x 5",
    cost="(3^d · C_in · C_mid + 3^d · C_mid · C_out) · O, in d dimensions",
    source="Simonyan, Zisserman, 2014, arXiv:1409.1556",
    reference=stacked_reference,
    linear=(("input",), ("first",), ("second",)),
    limits={"threads": THREADS},
    cases=(
        Case(
            "two of three taps",
            {"input": maps(2, 2, 7), "first": weight(3, 2, 3), "second": weight(2, 3, 3)},
        ),
        Case(
            "two of 3 x 3",
            {"input": maps(1, 2, 6, 5), "first": weight(3, 2, 3, 3), "second": weight(2, 3, 3, 3)},
        ),
        Case(
            "two of 3 x 3 x 3",
            {
                "input": maps(1, 1, 5, 5, 6),
                "first": weight(2, 1, 3, 3, 3),
                "second": weight(1, 2, 3, 3, 3),
            },
        ),
    ),
)

BOTTLENECK_LAYERS = {  # by the dimensions of maps; their parameters come with a case
    3: nn.BottleneckConv1d(4, 6, 3, 2, ((2, 1),), 2, reduction=3, device="meta"),
    4: nn.BottleneckConv2d(
        4, 6, (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), reduction=3, device="meta"
    ),
    5: nn.BottleneckConv3d(4, 6, (2, 3, 1), (1, 2, 3), "same", reduction=3, device="meta"),
}


def bottleneck(
    input: Tensor, reduce: Tensor, spatial: Tensor, expand: Tensor, bias: Tensor
) -> Tensor:
    """Apply the layer with the given parameters."""
    parameters = {
        "reduce_weight": reduce,
        "spatial_weight": spatial,
        "expand_weight": expand,
        "bias": bias,
    }
    output: Tensor = functional_call(BOTTLENECK_LAYERS[spatial.ndim], parameters, (input,))
    return output


def bottleneck_reference(
    input: Tensor, reduce: Tensor, spatial: Tensor, expand: Tensor, bias: Tensor
) -> Tensor:
    """Multiply the three weights."""
    layer = BOTTLENECK_LAYERS[spatial.ndim]
    dense = in_a_row(expand, in_a_row(spatial, reduce))
    return conv_reference.conv(input, dense, bias, layer.stride, layer.padding, layer.dilation)


def _bottleneck(size: tuple[int, ...], kernel: tuple[int, ...]) -> Case:
    ones = (1,) * len(size)
    return Case(
        "reduction 3",
        {
            "input": maps(2, 4, *size),
            "reduce": weight(2, 4, *ones),
            "spatial": weight(2, 2, *kernel),
            "expand": weight(6, 2, *ones),
            "bias": weight(6),
        },
    )


BOTTLENECK = Operator(
    name="bottleneck convolution",
    call=bottleneck,
    layer="BottleneckConv",
    formula="1 x 1 to M channels, the kernel on these, 1 x 1 to C_out channels",
    cost="M · C_in · I + M² · K · O + C_out · M · O",
    source="He et al., 2015, arXiv:1512.03385",
    reference=bottleneck_reference,
    limits={"threads": THREADS},
    cases=(
        _bottleneck((8,), (3,)),
        _bottleneck((5, 6), (3, 2)),
        _bottleneck((2, 3, 4), (2, 3, 1)),
    ),
)

OPERATORS = (SQUEEZE_EXCITE, STACKED, BOTTLENECK)
