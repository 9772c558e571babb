"""Octave convolution: its definition, its geometry, and what it refuses."""

# One refusal a line, with its message: these lines may be long.
# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from juanji import functional as F
from juanji.ops.octave import OctavePair, low_channels, reference
from juanji.ops.octave.resample import pool, upsample

ALPHA = st.sampled_from([0, 0.25, 0.5, 0.75, 1])


def whole(*shape: int, seed: int = 0) -> Tensor:
    """Return small whole numbers: sums of them are exact, and averages over 2 to 8 cells too."""
    generator = torch.Generator().manual_seed(seed)
    return 8.0 * torch.randint(-4, 5, shape, generator=generator).double()


def cut(channels: int, alpha: Any, *spatial: int, seed: int = 0) -> OctavePair:
    """Return a random pair whose halves know nothing of each other."""
    low = low_channels(alpha, channels)
    half = [-(-n // 2) for n in spatial]
    return OctavePair(
        whole(2, channels - low, *spatial, seed=seed) if low < channels else None,
        whole(2, low, *half, seed=seed + 1) if low else None,
        size=spatial,
    )


def convolve(
    pair: OctavePair, weight: Tensor, bias: Tensor | None = None, **call: Any
) -> OctavePair:
    return F.octave_conv(*pair, weight, bias, size=pair.spatial, **call)


# Alpha


@pytest.mark.parametrize(
    ("alpha", "channels", "low"),
    [
        (0.1, 10, 1), (0.29, 100, 29), (0.57, 100, 57), (0.7, 10, 7), (0.1, 9, 0), (1 / 3, 3, 0),
        (Fraction(1, 3), 3, 1), (Decimal("0.29"), 100, 29), ("0.29", 100, 29), ("1/3", 3, 1),
        (0, 8, 0), (1, 7, 7), (1.0, 7, 7), (1e-3, 1000, 1), (0.5, 5, 2), (0.5, 0, 0),
    ],
)  # fmt: skip
def test_low_channels_are_exact_for_alpha_as_written(alpha: Any, channels: int, low: int) -> None:
    assert low_channels(alpha, channels) == low


@given(st.integers(0, 100), st.integers(0, 300))
def test_low_channels_of_percentages(percent: int, channels: int) -> None:
    assert low_channels(percent / 100, channels) == percent * channels // 100


@pytest.mark.parametrize(
    "alpha", [-0.1, 1.0001, float("nan"), float("inf"), "half", "", "1/0", None, True, [0.5]]
)
def test_alpha_outside_of_its_range_is_told(alpha: Any) -> None:
    message = rf"must be a number in \[0, 1\], got {alpha!r}".replace("[0.5]", r"\[0.5\]")
    with pytest.raises(ValueError, match="alpha " + message):
        F.octave_split(torch.zeros(1, 4, 4), alpha)
    for name in ("alpha_in", "alpha_out"):
        call = {"alpha_in": 0, "alpha_out": 0} | {name: alpha}
        with pytest.raises(ValueError, match=f"{name} {message}"):
            F.octave_conv(torch.zeros(1, 4, 4), None, torch.zeros(4, 4, 1), **call)


# Split and merge


@pytest.mark.parametrize("spatial", [(6,), (5,), (1,), (5, 8), (7, 1), (3, 4, 5)])
@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 1])
def test_split_keeps_high_channels_and_averages_the_cells_of_low_ones(
    spatial: tuple[int, ...], alpha: float
) -> None:
    x = whole(2, 8, *spatial)
    pair = F.octave_split(x, alpha)
    merged, high = F.octave_merge(pair), 8 - low_channels(alpha, 8)
    expected = x[:, high:]
    for dimension, n in enumerate(spatial, start=2):
        expected = reference.up(reference.down(expected, dimension), dimension, n)
    assert torch.equal(merged, torch.cat([x[:, :high], expected], dim=1))
    again = F.octave_split(merged, alpha)  # low is constant on blocks now: nothing more is lost
    assert torch.equal(F.octave_merge(again), merged)
    assert (pair.high is None, pair.low is None) == (alpha == 1, alpha == 0)
    assert torch.equal(F.octave_merge(*pair), merged) or alpha == 1  # then the size is not known


