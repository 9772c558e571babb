"""Counts against the closed forms of `juanji.cost`, torch's own counter and published numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

import juanji
from juanji import functional as F
from juanji import nets
from juanji.analysis import Status, analyze, count
from juanji.bind import Bound
from juanji.cost import MultiplyAdds, multiply_adds, weights
from juanji.interop import conv_spec
from strategies import arguments, bounds, tensors


class Functional(nn.Module):
    """A model that is nothing but a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def products(function: Callable[..., Any], *inputs: Any) -> MultiplyAdds:
    counted = count(Functional(function), *inputs)
    assert not counted.uncounted
    return counted.multiply_adds


def theirs(model: nn.Module, *inputs: Any) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(*inputs)
    return int(counter.get_total_flops())


@given(bounds(), st.integers(0, 3))
def test_a_convolution_costs_what_its_bound_specification_says(bound: Bound, batch: int) -> None:
    x, weight, bias = tensors(bound, batch=batch)
    found = products(lambda x: F.conv(x, weight, bias, **arguments(bound)), x)
    assert found == multiply_adds(bound, batch)


@given(bounds(transposed=True))
def test_so_does_a_transposed_one(bound: Bound) -> None:
    x, weight, bias = tensors(bound)
    found = products(lambda x: F.conv_transpose(x, weight, bias, **arguments(bound)), x)
    expected = multiply_adds(bound, len(x))
    assert found.dense == expected.dense
    # cells that uneven padding cuts off are computed before they are cut off
    uneven = any(axis.pad_low != axis.pad_high for axis in bound.axes)
    assert found.touched >= expected.touched
    assert uneven or found == expected


def test_a_chain_adds_up_and_weights_are_counted_once() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2)
    report = analyze(nn.Sequential(conv, nn.ReLU(), conv), torch.ones(2, 4, 5, 7), time=False)
    once = count(conv, torch.ones(2, 4, 5, 7))
    spec = conv_spec(conv)
    assert once.weights == report.total.weights.value == weights(spec, bias=True)
    assert report.total.multiply_adds.value == once.multiply_adds + once.multiply_adds
    assert [(row.name, row.calls) for row in report.by_module()] == [("", 1), ("0", 2), ("1", 1)]
    assert report.by_module()[1].multiply_adds == report.total.multiply_adds


def test_modules_that_do_not_run_are_listed() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 3), "spare": nn.Linear(2, 5)})
    model.forward = lambda x: model["used"](x)  # type: ignore[method-assign]
    rows = {row.name: row for row in analyze(model, torch.ones(1, 2), time=False).by_module()}
    assert rows["spare"].calls == 0
    assert rows["spare"].multiply_adds.value == MultiplyAdds()
    assert rows["spare"].weights.value == 15
    assert rows["spare"].view.status is Status.UNAVAILABLE


@pytest.mark.parametrize("pads", [(1, 0), (0, 2, 1, 1), (2, 2, 2, 2)])
def test_zeros_around_a_map_are_padding(pads: tuple[int, ...]) -> None:
    x, weight = torch.ones(1, 2, 5, 6), torch.ones(3, 2, 3, 3)
    padded = torch_functional.pad(x, pads)
    counted = products(lambda x: torch_functional.conv2d(torch_functional.pad(x, pads), weight), x)
    both = [(pads[0], pads[1]), *([(pads[2], pads[3])] if len(pads) > 2 else [(0, 0)])][::-1]
    assert counted == products(lambda x: F.conv(x, weight, padding=both), x)
    plain = products(lambda x: torch_functional.conv2d(x, weight), padded)
    assert counted.dense == plain.dense
    assert counted.touched < plain.touched


@pytest.mark.parametrize("write", [lambda x: x.add_(1), lambda x: x[:, :, 0].fill_(1)])
def test_written_over_they_are_not(write: Callable[[Tensor], Tensor]) -> None:
    def function(x: Tensor) -> Tensor:
        padded = torch_functional.pad(x, (1, 1, 1, 1))
        write(padded)
        return torch_functional.conv2d(padded, torch.ones(3, 2, 3, 3))

    found = products(function, torch.ones(1, 2, 5, 6))
    assert found.dense == found.touched


def test_other_padding_is_not_zero() -> None:
    x = torch.ones(1, 2, 5, 6)
    found = count(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), x).multiply_adds
    assert found.touched == found.dense
    value = products(
        lambda x: torch_functional.conv2d(
            torch_functional.pad(x, (1, 1, 1, 1), value=2.0), torch.ones(3, 2, 3, 3)
        ),
        x,
    )
    assert value.touched == value.dense


