"""Receptive fields against published ones and against what gradients reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import juanji
from juanji import nets
from juanji.analysis import ReceptiveField, Status, analyze
from juanji.relation import receptive_field
from juanji.spec import Conv, Window


def field(model: nn.Module, *shape: int) -> ReceptiveField:
    figure = analyze(model, torch.ones(shape), time=False).total.view
    assert figure.value is not None, figure.reason
    return figure.value


class Functional(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Skip(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.inner(x)
        return y


def stride_first(net: nn.Module) -> nn.Module:
    """Move the stride of a bottleneck into its first 1x1, where the paper has it."""
    for module in net.modules():
        if isinstance(module, juanji.nn.BottleneckBlock):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, (1, 1)
    return net


@pytest.mark.parametrize(
    ("build", "size"),
    [
        # Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks,
        # Distill 2019: 435 and 483. Their ResNet-50 strides before the 3x3 of a bottleneck;
        # striding in it, three of the 3x3 see half as far: 8 + 16 + 32 cells less.
        (nets.resnet18, 435),
        (lambda **small: stride_first(nets.resnet50(**small)), 483),
        (nets.resnet50, 427),
    ],
)
def test_resnets_see_what_is_published(build: Callable[..., nn.Module], size: int) -> None:
    # the field is not clipped, so a small image shows it as well
    assert field(build(width=4), 1, 3, 65, 33) == ReceptiveField((size, size), whole=True)


# By gradients: what one output reaches in the input, with weights that cannot cancel


def reached(model: nn.Module, cells: int) -> int:
    """Return the most cells, from the first to the last, that an inner output depends on."""
    x = torch.ones(1, 1, cells, dtype=torch.float64, requires_grad=True)
    y = model.double()(x)[0].sum(0)
    most = 0
    for position in range(len(y)):
        (gradient,) = torch.autograd.grad(y[position], x, retain_graph=True)
        seen = gradient[0, 0].nonzero()[:, 0].tolist()
        if seen and seen[0] > 0 and seen[-1] < cells - 1:  # not cut off at a border
            most = max(most, seen[-1] - seen[0] + 1)
    return most


def positive(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return model


@st.composite
def layers(draw: st.DrawFn) -> nn.Module:
    """One layer on (N, 1, L) that keeps 1 channel."""
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation, padding = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    kind = draw(
        st.sampled_from(["conv", "transposed", "pool", "nearest", "linear", "slice", "skip"])
    )
    if kind == "conv":
        return nn.Conv1d(1, 1, kernel, stride, padding, dilation)
    if kind == "transposed":
        return nn.ConvTranspose1d(1, 1, kernel, stride, 0, draw(st.integers(0, stride - 1)), 1, 1)
    if kind == "pool":
        return nn.AvgPool1d(kernel, stride)
    if kind in ("nearest", "linear"):
        return nn.Upsample(scale_factor=draw(st.sampled_from([1.5, 2, 3])), mode=kind)
    if kind == "slice":
        return Functional(lambda x: x[..., padding::stride])
    return Skip(nn.Conv1d(1, 1, 2 * kernel - 1, 1, (kernel - 1) * dilation, dilation))


@given(st.lists(layers(), min_size=1, max_size=3))
def test_a_chain_sees_what_gradients_reach(chain: list[nn.Module]) -> None:
    model = positive(nn.Sequential(*chain))
    x = torch.ones(1, 1, 160, dtype=torch.float64)
    view = analyze(model.double(), x, time=False).total.view
    if view.value is None:
        assert view.reason == "no window slides over the input"
    else:
        assert view.value.size == (reached(model, 160),)


@given(
    st.lists(
        st.builds(
            Window, st.integers(1, 4), st.integers(1, 3), st.integers(1, 2),
            st.tuples(st.integers(0, 2)).map(lambda pad: pad * 2),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_a_chain_of_specifications_sees_the_same(chain: list[Window]) -> None:
    model = nn.Sequential(
        *(
            nn.Conv1d(1, 1, link.kernel, link.stride, link.padding[0], link.dilation)
            for link in chain
        )
    )
    assert field(model, 1, 1, 400).size == receptive_field([Conv((w,), 1, 1) for w in chain])


def conv(kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding=kernel // 2)


class Branches(nn.Module):
    """A wide branch that runs first, a narrow one that runs last."""

    def __init__(self, join: Callable[..., Tensor]) -> None:
        super().__init__()
        self.wide, self.narrow, self.join = conv(7), conv(3), join

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        return self.join(wide, self.narrow(x))


@pytest.mark.parametrize(
    "join", [torch.add, torch.mul, lambda a, b: torch.cat([a, b], 1), torch.maximum]
)
def test_the_widest_branch_counts(join: Callable[..., Tensor]) -> None:
    report = analyze(Branches(join), torch.ones(1, 1, 20, 24), time=False)
    views = {row.name: row.view.value for row in report.by_module()}
    assert {name: view and view.size for name, view in views.items()} == {
        "": (7, 7), "wide": (7, 7), "narrow": (3, 3),
    }  # fmt: skip
    assert report.total.view.value == ReceptiveField((7, 7), whole=False)


EXAMPLES: dict[str, tuple[Callable[[Tensor], Any], tuple[int, ...], bool]] = {
    # on (2, 1, 20, 24), by the map made by a 3x3 convolution
    "activation": (lambda x: torch.relu_(x * 2 - x.exp()), (3, 3), False),
    "global pooling": (lambda x: x.mean((2, 3)), (3, 3), True),
    "global maximum": (lambda x: torch_functional.adaptive_max_pool2d(x, 1), (3, 3), True),
    "excitation": (lambda x: x * x.mean((2, 3), keepdim=True), (3, 3), True),
    "flatten, linear": (lambda x: x.flatten(1) @ torch.ones(20 * 24, 2), (3, 3), True),
    "linear over a row": (lambda x: x @ torch.ones(24, 5), (3, 3), False),
    "batch statistics": (lambda x: torch_functional.instance_norm(x), (3, 3), True),
    "group statistics": (lambda x: torch_functional.group_norm(x, 1), (3, 3), True),
    "channels last": (lambda x: x.permute(0, 2, 3, 1).contiguous().relu(), (3, 3), False),
    "tokens": (lambda x: x.flatten(2).transpose(1, 2) @ torch.ones(1, 4), (3, 3), False),
    "attention": (
        lambda x: torch_functional.scaled_dot_product_attention(
            *[x.flatten(2).transpose(1, 2)] * 3
        ),
        (3, 3),
        True,
    ),
    "attention written out": (
        lambda x: torch.softmax(x.flatten(2).mT @ x.flatten(2), -1) @ x.flatten(2).mT,
        (3, 3),
        True,
    ),
    "pixel shuffle and back": (
        lambda x: torch_functional.pixel_unshuffle(
            torch_functional.pixel_shuffle(x.expand(-1, 4, -1, -1), 2), 2
        ),
        (3, 3),
        False,
    ),
    "pixel unshuffle": (lambda x: torch_functional.pixel_unshuffle(x, 2), (4, 4), False),
    "space to depth by reshape": (
        lambda x: x.view(2, 10, 2, 12, 2).permute(0, 2, 4, 1, 3).reshape(2, 4, 10, 12),
        (4, 4),
        False,
    ),
    "space to depth by slices": (
        lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]], 1),
        (4, 4),
        False,
    ),
    "repeated, convolved": (
        lambda x: torch_functional.conv2d(
            x.repeat_interleave(2, 2).repeat_interleave(2, 3), torch.ones(1, 1, 3, 3)
        ),
        (4, 4),
        False,
    ),
    "bilinear": (
        lambda x: torch_functional.interpolate(x, scale_factor=2.0, mode="bilinear"),
        (4, 4),
        False,
    ),
    "bicubic": (
        lambda x: torch_functional.interpolate(x, scale_factor=2.0, mode="bicubic"),
        (6, 6),
        False,
    ),
    "adaptive": (lambda x: torch_functional.adaptive_avg_pool2d(x, (7, 12)), (6, 4), False),
    "im2col": (lambda x: torch_functional.unfold(x, (3, 5)), (5, 7), False),
    "windows": (lambda x: x.unfold(2, 4, 2), (6, 3), False),
    "first cell": (lambda x: x[:, :, 0, 0], (3, 3), False),
    "halves along channels": (lambda x: x.expand(-1, 2, -1, -1).chunk(2, 1)[1], (3, 3), False),
    "several outputs": (lambda x: {"a": [x], "b": x.mean((2, 3))}, (3, 3), True),
    "pieces": (lambda x: x.split([5, 15], 2)[1], (3, 3), False),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_views_follow_the_data(name: str) -> None:
    function, size, whole = EXAMPLES[name]
    model = nn.Sequential(conv(3), Functional(function))
    assert field(model, 2, 1, 20, 24) == ReceptiveField(size, whole)


LOST: dict[str, Callable[[Tensor], Tensor]] = {
    "roll": lambda x: x.roll(1, 2),
    "flip": lambda x: x.flip(3),
    "spatial concatenation": lambda x: torch.cat([x, x], 2),
    "index": lambda x: x[:, :, torch.arange(3)],
    "grid_sample": lambda x: torch_functional.grid_sample(
        x, torch.zeros(2, 4, 4, 2), align_corners=False
    ),
    "write to a part": lambda x: (y := x.clone())[:, :, 1:].add_(x[:, :, :-1]) is None or y,
    "circular padding": lambda x: torch_functional.pad(x, (1, 1, 1, 1), mode="circular"),
    "different steps": lambda x: x[:, :, ::2] + x[:, :, :10],
    "sort": lambda x: x.sort(2).values,
    "fourier": lambda x: torch.fft.fft2(x).real,
    "reshape across": lambda x: x.reshape(2, 1, 16, 30),
}


@pytest.mark.parametrize("name", LOST)
def test_what_is_not_followed_is_unavailable(name: str) -> None:
    model = nn.Sequential(conv(3), Functional(LOST[name]), conv(3))
    report = analyze(model, torch.ones(2, 1, 20, 24), time=False)
    assert report.total.view.status is Status.UNAVAILABLE
    assert report.total.view.reason
    assert report.by_module()[1].view.value == ReceptiveField((3, 3), whole=False)


def test_order_of_channels_does_not_matter() -> None:
    shuffle = Functional(lambda x: x.flip(1)[:, [0, 0]].roll(1, 1))
    model = nn.Sequential(shuffle, nn.Conv2d(2, 1, 3))
    assert field(model, 2, 3, 9, 9).size == (3, 3)


def test_octaves_see_the_low_grid_too() -> None:
    plain = nn.Conv2d(4, 4, 3, padding=1)
    first = juanji.nn.OctaveConv2d.from_conv(plain, alpha_in=0, alpha_out=0.5)
    last = juanji.nn.OctaveConv2d.from_conv(plain, alpha_in=0.5, alpha_out=0)
    report = analyze(nn.Sequential(first, nn.ReLU(), last), torch.ones(1, 4, 32, 32), time=False)
    # low cells average 2x2: three of them see 6 cells, then three low cells see 4 more
    assert [row.view.value and row.view.value.size for row in report.by_module()] == [
        (10, 10), (6, 6), (6, 6), (10, 10),
    ]  # fmt: skip


def test_several_inputs() -> None:
    model = nn.Bilinear(2, 2, 1)
    model.forward = lambda a, b, c: conv(3)(a) + conv(5)(b) + c  # type: ignore[method-assign]
    a = torch.ones(1, 1, 9, 9)
    assert analyze(model, a, a.clone(), 2.0, time=False).total.view.value == ReceptiveField(
        (5, 5), whole=False
    )
    model.forward = lambda a, b: conv(3)(a).mean() + conv(5)(b)  # type: ignore[method-assign]
    figure = analyze(model, a, torch.ones(1, 1, 7, 9), time=False).total.view
    assert figure.reason == "the inputs differ in size"


def test_without_windows_there_is_no_field() -> None:
    assert analyze(nn.Linear(3, 4), torch.ones(2, 3), time=False).total.view.value is None
    model = Functional(lambda x: torch_functional.conv1d(torch.ones(1, 1, 5), torch.ones(1, 1, 3)))
    figure = analyze(model, torch.ones(2, 1, 5), time=False).total.view
    assert figure.reason == "it does not depend on the inputs that are followed"
