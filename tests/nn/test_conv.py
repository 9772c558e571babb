"""`Conv` and `ConvTranspose` against torch.nn: weights, outputs, initialization, messages."""

# One refusal a line, with its message: these lines may be long.
# ruff: noqa: E501
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn as torch_nn

from juanji import functional as F
from juanji import interop, nn
from juanji.spec import Conv as ConvSpec
from juanji.spec import Window

OURS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
THEIRS = {1: torch_nn.Conv1d, 2: torch_nn.Conv2d, 3: torch_nn.Conv3d}
OURS_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
THEIRS_TRANSPOSED = {
    1: torch_nn.ConvTranspose1d,
    2: torch_nn.ConvTranspose2d,
    3: torch_nn.ConvTranspose3d,
}
SIZE = (7, 6, 5)

ARGUMENTS: list[tuple[int, dict[str, Any]]] = [
    (1, {"kernel_size": 3}),
    (1, {"kernel_size": (2,), "stride": 2, "padding": 1, "groups": 2}),
    (2, {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    (2, {"kernel_size": 3, "padding": "same", "dilation": 2, "bias": False}),
    (2, {"kernel_size": 3, "padding": "valid", "groups": 4}),
    (3, {"kernel_size": (1, 2, 3), "padding": (0, 1, 1), "groups": 2}),
]


def whole_numbers(*shape: int) -> Tensor:
    return torch.randint(-4, 5, shape).float()


def with_whole_numbers(layer: Any) -> Any:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(whole_numbers(*parameter.shape))
    return layer


@pytest.mark.parametrize(("dimensions", "arguments"), ARGUMENTS)
def test_conv_is_torchs_bitwise(dimensions: int, arguments: dict[str, Any]) -> None:
    """Same arguments and seed: same parameters; same state dict: same output.

    Kernels sum in orders of their own; sums of whole numbers are exact in any.
    """
    torch.manual_seed(3)
    theirs = THEIRS[dimensions](4, 8, **arguments)
    torch.manual_seed(3)
    ours = OURS[dimensions](4, 8, **arguments)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)
    other = with_whole_numbers(THEIRS[dimensions](4, 8, **arguments))
    ours.load_state_dict(other.state_dict())
    batch = whole_numbers(2, 4, *SIZE[:dimensions])
    assert torch.equal(ours(batch), other(batch))
    assert torch.equal(ours(batch[0]), other(batch[0]))
    theirs.load_state_dict(ours.state_dict())  # and back
    assert torch.equal(theirs(batch), ours(batch))


@pytest.mark.parametrize(
    ("dimensions", "arguments"),
    [
        (1, {"kernel_size": 3}),
        (1, {"kernel_size": 4, "stride": 3, "padding": 1, "output_padding": 2, "groups": 2}),
        (2, {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "bias": False}),
        (2, {"kernel_size": 2, "dilation": (2, 3), "output_padding": (1, 2)}),
        (3, {"kernel_size": (1, 2, 3), "stride": 2, "groups": 4}),
    ],
)
def test_conv_transpose_is_torchs_bitwise(dimensions: int, arguments: dict[str, Any]) -> None:
    torch.manual_seed(3)
    theirs = THEIRS_TRANSPOSED[dimensions](4, 8, **arguments)
    torch.manual_seed(3)
    ours = OURS_TRANSPOSED[dimensions](4, 8, **arguments)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)
    with_whole_numbers(theirs)
    ours.load_state_dict(theirs.state_dict())
    batch = whole_numbers(2, 4, *SIZE[:dimensions])
    assert torch.equal(ours(batch), theirs(batch))
    assert torch.equal(ours(batch[0]), theirs(batch[0]))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("padding", [2, "same", 0])
def test_padding_modes_are_torchs(mode: str, dimensions: int, padding: Any) -> None:
    arguments = {"kernel_size": 3, "padding": padding, "dilation": 2, "padding_mode": mode}
    theirs = THEIRS[dimensions](2, 4, **arguments)
    ours = OURS[dimensions](2, 4, **arguments)
    ours.load_state_dict(theirs.state_dict())
    batch = torch.randn(2, 2, *SIZE[:dimensions])
    assert torch.equal(ours(batch), theirs(batch))
    assert torch.equal(ours(batch[0]), theirs(batch[0]))


def test_padding_modes_with_what_torch_lacks() -> None:
    """Pairs, and "same" with a stride: as if the input had been padded before."""
    x = torch.randn(2, 3, 6, 5)
    layer = nn.Conv2d(3, 4, (2, 3), padding=((1, 0), (2, 1)), padding_mode="reflect")
    padded = torch.nn.functional.pad(x, (2, 1, 1, 0), mode="reflect")
    assert torch.equal(layer(x), F.conv(padded, layer.weight, layer.bias))
    layer = nn.Conv2d(3, 4, 3, stride=2, padding="same", padding_mode="circular")
    padded = torch.nn.functional.pad(x, (1, 1, 0, 1), mode="circular")
    assert torch.equal(layer(x), F.conv(padded, layer.weight, layer.bias, stride=2))