def test_split_of_no_channels_and_no_images() -> None:
    assert F.octave_split(torch.zeros(2, 0, 5), 0.5).shape == (2, 0, 5)
    high, low = F.octave_split(torch.zeros(0, 4, 5, 5), 0.5)
    assert high is not None
    assert low is not None
    assert (high.shape, low.shape) == ((0, 2, 5, 5), (0, 2, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.octave_split(torch.zeros(3, 4), 0.5), ValueError, "x must have shape (N, C, *spatial), got (3, 4)"),
        (lambda: F.octave_split(torch.zeros(1, 4, 4).int(), 0.5), TypeError, "x must be floating-point, got torch.int32"),
        (lambda: F.octave_merge(None), ValueError, "high and low are both None"),
        (lambda: F.octave_merge(torch.zeros(1, 1, 5), torch.zeros(1, 1, 2)), ValueError, "low must have spatial size (3,), half of (5,) rounded up, got (2,)"),
        (lambda: F.octave_merge(torch.zeros(2, 1, 4), torch.zeros(3, 1, 2)), ValueError, "high and low must have one batch size, got 2 and 3"),
    ],
)  # fmt: skip
def test_bad_maps_are_told(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("factors", [(2, 2), (1, 3), (4, 2)])
@pytest.mark.parametrize("spatial", [(1, 1), (3, 5), (8, 2)])
def test_blocks_at_the_border_average_the_cells_they_have(
    factors: tuple[int, int], spatial: tuple[int, int]
) -> None:
    x = torch.rand(1, 2, *spatial, dtype=torch.float64)
    pooled = pool(x, factors)
    assert pooled.shape[2:] == tuple(-(-n // f) for n, f in zip(spatial, factors, strict=True))
    rows, columns = (range(0, n, f) for n, f in zip(spatial, factors, strict=True))
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            block = x[..., r : r + factors[0], c : c + factors[1]].mean((2, 3))
            torch.testing.assert_close(pooled[..., i, j], block)
    assert torch.equal(upsample(pooled, (1, 1), pooled.shape[2:]), pooled)


# The definition


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Octave convolutions with every argument, on sizes of any parity."""
    dimensions = draw(st.integers(1, 3))
    top = 7 if dimensions < 3 else 4
    numbers = st.tuples(*(st.tuples(st.integers(0, 3), st.integers(0, 3)),) * dimensions)
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dimensions))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(dimensions))
    padding = draw(numbers | st.sampled_from(["valid", "same", "full"]))
    spatial = []
    for axis, (k, d) in enumerate(zip(kernel, dilation, strict=True)):
        pads = 0 if isinstance(padding, str) else sum(padding[axis])
        smallest = 1 if padding in ("same", "full") else max(1, d * (k - 1) + 1 - pads)
        spatial.append(smallest + draw(st.integers(0, top)))
    return {
        "spatial": tuple(spatial),
        "kernel": kernel,
        "groups": draw(st.sampled_from([1, 1, 2])),
        "alpha_in": draw(ALPHA),
        "alpha_out": draw(ALPHA),
        "call": {
            "stride": tuple(draw(st.integers(1, 4)) for _ in range(dimensions)),
            "padding": padding,
            "dilation": dilation,
            "downsample": draw(st.sampled_from(["pool", "stride"])),
        },
    }


def build(case: dict[str, Any]) -> tuple[OctavePair, Tensor, Tensor, dict[str, Any]]:
    pair = cut(8, case["alpha_in"], *case["spatial"])
    weight = whole(8, 8 // case["groups"], *case["kernel"], seed=3)
    alphas = {"alpha_in": case["alpha_in"], "alpha_out": case["alpha_out"]}
    return pair, weight, whole(8, seed=4), case["call"] | alphas | {"groups": case["groups"]}


def plain(call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the ordinary convolution."""
    return {name: call[name] for name in ("stride", "padding", "dilation", "groups")}


@settings(max_examples=150)
@given(cases())
def test_operator_equals_reference(case: dict[str, Any]) -> None:
    pair, weight, bias, call = build(case)
    ours = convolve(pair, weight, bias, **call)
    theirs = reference.octave_conv(*pair, weight, bias, size=pair.spatial, **call)
    torch.testing.assert_close(tuple(ours), theirs, rtol=1e-12, atol=1e-9)


@settings(max_examples=20)
@given(cases())
def test_gradients_of_the_operator_equal_those_of_the_reference(case: dict[str, Any]) -> None:
    pair, weight, bias, call = build(case)
    operands = [x.requires_grad_() for x in (*pair, weight, bias) if x is not None]
    outputs = (
        convolve(pair, weight, bias, **call),
        reference.octave_conv(*pair, weight, bias, size=pair.spatial, **call),
    )
    ours, theirs = (
        torch.autograd.grad(
            sum(half.square().sum() for half in output if half is not None),  # type: ignore[arg-type]
            operands,
            materialize_grads=True,
        )
        for output in outputs
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-6)


@settings(max_examples=150)
@given(cases())
def test_the_size_is_that_of_the_ordinary_convolution(case: dict[str, Any]) -> None:
    pair, weight, bias, call = build(case)
    output = convolve(pair, weight, bias, **call)
    expected = F.conv(pair.merge(), weight, bias, **plain(call)).shape
    assert output.shape == output.merge().shape == expected
    low = low_channels(case["alpha_out"], 8)
    assert output.parts == ((8 - low, low),)
    if output.low is not None:
        assert tuple(output.low.shape[2:]) == tuple(-(-n // 2) for n in expected[2:])


@settings(max_examples=60)
@given(cases())
def test_alpha_0_at_both_ends_is_the_ordinary_convolution_bitwise(case: dict[str, Any]) -> None:
    _, weight, bias, call = build(case)
    torch.manual_seed(0)
    x = torch.randn(2, 8, *case["spatial"], dtype=torch.float64)
    high, low = F.octave_conv(x, None, weight, bias, **call | {"alpha_in": 0, "alpha_out": 0})
    assert low is None
    assert torch.equal(high, F.conv(x, weight, bias, **plain(call)))


@settings(max_examples=60)
@given(cases())
def test_linear_in_the_pair_and_in_the_weight(case: dict[str, Any]) -> None:
    pair, weight, _, call = build(case)
    other = cut(8, case["alpha_in"], *case["spatial"], seed=20)

    def value(p: OctavePair, w: Tensor) -> Tensor:
        return convolve(p, w, **call).merge()

    mixed = pair * 2.0 + other
    scale = {"rtol": 1e-12, "atol": 1e-9}
    torch.testing.assert_close(
        value(mixed, weight), 2 * value(pair, weight) + value(other, weight), **scale
    )
    torch.testing.assert_close(
        value(pair, weight + weight.flip(0)), value(pair, weight) + value(pair, weight.flip(0)),
        **scale,
    )  # fmt: skip


@settings(max_examples=60)
@given(cases())
def test_grouped_equals_dense_with_the_blocks_written_out(case: dict[str, Any]) -> None:
    """Each path has its own groups: block g of its outputs sees block g of its inputs."""
    case = case | {"groups": 2}
    pair, weight, bias, call = build(case)
    low_in, low_out = (low_channels(case[name], 8) for name in ("alpha_in", "alpha_out"))
    dense = torch.zeros(8, 8, *case["kernel"], dtype=torch.float64)
    high_in, high_out = 8 - low_in, 8 - low_out
    for row in range(8):
        rows, at = (high_out, row) if row < high_out else (low_out, row - high_out)
        group = at // (rows // 2)
        for half, start, first in ((high_in, 0, 0), (low_in, high_in, high_in // 2)):
            columns = slice(start + group * (half // 2), start + (group + 1) * (half // 2))
            dense[row, columns] = weight[row, first : first + half // 2]
    grouped = convolve(pair, weight, bias, **call).merge()
    blocks = convolve(pair, dense, bias, **call | {"groups": 1}).merge()
    torch.testing.assert_close(grouped, blocks)


@settings(max_examples=60)
@given(cases(), st.integers(1, 2))
def test_depthwise_convolves_each_half_alone(case: dict[str, Any], multiplier: int) -> None:
    pair = cut(8, case["alpha_in"], *case["spatial"])
    weight = whole(8 * multiplier, 1, *case["kernel"], seed=5)
    call = case["call"] | {"alpha_in": case["alpha_in"], "alpha_out": case["alpha_in"]}
    output = convolve(pair, weight, groups=8, **call)
    plain_map = pair.merge()
    assert output.shape == F.conv(plain_map, weight, **plain(call | {"groups": 8})).shape
    # a change of one input channel changes its own outputs alone
    channel = 8 - low_channels(case["alpha_in"], 8)  # the first low one, if there is one
    if pair.low is not None:
        pair.low[:, 0] += 8
        changed = (convolve(pair, weight, groups=8, **call).merge() - output.merge()) != 0
        others = [c for c in range(8 * multiplier) if c // multiplier != channel]
        assert not changed[:, others].any()
    if pair.high is not None and case["call"]["downsample"] == "stride":
        high = pair.high.shape[1]
        expected = F.conv(pair.high, weight[: high * multiplier], **plain(call | {"groups": high}))
        assert torch.equal(output.high, expected)  # type: ignore[arg-type]


# Geometry


@pytest.mark.parametrize("spatial", [(8,), (6, 7), (4, 5, 3)])
@pytest.mark.parametrize("call", [{}, {"dilation": 2}, {"groups": 2}])
def test_low_to_low_is_the_ordinary_convolution_of_the_low_map(
    spatial: tuple[int, ...], call: dict[str, Any]
) -> None:
    pair = cut(4, 1, *spatial)
    weight = whole(4, 4 // call.get("groups", 1), *(3,) * len(spatial), seed=3)
    _, low = convolve(pair, weight, alpha_in=1, alpha_out=1, padding="same", **call)
    assert pair.low is not None
    assert torch.equal(low, F.conv(pair.low, weight, padding="same", **call))


@pytest.mark.parametrize("stride", [2, (2, 1), (1, 4), 3])
def test_a_pooled_stride_is_a_convolution_of_the_average(stride: Any) -> None:
    """With "same" padding of an odd kernel, every path; as the authors do it."""
    strides = (stride, stride) if isinstance(stride, int) else stride
    x, weight = whole(2, 4, 24, 24), whole(4, 4, 3, 3, seed=3)
    high, low = F.octave_conv(x, None, weight, alpha_in=0, alpha_out=0.5, padding=1, stride=stride)
    means = torch_functional.avg_pool2d(x, strides)
    torch.testing.assert_close(high, F.conv(means, weight[:2], padding=1))
    halves = torch_functional.avg_pool2d(means, 2)
    torch.testing.assert_close(low, F.conv(halves, weight[2:], padding=1))


def test_low_to_high_with_stride_2_needs_no_upsampling() -> None:
    low = whole(2, 4, 6, 5)
    weight = whole(4, 4, 3, 3, seed=3)
    for downsample in ("pool", "stride"):
        high, _ = F.octave_conv(
            None, low, weight,
            alpha_in=1, alpha_out=0, padding=1, stride=2, downsample=downsample,  # type: ignore[arg-type]
        )  # fmt: skip
        assert torch.equal(high, F.conv(low, weight, padding=1))


def test_a_strided_stride_strides_the_convolutions() -> None:
    x, weight = whole(2, 4, 8, 8), whole(4, 4, 3, 3, seed=3)
    high, low = F.octave_conv(
        x, None, weight, alpha_in=0, alpha_out=0.5, padding=1, stride=2, downsample="stride"
    )
    assert torch.equal(high, F.conv(x, weight[:2], padding=1, stride=2))
    averaged = torch_functional.avg_pool2d(x, 2)
    assert torch.equal(low, F.conv(averaged, weight[2:], padding=1, stride=2))


@settings(max_examples=100)
@given(cases())
def test_a_constant_input_gives_the_sum_of_the_weights_away_from_the_border(
    case: dict[str, Any],
) -> None:
    _, weight, bias, call = build(case | {"groups": 1})
    size = tuple(64 + n for n in case["spatial"][:2])  # two axes are enough, and wide ones
    case["spatial"] = size
    axes = len(size)
    weight = weight.flatten(2 + axes).sum(-1) if weight.ndim > 2 + axes else weight
    for name in ("stride", "dilation"):
        call[name] = call[name][:axes]
    if not isinstance(call["padding"], str):
        call["padding"] = call["padding"][:axes]
    pair = cut(8, case["alpha_in"], *size)
    pair = OctavePair(
        *(None if half is None else torch.ones_like(half) for half in pair), size=size
    )
    output = convolve(pair, weight, bias, **call).merge()
    sums = weight.flatten(1).sum(1) + bias
    middle = tuple(slice(n // 2 - 1, n // 2 + 1) for n in output.shape[2:])
    inner = output[(..., *middle)]
    torch.testing.assert_close(inner, sums.view(-1, *(1,) * axes).expand_as(inner))


@settings(max_examples=150)
@given(cases())
def test_every_path_keeps_the_place_of_what_it_sees(case: dict[str, Any]) -> None:
    """On the map x[i] = i, a kernel of weight 1 gives the centre of what it sees.

    All paths agree with the ordinary convolution to within half a cell of the coarsest grid that
    they work on, and averaging over a low cell.
    """
    stride, dilation = case["call"]["stride"][0], case["call"]["dilation"][0]
    kernel = case["kernel"][0]
    padding = case["call"]["padding"]
    call = {
        "stride": stride,
        "dilation": dilation,
        "padding": padding if isinstance(padding, str) else padding[:1],
        "downsample": case["call"]["downsample"],
    }
    size = 192
    ramp = torch.arange(float(size), dtype=torch.float64).view(1, 1, -1)
    weight = torch.full((1, 1, kernel), 1 / kernel, dtype=torch.float64)
    ordinary = F.conv(ramp, weight, **plain(call | {"groups": 1}))
    alphas = {"alpha_in": case["alpha_in"] > 0.5, "alpha_out": case["alpha_out"] > 0.5}
    alphas = {name: int(alpha) for name, alpha in alphas.items()}
    pair = F.octave_split(ramp, alphas["alpha_in"])
    merged = convolve(pair, weight, **call, **alphas).merge()
    middle = slice(merged.shape[-1] // 3 // 2 * 2, merged.shape[-1] * 2 // 3 // 2 * 2)
    cell = 2 if alphas["alpha_in"] or alphas["alpha_out"] else 1
    if call["downsample"] == "pool":
        cell = stride * (2 if alphas["alpha_out"] else 1) if stride > 1 else cell
    # a low output cell stands for two outputs, a low input cell for two inputs: compare in pairs
    means = (x[..., middle].unflatten(-1, (-1, 2)).mean(-1) for x in (merged, ordinary))
    ours, theirs = means
    if call["downsample"] == "stride" and stride > 2 and alphas["alpha_out"]:
        # no padding below 0: a low output whose window would start inside comes up to half a
        # stride early
        cell = max(cell, 2 * stride)
    assert ((ours - theirs).abs() <= cell / 2 + 1e-9).all()


# Faults

HIGH, LOW, WEIGHT = torch.zeros(1, 6, 8, 8), torch.zeros(1, 2, 4, 4), torch.zeros(8, 8, 3, 3)


@pytest.mark.parametrize(
    ("operands", "call", "error", "message"),
    [
        ((HIGH, LOW, WEIGHT), {"alpha_in": 0.5}, ValueError, "high and low must have 4 and 4 channels, as alpha_in parts 8, got 6 and 2"),
        ((HIGH, None, WEIGHT), {"alpha_in": 0.25}, ValueError, "must have 6 and 2 channels, as alpha_in parts 8, got 6 and 0"),
        ((None, None, WEIGHT), {"alpha_in": 0.25}, ValueError, "high and low are both None"),
        ((HIGH, LOW[:, :, :3], WEIGHT), {}, ValueError, "low must have spatial size (4, 4), half of (8, 8) rounded up, got (3, 4)"),
        ((HIGH[0], LOW[0], WEIGHT), {}, ValueError, "high must have 4 dimensions (N, C, *spatial) like the weight, got shape (6, 8, 8)"),
        ((HIGH, LOW[0], WEIGHT), {}, ValueError, "low must have 4 dimensions"),
        ((HIGH, LOW.double(), WEIGHT), {}, TypeError, "low must have the dtype of weight, torch.float32, got torch.float64"),
        ((HIGH.long(), LOW, WEIGHT), {}, TypeError, "high must be floating-point, got torch.int64"),
        ((HIGH, LOW, WEIGHT), {"downsample": "max"}, ValueError, 'downsample must be "pool" or "stride", got \'max\''),
        ((HIGH, LOW, WEIGHT[:, :2]), {"groups": 4}, ValueError, "alpha must leave every path divisible by groups, got 6 high input channels with groups 4"),
        ((HIGH, LOW, WEIGHT[:, :4]), {"groups": 2, "alpha_out": 0.125}, ValueError, "got 7 high output channels with groups 2"),
        ((HIGH, LOW, WEIGHT[:, :1]), {"groups": 8, "alpha_out": 0.5}, ValueError, "alpha_out must equal alpha_in where a depthwise convolution keeps its channels apart, got 2 of 8 channels low in and 4 of 8 low out"),
        ((HIGH, LOW, WEIGHT), {"stride": 0}, ValueError, "stride must be at least 1"),
        ((HIGH, LOW, WEIGHT), {"padding": (1,)}, ValueError, "padding must be an int, a mode"),
        ((HIGH, LOW, WEIGHT), {"dilation": 4}, ValueError, "the kernel spans 9 cells"),
        ((HIGH, LOW, WEIGHT, torch.zeros(4)), {}, ValueError, "bias must have shape (8,)"),
    ],
)  # fmt: skip
def test_faults_are_told(
    operands: Any, call: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        F.octave_conv(*operands, **{"alpha_in": 0.25, "alpha_out": 0.25} | call)
    assert message in str(caught.value)


def test_a_size_that_low_does_not_halve_is_told() -> None:
    with pytest.raises(ValueError, match=r"half of \(9, 9\) rounded up, got \(4, 4\)"):
        F.octave_conv(None, LOW, WEIGHT[:, :2], alpha_in=1, alpha_out=0, size=(9, 9))


def test_empty_batch_and_no_output_channels() -> None:
    pair = F.octave_split(torch.zeros(0, 8, 5, 5), 0.5)
    weight = torch.ones(4, 8, 3, 3, requires_grad=True)
    output = convolve(pair, weight, alpha_in=0.5, alpha_out=0.5, stride=2, padding=1)
    assert output.shape == (0, 4, 3, 3)
    output.sum().backward()
    assert torch.equal(weight.grad, torch.zeros_like(weight))  # type: ignore[arg-type]
    pair = F.octave_split(torch.zeros(2, 8, 5, 5), 0.5)
    assert convolve(pair, weight[:0], alpha_in=0.5, alpha_out=0.5).shape == (2, 0, 3, 3)


def test_first_and_second_derivatives() -> None:
    torch.manual_seed(0)
    operands = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((1, 1, 5, 4), (1, 1, 3, 2), (2, 2, 3, 2), (2,))
    ]

    def function(*operands: Tensor) -> tuple[Tensor, ...]:
        pair = F.octave_conv(*operands, alpha_in=0.5, alpha_out=0.5, stride=(2, 1), padding="same")
        return tuple(half for half in pair if half is not None)

    assert torch.autograd.gradcheck(function, operands)
    assert torch.autograd.gradgradcheck(function, operands)