PRODUCTS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], int]] = {
    "linear": (torch_functional.linear, ((2, 3, 4), (5, 4), (5,)), 2 * 3 * 4 * 5),
    "mm": (torch.mm, ((2, 3), (3, 5)), 2 * 3 * 5),
    "bmm": (torch.bmm, ((7, 2, 3), (7, 3, 5)), 7 * 2 * 3 * 5),
    "baddbmm": (torch.baddbmm, ((7, 2, 5), (7, 2, 3), (7, 3, 5)), 7 * 2 * 3 * 5),
    "addbmm": (torch.addbmm, ((2, 5), (7, 2, 3), (7, 3, 5)), 7 * 2 * 3 * 5),
    "mv": (torch.mv, ((2, 3), (3,)), 6),
    "addmv": (torch.addmv, ((2,), (2, 3), (3,)), 6),
    "dot": (torch.dot, ((9,), (9,)), 9),
    "matmul": (torch.matmul, ((7, 1, 2, 3), (4, 3, 5)), 7 * 4 * 2 * 3 * 5),
    "einsum": (lambda a, b: torch.einsum("nchw,cd->ndhw", a, b), ((2, 3, 4, 5), (3, 7)), 840),
    "attention": (
        torch_functional.scaled_dot_product_attention,
        ((2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 8)),
        2 * 3 * 4 * 6 * (8 + 8),
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_matrices(name: str) -> None:
    function, shapes, expected = PRODUCTS[name]
    found = products(function, *map(torch.ones, shapes))
    assert found == MultiplyAdds(expected, expected)


def test_no_rule_for_sparse_matrices_means_no_number() -> None:
    matrix = F.conv_matrix(torch.ones(1, 1, 3), (5,))
    counted = count(Functional(lambda x: matrix @ x), torch.ones(5, 2))
    assert counted.uncounted
    assert counted.multiply_adds == MultiplyAdds()


@torch.library.custom_op("juanji_test::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return 2 * x


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_an_unknown_operator_makes_a_lower_bound_where_it_runs() -> None:
    layers = nn.Sequential(nn.Conv1d(1, 1, 3), nn.Sequential(Functional(twice)), nn.Conv1d(1, 1, 3))
    report = analyze(layers, torch.ones(1, 1, 9), time=False)
    assert report.uncounted == {"juanji_test::twice": 1}
    status = {row.name: (row.multiply_adds.status, row.flops.status) for row in report.by_module()}
    bound, exact = (Status.LOWER_BOUND,) * 2, (Status.EXACT,) * 2
    assert status == {"": bound, "0": exact, "1": bound, "1.0": bound, "2": exact}
    assert report.total.multiply_adds.value == MultiplyAdds(7 * 3 + 5 * 3, 7 * 3 + 5 * 3)
    assert "juanji_test::twice" in report.total.multiply_adds.reason
    assert report.total.view.status is Status.UNAVAILABLE
    operators = {row.name: row.flops.status for row in report.by_operator()}
    assert operators["juanji_test::twice"] is Status.LOWER_BOUND
    assert operators["aten::convolution"] is Status.EXACT


FLOPS: dict[str, tuple[nn.Module, int]] = {
    "activation": (nn.GELU(), 2 * 4 * 6 * 6),
    "in place": (nn.ReLU(inplace=True), 2 * 4 * 6 * 6),
    "normalization": (nn.BatchNorm2d(4), 2 * 4 * 6 * 6),
    "pooling": (nn.MaxPool2d((2, 3)), 2 * 4 * 3 * 2 * 6),
    "global pooling": (nn.AdaptiveAvgPool2d(1), 2 * 4 * 6 * 6),
    "softmax": (nn.Softmax(1), 2 * 4 * 6 * 6),
    "addition": (Functional(lambda x: x + x[:1, :, :1]), 2 * 4 * 6 * 6),
    "views and copies": (Functional(lambda x: x.permute(0, 2, 3, 1).contiguous().half()), 0),
    "channel shuffle": (nn.ChannelShuffle(2), 0),
    "nearest": (nn.Upsample(scale_factor=2), 0),
    "dropout": (nn.Dropout(), 0),
    "convolution": (nn.Conv2d(4, 3, 1), 2 * 2 * 3 * 4 * 36),
}


@pytest.mark.parametrize("name", FLOPS)
def test_flops_are_counted_by_the_documented_rules(name: str) -> None:
    module, expected = FLOPS[name]
    total = analyze(module, torch.ones(2, 4, 6, 6), time=False).total
    assert (total.flops.value, total.flops.status) == (expected, Status.EXACT)


@pytest.mark.parametrize(
    ("name", "billions", "total"),
    [("resnet18", 1.814, 11_689_512), ("resnet50", 4.089, 25_557_032)],
)
def test_resnet_counts_are_the_published_ones(name: str, billions: float, total: int) -> None:
    with torch.device("meta"):
        net, image = getattr(nets, name)(), torch.ones(1, 3, 224, 224)
    counted = count(net, image)
    assert counted.weights == total
    assert round(counted.multiply_adds.dense / 1e9, 3) == billions
    assert not counted.uncounted


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet50": (lambda: nets.resnet50(width=8), (2, 3, 65, 49)),
    "resnet of transformers": (
        lambda: ResNetModel(
            ResNetConfig(embedding_size=8, hidden_sizes=[16, 32, 48, 64], depths=[1, 2, 1, 1])
        ),
        (1, 3, 65, 49),
    ),
    "vision transformer": (
        lambda: ViTModel(
            ViTConfig(
                hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                image_size=32, patch_size=8,
                # torch's counter overlooks the fused attention of CPUs
                attn_implementation="eager",
            )
        ),
        (1, 3, 32, 32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_twice_the_multiply_adds_is_what_torch_counts(name: str) -> None:
    build, shape = OTHERS[name]
    model, image = build(), torch.randn(shape)
    counted = count(model, image)
    assert not counted.uncounted
    assert 2 * counted.multiply_adds.dense == theirs(model, image)


@pytest.mark.parametrize("alpha", [0.0, 0.125, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_octave_convolution_costs_its_closed_form(alpha: float, dimensions: int) -> None:
    size = (8, 4, 6)[:dimensions]
    layer = getattr(juanji.nn, f"OctaveConv{dimensions}d")
    octave = layer(16, 32, 3, padding=1, alpha_in=alpha, alpha_out=alpha)
    pair = F.octave_split(torch.ones(2, 16, *size), alpha)
    counted = count(octave, pair)
    plain = 2 * 16 * 32 * torch.Size(size).numel() * 3**dimensions
    # in d dimensions a low cell stands for 2**d: all but the high-to-high path cost 2**-d
    cheap = 1 - 2**-dimensions
    assert counted.multiply_adds.dense == plain * (1 - cheap * alpha * (2 - alpha))
    assert counted.weights == octave.weight.numel() + 32
    assert not counted.uncounted


def test_meta_and_fake_tensors_count_as_real_ones() -> None:
    from torch._subclasses import FakeTensorMode

    real = count(nets.resnet20(), torch.ones(2, 3, 9, 7))
    with torch.device("meta"):
        assert count(nets.resnet20(), torch.ones(2, 3, 9, 7)) == real
    with FakeTensorMode():
        assert count(nets.resnet20(), torch.ones(2, 3, 9, 7)) == real


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_deformable_convolution_adds_its_interpolation(dimensions: int) -> None:
    x = torch.ones(2, 6, *(7, 5, 6)[:dimensions])
    weight = torch.ones(4, 3, *[3] * dimensions)
    plain = F.conv(x, weight, stride=2, padding=1, groups=2)
    taps, size = 3**dimensions, plain.shape[2:]
    offset = torch.zeros(2, taps * dimensions, *size)
    found = products(lambda x: F.deform_conv(x, offset, weight, stride=2, padding=1), x)
    samples = 2 * size.numel() * 6 * taps
    assert found.dense == plain.numel() * 3 * taps + samples * 2**dimensions


def test_inference_tensors_count_the_same() -> None:
    plain = count(nn.Conv2d(3, 4, 3), torch.ones(2, 3, 5, 5))
    with torch.inference_mode():
        layer, x = nn.Conv2d(3, 4, 3), torch.ones(2, 3, 5, 5)
        assert count(layer, x) == plain
    assert count(layer, x) == plain
    assert plain.multiply_adds.dense == 2 * 9 * 4 * 27


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_scripted_modules_count_the_same() -> None:
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.ones(2, 3, 5, 5)
    assert count(torch.jit.trace(model, x), x) == count(model, x)


def test_keyword_arguments_and_operators() -> None:
    model = Functional(lambda *, x: {"y": torch.relu(x @ torch.ones(3, 4))})
    report = analyze(model, kwargs={"x": torch.ones(2, 3)}, time=False)
    assert [row.name for row in report.by_operator()][:2] == ["aten::mm", "aten::relu"]
    assert sum(row.flops.value or 0 for row in report.by_operator()) == report.total.flops.value
