"""Every composed convolution against torch's convolution with the dense weight written out here.

The dense weights are written from the papers, element by element or as one einsum; nothing of the
library is used for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from juanji import functional as F

TORCH_CONV = {
    1: torch_functional.conv1d,
    2: torch_functional.conv2d,
    3: torch_functional.conv3d,
}
AXES = "abc"
# odd, even and single kernels; strides, pairs of padding and dilations that all differ
GEOMETRY: dict[int, dict[str, Any]] = {
    1: {"kernel": (3,), "stride": 2, "padding": ((1, 2),), "dilation": (2,)},
    2: {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)},
    3: {
        "kernel": (2, 3, 1),
        "stride": (1, 2, 3),
        "padding": ((1, 1), (0, 2), (1, 0)),
        "dilation": (2, 1, 1),
    },
}
SIZES = {1: (9,), 2: (7, 8), 3: (5, 7, 6)}


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def ones(dimensions: int) -> tuple[int, ...]:
    return (1,) * dimensions


@dataclass
class Case:
    """An operator with weights, and the dense weight and bias it must amount to."""

    operator: Callable[..., Tensor]  # (input, *weights, bias, stride, padding, dilation)
    weights: list[Tensor]
    dense: Tensor
    in_channels: int
    bias: Tensor
    dense_bias: Tensor


def depthwise_separable(dimensions: int) -> Case:
    channels, multiplier, kernel = 3, 2, GEOMETRY[dimensions]["kernel"]
    depthwise = randn(channels * multiplier, 1, *kernel)
    pointwise = randn(5, channels * multiplier, *ones(dimensions))
    dense = torch.zeros(5, channels, *kernel, dtype=torch.float64)
    for o in range(5):
        for c in range(channels):
            for m in range(multiplier):
                row = c * multiplier + m
                dense[o, c] += pointwise[o, row].flatten() * depthwise[row, 0]
    bias = randn(5)
    return Case(F.depthwise_separable_conv, [depthwise, pointwise], dense, channels, bias, bias)


def block_diagonal(weight: Tensor, groups: int) -> Tensor:
    rows, columns = len(weight) // groups, weight.shape[1]
    dense = weight.new_zeros(len(weight), columns * groups, *weight.shape[2:])
    for o in range(len(weight)):
        start = o // rows * columns
        dense[o, start : start + columns] = weight[o]
    return dense


def spatially_separable(dimensions: int, groups: int = 1, reverse: bool = False) -> Case:
    kernel = GEOMETRY[dimensions]["kernel"]
    order = tuple(range(dimensions))[:: -1 if reverse else 1]
    channels = [4, 6, 2, 8][: dimensions + 1]
    weights, factors, terms = [], [], []
    for i, axis in enumerate(order):
        factor = randn(channels[i + 1], channels[i] // groups, kernel[axis])
        shape = list(ones(dimensions))
        shape[axis] = kernel[axis]
        weights.append(factor.reshape(*factor.shape[:2], *shape))
        factors.append(block_diagonal(factor, groups))
        terms.append("wxyz"[i + 1] + "wxyz"[i] + AXES[axis])
    dense = torch.einsum(f"{','.join(terms)}->{'wxyz'[dimensions]}w{AXES[:dimensions]}", *factors)
    bias = randn(channels[dimensions])

    def operator(x: Tensor, *arguments: Any) -> Tensor:
        *passes, added, stride, padding, dilation = arguments
        return F.spatially_separable_conv(
            x, passes, added, stride, padding, dilation, groups,
            order=order if reverse else None,
        )  # fmt: skip

    return Case(operator, weights, dense, channels[0], bias, bias)


def flattened(dimensions: int, groups: int = 1) -> Case:
    kernel = GEOMETRY[dimensions]["kernel"]
    lateral = randn(6, 4 // groups)
    filters = [randn(6, k) for k in kernel]
    dense = torch.einsum(
        ",".join(["oi", *("o" + AXES[i] for i in range(dimensions))]) + f"->oi{AXES[:dimensions]}",
        lateral,
        *filters,
    )
    weights = [lateral.reshape(6, -1, *ones(dimensions))]
    for axis, f in enumerate(filters):
        shape = list(ones(dimensions))
        shape[axis] = kernel[axis]
        weights.append(f.reshape(6, 1, *shape))
    bias = randn(6)

    def operator(x: Tensor, *arguments: Any) -> Tensor:
        first, *passes, added, stride, padding, dilation = arguments
        return F.flattened_conv(x, first, passes, added, stride, padding, dilation, groups)

    return Case(operator, weights, block_diagonal(dense, groups), 4, bias, bias)


def shuffled(dimensions: int) -> Case:
    groups, rows, columns = 3, 4, 2
    weight = randn(groups * rows, columns, *GEOMETRY[dimensions]["kernel"])
    bias = randn(groups * rows)
    dense = weight.new_zeros(groups * rows, groups * columns, *weight.shape[2:])
    dense_bias = torch.empty_like(bias)
    for g in range(groups):
        for i in range(rows):
            j = i * groups + g  # where channel i of group g is dealt to
            dense[j, g * columns : (g + 1) * columns] = weight[g * rows + i]
            dense_bias[j] = bias[g * rows + i]

    def operator(x: Tensor, *arguments: Any) -> Tensor:
        return F.shuffled_group_conv(x, *arguments, groups)

    return Case(operator, [weight], dense, groups * columns, bias, dense_bias)


def interleaved(
    dimensions: int, L: int = 2, M: int = 3, C_in: int = 6, shared: int = 1, each: int = 1
) -> Case:
    """L primary partitions, M secondary; `shared` channels between any two of them.

    `each` output channels belong to a pair of partitions. shared = each = 1 and C_in = L * M is
    the paper's form: primary partition l holds the channels (l, m), secondary partition m the same
    channels (l, m) seen across.
    """
    kernel = GEOMETRY[dimensions]["kernel"]
    primary = randn(L * M * shared, C_in // L, *kernel)
    secondary = randn(M * L * each, L * shared, *ones(dimensions))
    bias = randn(M * L * each)
    dense = torch.zeros(L * M * each, C_in, *kernel, dtype=torch.float64)
    dense_bias = torch.empty_like(bias)
    for m in range(M):
        for o in range(L * each):  # output o of secondary partition m
            row = m * L * each + o
            # permuted back: row = (index, l) becomes (l, index)
            final = row % L * (M * each) + row // L
            dense_bias[final] = bias[row]
            for p in range(L):
                for s in range(shared):
                    middle = p * M * shared + m * shared + s
                    columns = slice(p * C_in // L, (p + 1) * C_in // L)
                    dense[final, columns] += secondary[row, s * L + p].flatten() * primary[middle]

    def operator(x: Tensor, *arguments: Any) -> Tensor:
        return F.interleaved_group_conv(x, *arguments, primary_groups=L, secondary_groups=M)

    return Case(operator, [primary, secondary], dense, C_in, bias, dense_bias)


CASES: dict[str, Callable[[int], Case]] = {
    "depthwise separable": depthwise_separable,
    "spatially separable": spatially_separable,
    "spatially separable, last axis first": lambda d: spatially_separable(d, reverse=True),
    "spatially separable, groups": lambda d: spatially_separable(d, groups=2),
    "flattened": flattened,
    "flattened, groups": lambda d: flattened(d, groups=2),
    "shuffled": shuffled,
    "interleaved": interleaved,
    "interleaved, wider": lambda d: interleaved(d, L=3, M=2, C_in=9, shared=2, each=3),
}


@pytest.fixture(params=CASES.items(), ids=CASES.keys())
def make(request: pytest.FixtureRequest) -> Callable[[int], Case]:
    torch.manual_seed(0)
    case: Callable[[int], Case] = request.param[1]
    return case


def run(case: Case, x: Tensor, dimensions: int, padding: Any = None) -> Tensor:
    geometry = GEOMETRY[dimensions]
    return case.operator(
        x, *case.weights, case.bias, geometry["stride"],
        geometry["padding"] if padding is None else padding, geometry["dilation"],
    )  # fmt: skip


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_is_the_dense_convolution(make: Callable[[int], Case], dimensions: int) -> None:
    case, geometry = make(dimensions), GEOMETRY[dimensions]
    x = randn(2, case.in_channels, *SIZES[dimensions])
    padded = torch_functional.pad(x, [n for pair in geometry["padding"][::-1] for n in pair])
    expected = TORCH_CONV[dimensions](
        padded, case.dense, case.dense_bias, geometry["stride"], 0, geometry["dilation"]
    )
    torch.testing.assert_close(run(case, x, dimensions), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "full", "valid", 1])
def test_padding_is_that_of_the_whole(
    make: Callable[[int], Case], dimensions: int, padding: Any
) -> None:
    case, geometry = make(dimensions), GEOMETRY[dimensions]
    x = randn(1, case.in_channels, *SIZES[dimensions])
    expected = F.conv(
        x, case.dense, case.dense_bias, geometry["stride"], padding, geometry["dilation"]
    )
    actual = run(case, x, dimensions, padding)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_unbatched_and_empty_batch(make: Callable[[int], Case], dimensions: int) -> None:
    case = make(dimensions)
    x = randn(1, case.in_channels, *SIZES[dimensions])
    batched = run(case, x, dimensions)
    torch.testing.assert_close(run(case, x[0], dimensions), batched[0])
    assert run(case, x[:0], dimensions).shape == (0, *batched.shape[1:])


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_gradients(make: Callable[[int], Case], dimensions: int) -> None:
    case = make(dimensions)
    x = randn(1, case.in_channels, *SIZES[dimensions])
    tensors = [t.requires_grad_() for t in (x, *case.weights, case.bias)]

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        geometry = GEOMETRY[dimensions]
        return case.operator(
            x, *parameters, geometry["stride"], geometry["padding"], geometry["dilation"]
        )

    assert torch.autograd.gradcheck(function, tensors, fast_mode=True)


def in_layout(case: Case, dimensions: int, layout: torch.memory_format) -> Tensor:
    case.weights, case.bias = [weight.float() for weight in case.weights], case.bias.float()
    x = randn(2, case.in_channels, *SIZES[dimensions]).float()
    plain, last = run(case, x, dimensions), run(case, x.to(memory_format=layout), dimensions)
    assert plain.is_contiguous()
    torch.testing.assert_close(last, plain)
    return last


def test_channels_last_stays(make: Callable[[int], Case]) -> None:
    last = in_layout(make(2), 2, torch.channels_last)
    assert last.is_contiguous(memory_format=torch.channels_last)


# torch's own 3-D convolution gives up the layout for a 1 x 1 x 1 kernel: these have none
@pytest.mark.parametrize("name", ["spatially separable", "shuffled"])
def test_channels_last_stays_in_3d(name: str) -> None:
    torch.manual_seed(0)
    layout = torch.channels_last_3d
    last = in_layout(CASES[name](3), 3, layout)
    assert last.is_contiguous(memory_format=layout)


def test_other_views_of_the_input(make: Callable[[int], Case]) -> None:
    case = make(2)
    x = randn(case.in_channels, *SIZES[2][::-1]).transpose(-1, -2).expand(3, -1, -1, -1)
    expected = run(case, x.contiguous(), 2)
    torch.testing.assert_close(run(case, x, 2), expected, rtol=1e-10, atol=1e-10)


def test_kernel_larger_than_the_input_is_refused(make: Callable[[int], Case]) -> None:
    case = make(2)
    with pytest.raises(ValueError, match=r"kernel spans 3 cells.*input has 2"):
        run(case, randn(1, case.in_channels, 7, 2), 2, padding=((1, 0), (0, 0)))


def test_wrong_channels_and_dtypes_are_refused(make: Callable[[int], Case]) -> None:
    case = make(2)
    with pytest.raises(ValueError, match=r"channels|depthwise_weight"):
        run(case, randn(1, case.in_channels + 1, 9, 9), 2)
    with pytest.raises(TypeError, match="must have the dtype of input"):
        run(case, randn(1, case.in_channels, 9, 9).float(), 2)


def test_interleaved_with_one_channel_per_primary_group_is_depthwise_separable() -> None:
    """The paper's extreme case, Xception: L = C, M = 1."""
    x, depthwise, pointwise = randn(2, 5, 6, 7), randn(5, 1, 3, 3), randn(5, 5, 1, 1)
    separable = F.depthwise_separable_conv(x, depthwise, pointwise)
    interleaved = F.interleaved_group_conv(
        x, depthwise, pointwise, primary_groups=5, secondary_groups=1
    )
    torch.testing.assert_close(interleaved, separable, rtol=1e-10, atol=1e-10)
