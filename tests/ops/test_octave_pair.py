"""A pair stands for its merged map: what torch does to it, it does to that map."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from torch import Tensor

from juanji import functional as F
from juanji.ops.octave import OctavePair, through

torch.manual_seed(0)
HIGH, LOW = torch.rand(2, 3, 5, 7) + 0.1, torch.rand(2, 2, 3, 4) + 0.1
PAIR = OctavePair(HIGH, LOW)
PARTED = OctavePair(
    torch.rand(2, 4, 5, 7) - 0.5, torch.rand(2, 2, 3, 4) - 0.5, parts=((1, 2), (3, 0))
)
ALL_LOW = OctavePair(None, LOW - 0.5, size=(5, 7))
ALL_HIGH = OctavePair(HIGH - 0.5, None)
PAIRS = {"pair": PAIR, "parted": PARTED, "all low": ALL_LOW, "all high": ALL_HIGH}
pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def fresh(pair: OctavePair) -> OctavePair:
    """Copy a pair, for functions that change it."""
    return pair.map(torch.clone)


def equal(ours: Any, theirs: Any) -> bool:
    """Whether two results are the same values, a pair taken as its merged map."""
    if isinstance(ours, OctavePair):
        ours = ours.merge()
    return torch.allclose(ours, theirs, rtol=1.3e-6, atol=1e-5, equal_nan=True)


# Arguments that functions need beside the map; those that draw at random get none to draw.
MORE: dict[str, tuple[Any, ...]] = {
    "clamp": (-0.2, 0.3), "clamp_max": (0.2,), "clamp_min": (0.2,), "pow": (2,),
    "rrelu": (0.3, 0.3), "threshold": (0.1, 7.0), "to": (torch.float64,), "type": (torch.float64,),
    "alpha_dropout": (0.0, True), "dropout": (0.0, True), "dropout1d": (0.0, True),
    "dropout2d": (0.0, True), "dropout3d": (0.0, True), "feature_alpha_dropout": (0.0, True),
    "feature_dropout": (0.0, True),
}  # fmt: skip
ELSEWHERE = {"cuda"}  # needs a device that not every machine has


@pairs
@pytest.mark.parametrize("name", sorted(through.CELLWISE - ELSEWHERE))
def test_cellwise_functions_act_on_each_half(name: str, pair: OctavePair) -> None:
    if name == "dropout1d":
        pair = OctavePair(torch.rand(2, 3, 5), torch.rand(2, 2, 3))
    more = MORE.get(name, ())
    if name == "dropout3d":
        pair = OctavePair(torch.rand(2, 3, 3, 3, 3), torch.rand(2, 1, 2, 2, 2))
    spellings = (name, name + "_")
    calls: list[Callable[[Any], Any]] = [
        partial(_call, getattr(home, spelling), more)
        for home in (torch, torch_functional)
        for spelling in spellings
        if isinstance(getattr(home, spelling, None), Callable)  # type: ignore[arg-type]
    ]
    calls += [methodcaller(spelling, *more) for spelling in spellings if hasattr(Tensor, spelling)]
    assert calls
    for call in calls:
        output = call(fresh(pair))
        assert isinstance(output, OctavePair), call
        assert output.parts == pair.parts
        assert equal(output, call(pair.merge().clone())), call


def _call(function: Callable[..., Any], more: tuple[Any, ...], x: Any) -> Any:
    return function(x, *more)


def test_every_pair_of_operands_is_known() -> None:
    assert set(OPERATIONS) == through.CELLWISE_PAIRS
    assert {f"{kind}_pool{d}d" for kind in ("max", "avg") for d in (1, 2, 3)} == through.WINDOWS


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": torch.add, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum,
    "mul": torch.mul, "rsub": torch.rsub, "sub": torch.sub, "true_divide": torch.true_divide,
}  # fmt: skip


def operands(pair: OctavePair) -> dict[str, tuple[Any, bool]]:
    """Return what may stand beside a pair, and whether the result is a pair."""
    channels = pair.shape[1]
    full = torch.rand(pair.shape) + 0.5
    return {
        "pair": (pair.map(lambda half: half * half + 0.5), True),
        "scalar tensor": (torch.tensor(1.5), True),
        "per channel": (torch.rand(2, channels, 1, 1) + 0.5, True),
        "per channel, one for all images": (torch.rand(1, channels, 1, 1) + 0.5, True),
        "per channel, without images": (torch.rand(channels, 1, 1) + 0.5, True),
        "per image": (torch.rand(2, 1, 1, 1) + 0.5, True),
        "per cell": (torch.rand(5, 7) + 0.5, False),
        "full": (full, False),
        "other pair": (OctavePair(full, None), pair.parts == ((channels, 0),)),
    }


@pairs
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", operands(PAIR))
def test_two_operands(name: str, kind: str, pair: OctavePair) -> None:
    operation = OPERATIONS[name]
    other, stays = operands(pair)[kind]
    plain = other.merge() if isinstance(other, OctavePair) else other
    for first, second, expected in (
        (pair, other, operation(pair.merge(), plain)),
        (other, pair, operation(plain, pair.merge())),
    ):
        output = operation(first, second)
        assert equal(output, expected)
        assert isinstance(output, OctavePair) == stays


@pairs
@pytest.mark.parametrize("kind", ["number", *operands(PAIR)])
def test_operators_of_python(kind: str, pair: OctavePair) -> None:
    other = 2.5 if kind == "number" else operands(pair)[kind][0]
    plain = other.merge() if isinstance(other, OctavePair) else other
    merged = pair.merge()
    assert equal(pair + other, merged + plain)
    assert equal(other + pair, plain + merged)
    assert equal(pair - other, merged - plain)
    assert equal(other - pair, plain - merged)
    assert equal(pair * other, merged * plain)
    assert equal(other * pair, plain * merged)
    assert equal(pair / other, merged / plain)
    assert equal(other / pair, plain / merged)
    assert equal(-pair, -merged)
    assert equal(abs(pair), merged.abs())
    assert equal(pair**2, merged**2)
    assert equal(torch.add(pair, other, alpha=3), torch.add(merged, plain, alpha=3))
    assert len(pair) == 2
    assert equal(pair[:, 1:, ::2], merged[:, 1:, ::2])
    changed = pair
    changed += other
    assert equal(changed, merged + plain)
    assert equal(pair, merged)


@pairs
def test_functions_in_place_change_the_pair(pair: OctavePair) -> None:
    merged = pair.merge().clone()
    one = fresh(pair)
    assert equal(torch_functional.relu(one, inplace=True), merged.relu())
    assert equal(one, merged.relu())
    for change in (
        lambda x: x.add_(2.0),
        lambda x: x.mul_(torch.arange(1.0, 1 + merged.shape[1]).view(1, -1, 1, 1)),
        lambda x: torch.sigmoid_(x),
    ):
        one, plain = fresh(pair), merged.clone()
        change(one)
        assert equal(one, change(plain))


def test_what_only_the_merged_map_could_take_is_not_done_in_place() -> None:
    """It would be lost without a word: the merged map is a copy."""
    for change in (
        lambda x: x.add_(torch.rand(2, 5, 5, 7)),
        lambda x: x.mul_(OctavePair(torch.rand(2, 5, 5, 7), None)),
        lambda x: x.cumsum_(1),
    ):
        with pytest.raises(TypeError, match=r"_ cannot change an OctavePair in place"):
            change(fresh(PAIR))
    high = ALL_HIGH.map(torch.clone)
    high.add_(torch.ones(2, 3, 5, 7))  # without a low half the merged map is the high one
    assert equal(high, HIGH + 0.5)


def concatenations() -> list[list[Any]]:
    plain = torch.rand(2, 4, 5, 7)
    return [
        [PAIR, PAIR], [PAIR, plain, PARTED], [plain, PAIR], [ALL_LOW, PAIR], [ALL_HIGH, ALL_LOW],
        [PARTED, plain, PARTED, ALL_LOW, plain],
    ]  # fmt: skip


@pytest.mark.parametrize("maps", concatenations())
@pytest.mark.parametrize("function", [torch.cat, torch.concat, torch.concatenate])
def test_concatenated_channels_keep_the_order_of_the_merged_maps(
    maps: list[Any], function: Callable[..., Any]
) -> None:
    plain = [x.merge() if isinstance(x, OctavePair) else x for x in maps]
    expected = torch.cat(plain, 1)
    for output in (function(maps, 1), function(tuple(maps), dim=-3), function(maps, axis=1)):
        assert isinstance(output, OctavePair)
        assert output.shape == expected.shape
        assert equal(output, expected)
        halved = torch_functional.avg_pool2d(torch.relu(output) * 2, 3, 1, 1)
        assert halved.shape == expected.shape
    for axis in (0, 2, -1):
        same = [x for x in plain if x.shape[1] == plain[0].shape[1]]
        some = [x for x, y in zip(maps, plain, strict=True) if y.shape[1] == plain[0].shape[1]]
        assert equal(torch.cat(some, axis), torch.cat(same, axis))
    assert equal(torch.cat([output, torch.rand(2, 1, 5, 7) * 0], 1)[:, :-1], expected)


@pairs
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_normalizes_every_channel_on_its_own_grid(
    pair: OctavePair, training: bool, affine: bool
) -> None:
    """Each half equals torch's layer over that half, with the right channels' parameters."""
    channels = pair.shape[1]
    norm = torch.nn.BatchNorm2d(channels, affine=affine, momentum=0.3).train(training)
    with torch.no_grad():
        for tensor in (norm.running_mean, norm.running_var, *norm.parameters()):
            tensor.copy_(torch.rand(channels) + 0.5)  # type: ignore[union-attr]
    before = copy.deepcopy(norm)
    output = norm(pair)
    assert isinstance(output, OctavePair)
    order = pair.split(torch.arange(channels), 0)
    for half, result, own in zip(pair, output, order, strict=True):
        if half is None:
            assert result is None
            continue
        alone = torch.nn.BatchNorm2d(len(own), affine=affine, momentum=0.3).train(training)
        alone.load_state_dict(
            {k: v if v.ndim == 0 else v[own] for k, v in before.state_dict().items()}
        )
        torch.testing.assert_close(result, alone(half))
        for name, tensor in alone.state_dict().items():
            whole = norm.state_dict()[name]
            torch.testing.assert_close(whole if whole.ndim == 0 else whole[own], tensor)
    if not training:  # cell by cell: the merged map says the same
        assert equal(output, norm(pair.merge()))


def test_batch_norm_after_a_concatenation_updates_the_right_channels() -> None:
    maps = [PAIR, torch.rand(2, 4, 5, 7), ALL_LOW]
    joined = torch.cat(maps, 1)
    norm = torch.nn.BatchNorm2d(joined.shape[1], momentum=1.0)
    norm(joined)
    assert norm.running_mean is not None
    means = [half.mean((0, 2, 3)) for half in (HIGH, LOW, maps[1], LOW - 0.5)]
    torch.testing.assert_close(norm.running_mean, torch.cat(means))
    assert norm.num_batches_tracked == 1


@pairs
def test_prelu_with_one_slope_or_one_per_channel(pair: OctavePair) -> None:
    for slope in (torch.tensor([0.3]), torch.rand(pair.shape[1])):
        output = torch_functional.prelu(pair, slope)  # type: ignore[arg-type]
        assert isinstance(output, OctavePair)
        assert equal(output, torch_functional.prelu(pair.merge(), slope))


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "stays"),
    [
        (8, 2, 2, 0, True), (7, 3, 2, 1, True), (8, 3, 1, 1, True),
        (8, 3, 1, 0, False),  # 6 cells of high, 2 of low: no longer halves
        (4, 3, 1, 0, False),  # larger than low
    ],
)  # fmt: skip
def test_windows_slide_over_each_half_while_these_remain_halves(
    kind: str, dimensions: int, size: int, kernel: int, stride: int, padding: int, stays: bool
) -> None:
    function = getattr(torch_functional, f"{kind}_pool{dimensions}d")
    pair = OctavePair(
        torch.rand(2, 3, *(size,) * dimensions), torch.rand(2, 1, *(-(-size // 2),) * dimensions)
    )
    for output in (
        function(pair, kernel, stride, padding),
        function(pair, kernel_size=kernel, stride=stride, padding=padding),
        function(pair, (kernel,) * dimensions, stride, padding),
    ):
        merged = function(pair.merge(), kernel, stride, padding)
        assert output.shape == merged.shape
        assert isinstance(output, OctavePair) == stays
        if isinstance(output, OctavePair):
            assert torch.equal(output.high, function(pair.high, kernel, stride, padding))  # type: ignore[arg-type]
            assert torch.equal(output.low, function(pair.low, kernel, stride, padding))  # type: ignore[arg-type]
        else:
            assert torch.equal(output, merged)


def test_pooling_with_indices_or_without_a_high_half_takes_the_merged_map() -> None:
    values, indices = torch_functional.max_pool2d(PAIR, 2, return_indices=True)  # type: ignore[arg-type]
    expected = torch_functional.max_pool2d(PAIR.merge(), 2, return_indices=True)
    assert torch.equal(values, expected[0])
    assert torch.equal(indices, expected[1])
    assert equal(
        torch_functional.max_pool2d(ALL_LOW, 3, 2, 1),  # type: ignore[arg-type]
        torch_functional.max_pool2d(ALL_LOW.merge(), 3, 2, 1),
    )


UNLISTED: dict[str, Callable[[Any], Any]] = {
    "adaptive average": lambda x: torch_functional.adaptive_avg_pool2d(x, 1),
    "adaptive maximum": lambda x: torch_functional.adaptive_max_pool2d(x, (2, 3)),
    "power average": lambda x: torch_functional.lp_pool2d(x, 2.0, 3, 2),
    "mean": lambda x: x.mean((2, 3), keepdim=True),
    "mean by name": lambda x: torch.mean(x, dim=(2, 3)),
    "flatten": lambda x: torch.flatten(x, 1),
    "view": lambda x: x.flatten(2).transpose(1, 2),
    "softmax": lambda x: torch_functional.softmax(x, dim=1),
    "interpolate": lambda x: torch_functional.interpolate(x, scale_factor=2),
    "pad": lambda x: torch_functional.pad(x, (1, 0, 2, 1)),
    "group norm": lambda x: torch_functional.group_norm(x, 1),
    "instance norm": lambda x: torch_functional.instance_norm(x),
    "layer norm": lambda x: torch_functional.layer_norm(x, x.shape[1:]),
    "torch.batch_norm": lambda x: torch.batch_norm(
        x, None, None, None, None, True, 0.1, 1e-5, False
    ),
    "conv2d": lambda x: torch_functional.conv2d(x, torch.ones(2, x.shape[1], 3, 3)),
    "clamp by a map": lambda x: torch.clamp(x, min=torch.full(x.shape, 0.2)),
    "power by a map": lambda x: torch.pow(abs(x), torch.full(x.shape, 2.0)),
    "where": lambda x: torch.where(torch.ones(5, 7) > 0, x, 0.0),
    "stack": lambda x: torch.stack([x, x]),
    "by keyword": lambda x: torch.relu(input=x),
    "einsum": lambda x: torch.einsum("nchw,nchw->nc", x, x),
    "matmul": lambda x: torch.matmul(x, torch.ones(7, 2)),
    "new": lambda x: x.new_zeros(3),
    "chunk": lambda x: torch.cat(x.chunk(2, dim=1), 2) if x.shape[1] % 2 == 0 else x.sum(),
}


@pairs
@pytest.mark.parametrize("name", UNLISTED)
def test_everything_else_acts_on_the_merged_map(name: str, pair: OctavePair) -> None:
    function = UNLISTED[name]
    output = function(pair)
    expected = function(pair.merge())
    assert isinstance(output, Tensor)
    torch.testing.assert_close(output, expected)


@pairs
def test_attributes_are_those_of_the_merged_map(pair: OctavePair) -> None:
    merged = pair.merge()
    assert pair.shape == pair.size() == merged.shape
    assert (pair.size(1), pair.size(-1)) == (merged.size(1), merged.size(-1))
    assert pair.ndim == pair.dim() == merged.ndim
    assert (pair.dtype, pair.device) == (merged.dtype, merged.device)
    assert pair.is_cuda == merged.is_cuda
    assert pair.requires_grad == merged.requires_grad
    assert pair.numel() == merged.numel()
    assert pair.is_floating_point()
    assert pair.to(torch.float64).dtype == pair.double().dtype == torch.float64
    assert not hasattr(pair, "no_such_attribute")
    for clone in (copy.copy(pair), copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        assert equal(clone, merged)
        assert clone.parts == pair.parts


def test_a_pair_unpacks_and_shows_its_halves() -> None:
    high, low = PAIR
    assert high is HIGH
    assert low is LOW
    assert repr(PAIR) == "OctavePair(high=(2, 3, 5, 7), low=(2, 2, 3, 4))"
    assert repr(ALL_LOW) == "OctavePair(high=None, low=(2, 2, 3, 4))"
    assert ALL_LOW.spatial == (5, 7)
    assert OctavePair(None, LOW).spatial == (6, 8)


def test_gradients_flow_through_a_pair() -> None:
    high, low = HIGH.clone().requires_grad_(), LOW.clone().requires_grad_()
    pair = OctavePair(high, low)
    joined = torch.cat([torch.relu(pair) * 2 + pair, torch.ones(2, 1, 5, 7)], 1)
    joined.sum().backward()
    assert torch.equal(high.grad, torch.full_like(high, 3.0))  # type: ignore[arg-type]
    cells = torch_functional.conv_transpose2d(  # how often each low cell stands in the full map
        torch.ones(1, 1, 3, 4), torch.ones(1, 1, 2, 2), stride=2
    )[..., :5, :7]
    counts = torch_functional.pad(cells, (0, 1, 0, 1)).unfold(2, 2, 2).unfold(3, 2, 2).sum((4, 5))
    torch.testing.assert_close(low.grad, (3 * counts).expand(2, 2, 3, 4))


def test_our_poolings_slide_over_each_half() -> None:
    pair = F.octave_split(torch.rand(2, 6, 12, 8), 0.5)
    for pooled in (
        F.max_pool(pair, 2),
        F.avg_pool(pair, (2, 2)),
        F.stochastic_pool(pair, 2, training=False),
    ):
        assert isinstance(pooled, OctavePair)
        assert pooled.shape == (2, 6, 6, 4)
    values, indices = F.max_pool(pair, 2, return_indices=True)  # positions of the merged map
    assert torch.equal(values, F.max_pool(pair.merge(), 2))
    assert indices.shape == values.shape
    values, _ = torch.nn.functional.max_pool2d(pair, 2, 2, 0, 1, False, True)
    assert values.shape == (2, 6, 6, 4)