def test_modes_and_flip_reach_the_operator() -> None:
    x = torch.randn(1, 2, 6, 5)
    for padding in ("same", "full", ((1, 2), 0)):
        layer = nn.Conv2d(2, 4, (3, 2), stride=2, padding=padding, flip=True)
        expected = F.conv(x, layer.weight, layer.bias, 2, padding, flip=True)
        assert torch.equal(layer(x), expected)
    cut = nn.ConvTranspose2d(2, 4, 3, padding=((1, 0), (0, 2)))
    expected = F.conv_transpose(x, cut.weight, cut.bias, padding=((1, 0), (0, 2)))
    assert torch.equal(cut(x), expected)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_from_conv_keeps_everything(dimensions: int) -> None:
    theirs = with_whole_numbers(
        THEIRS[dimensions](4, 8, 3, stride=2, padding=1, groups=2, dtype=torch.float64).eval()
    )
    ours = OURS[dimensions].from_conv(theirs)
    x = whole_numbers(2, 4, *SIZE[:dimensions]).double()
    assert torch.equal(ours(x), theirs(x))
    assert not ours.training
    assert ours.weight is not theirs.weight
    again = OURS[dimensions].from_conv(ours)
    assert torch.equal(again(x), theirs(x))


def test_from_conv_with_groups_keeps_the_diagonal_blocks() -> None:
    dense = torch_nn.Conv2d(6, 9, (3, 2), padding=1)
    grouped = nn.Conv2d.from_conv(dense, groups=3)
    assert grouped.weight.shape == (9, 2, 3, 2)
    x = torch.randn(2, 6, 5, 5)
    block_diagonal = copy.deepcopy(dense)
    with torch.no_grad():
        for row in range(9):
            for column in range(6):
                if row // 3 != column // 2:
                    block_diagonal.weight[row, column] = 0
    torch.testing.assert_close(grouped(x), block_diagonal(x))
    assert torch.equal(nn.Conv2d.from_conv(dense, groups=1)(x), dense(x))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.Conv2d(4, 8, 0), ValueError, "kernel must be at least 1"),
        (lambda: nn.Conv2d(4, 8, (3,)), ValueError, "kernel_size must be an int or have one value per axis (2), got 1 values"),
        (lambda: nn.Conv2d(4, 8, 2**40), ValueError, "kernel must be at least 1 and below 2**31"),
        (lambda: nn.Conv2d(4, 8, 3, stride=-1), ValueError, "stride must be at least 1"),
        (lambda: nn.Conv2d(4, 8, 3, groups=3), ValueError, "groups must divide in_channels: 4 % 3 != 0"),
        (lambda: nn.Conv2d(4, 8, 3, groups=0), ValueError, "groups must be at least 1, got 0"),
        (lambda: nn.Conv2d(-4, 8, 3), ValueError, "in_channels must be at least 0, got -4"),
        (lambda: nn.Conv2d(4, 8, 3, padding="mirror"), ValueError, "got 'mirror'"),
        (lambda: nn.Conv2d(4, 8, 3, padding_mode="mirror"), ValueError, "padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', got 'mirror'"),
        (lambda: nn.ConvTranspose2d(4, 8, 3, padding="same")(torch.zeros(1, 4, 5, 5)), ValueError, "padding of a transposed convolution must be numbers"),
        (lambda: nn.ConvTranspose2d(4, 8, 3, output_padding=1), ValueError, "output_padding must be at least 0 and below the stride"),
        (lambda: nn.Conv2d(4, 8, 3)(torch.zeros(1, 3, 5, 5)), ValueError, "input must have 4 channels, got 3"),
        (lambda: nn.Conv2d(4, 8, 3)(torch.zeros(1, 4, 5)), ValueError, "input must have 4 channels, got 1"),
        (lambda: nn.Conv2d.from_conv(torch_nn.Linear(3, 3)), TypeError, "conv must be a convolution of torch.nn or juanji.nn"),
        (lambda: nn.Conv2d.from_conv(torch_nn.ConvTranspose2d(3, 3, 3)), TypeError, "conv must be a convolution"),
        (lambda: nn.Conv2d.from_conv(nn.ConvTranspose2d(3, 3, 3)), TypeError, "conv must be a convolution"),
        (lambda: nn.Conv2d.from_conv(torch_nn.Conv2d(4, 4, 3, padding_mode="reflect")), ValueError, "got 'reflect'"),
        (lambda: nn.Conv2d.from_conv(nn.Conv2d(4, 4, 3, flip=True)), ValueError, "conv must have flip=False, got flip=True"),
        (lambda: nn.Conv2d.from_conv(torch_nn.Conv2d(4, 4, 3, groups=2), groups=4), ValueError, "conv must have groups=1, got groups=2"),
        (lambda: nn.Conv2d.from_conv(torch_nn.Conv2d(4, 4, 3), groups=3), ValueError, "groups must divide"),
    ],
)  # fmt: skip
def test_bad_arguments_are_told(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        build()
    assert message in str(caught.value)


def test_without_input_channels_the_bias_is_initialized() -> None:
    """Uninitialized memory may hold NaN."""
    layer = nn.Conv2d(0, 4, 3)
    assert torch.equal(layer(torch.zeros(1, 0, 5, 5)), torch.zeros(1, 4, 3, 3))
    assert nn.Conv2d(4, 0, 3)(torch.zeros(1, 4, 5, 5)).shape == (1, 0, 3, 3)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(4, 8, 3), "Conv2d(4, 8, kernel_size=(3, 3))"),
        (nn.Conv2d(4, 8, 3, 1, 0, 1, 1, False), "Conv2d(4, 8, kernel_size=(3, 3), bias=False)"),
        (
            nn.Conv1d(4, 8, 3, 2, "same", groups=2, flip=True, padding_mode="circular"),
            "Conv1d(4, 8, kernel_size=(3,), stride=(2,), padding=same, groups=2, "
            "padding_mode=circular, flip=True)",
        ),
        (
            nn.ConvTranspose1d(4, 8, 3, 2, 1, dilation=2),
            "ConvTranspose1d(4, 8, kernel_size=(3,), stride=(2,), padding=1, dilation=(2,))",
        ),
    ],
)
def test_layers_show_their_arguments(layer: torch_nn.Module, text: str) -> None:
    assert repr(layer) == text


def test_layers_copy_move_and_train() -> None:
    layer = copy.deepcopy(nn.Conv2d(2, 3, 3, device="meta", dtype=torch.float64))
    assert (layer.weight.device.type, layer.weight.dtype) == ("meta", torch.float64)
    layer = nn.Conv2d(2, 3, 3)
    optimizer = torch.optim.SGD(layer.parameters(), 0.01)
    x, losses = torch.randn(4, 2, 6, 6), []
    for _ in range(20):
        loss = (layer(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


# interop


@pytest.mark.parametrize(("dimensions", "arguments"), ARGUMENTS)
def test_specifications_of_their_layers_and_ours_are_equal(
    dimensions: int, arguments: dict[str, Any]
) -> None:
    theirs, ours = (kind[dimensions](4, 8, **arguments) for kind in (THEIRS, OURS))
    assert interop.conv_spec(theirs) == interop.conv_spec(ours) == ours.spec()
    assert interop.conv_arguments(theirs).keys() == interop.conv_arguments(ours).keys()


def test_specification_of_a_transposed_layer() -> None:
    expected = ConvSpec((Window(3, 2, 1, (1, 1)),), 4, 6, 2, transposed=True, output_padding=(1,))
    arguments = (4, 6, 3, 2, 1, 1, 2)
    assert interop.conv_spec(torch_nn.ConvTranspose1d(*arguments)) == expected
    assert interop.conv_spec(nn.ConvTranspose1d(*arguments)) == expected
    assert interop.conv_spec(nn.Conv1d(4, 6, 3, flip=True)).flip


def test_what_counts_as_a_convolution() -> None:
    layers: list[tuple[torch_nn.Module, bool, bool]] = [
        (torch_nn.Conv2d(4, 4, 3), True, False),
        (nn.Conv2d(4, 4, 3), True, False),
        (torch_nn.ConvTranspose2d(4, 4, 3), False, True),
        (nn.ConvTranspose2d(4, 4, 3), False, True),
        (torch_nn.Linear(4, 4), False, False),
        (nn.OctaveConv2d(4, 4, 3, alpha_in=0.5, alpha_out=0.5), False, False),
    ]
    for layer, conv, transposed in layers:
        assert interop.is_conv(layer) == conv
        assert interop.is_transposed(layer) == transposed


@pytest.mark.parametrize("dynamic", [False, True])
def test_layers_compile_without_graph_breaks(dynamic: bool) -> None:
    torch.compiler.reset()
    net = torch_nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding="same", padding_mode="reflect"),
        torch_nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 4, stride=2, padding=((1, 2), 1)),
    )
    compiled = torch.compile(net, fullgraph=True, backend="eager", dynamic=dynamic)
    for size in (8, 11):
        x: Tensor = torch.randn(2, 2, size, 9)
        torch.testing.assert_close(compiled(x), net(x))


def test_a_transposed_layer_takes_output_size_as_torchs() -> None:
    theirs = torch.nn.ConvTranspose2d(3, 4, 3, stride=(2, 3), padding=1)
    ours = nn.ConvTranspose2d(3, 4, 3, stride=(2, 3), padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 5, 4)
    for size in ((9, 10), (10, 12), (9, 11)):
        assert torch.equal(ours(x, size), theirs(x, size))
    with pytest.raises(ValueError, match="output_padding must be at least 0"):
        ours(x, (8, 10))
    padded = nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1)
    assert "output_padding=(1,)" in repr(padded)
