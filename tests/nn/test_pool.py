"""The layers of pooling and unpooling against torch's and against the functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji import nn

SIZES = {1: (9,), 2: (8, 9), 3: (5, 6, 7)}
dimensions = pytest.mark.parametrize("dimensions", [1, 2, 3])


def rising(dimensions: int) -> Tensor:
    shape = (2, 3, *SIZES[dimensions])
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(torch.Size(shape).numel(), generator=generator).double().view(shape)


def equal(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@dimensions
@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool", "MaxUnpool"])
def test_arguments_come_in_torchs_order(kind: str, dimensions: int) -> None:
    ours, theirs = (
        [
            name
            for name, parameter in inspect.signature(
                getattr(module, f"{kind}{dimensions}d")
            ).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        for module in (nn, torch.nn)
    )
    assert ours[: len(theirs)] == theirs


@dimensions
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("MaxPool", (3, 2, 1, 2, False, True)),
        ("MaxPool", (2,)),
        ("MaxPool", (3, None, 1, 1, True)),
        ("AvgPool", (3, 2, 1, True, False)),
        ("AvgPool", (2,)),
    ],
)
def test_layers_equal_torchs(kind: str, arguments: tuple[Any, ...], dimensions: int) -> None:
    ours, theirs = (getattr(m, f"{kind}{dimensions}d")(*arguments) for m in (nn, torch.nn))
    x = rising(dimensions)
    equal(ours(x), theirs(x))
    equal(ours(x[0]), theirs(x[0]))  # unbatched


@dimensions
def test_unpooling_layers_restore_the_maxima(dimensions: int) -> None:
    x = rising(dimensions)
    pool = getattr(nn, f"MaxPool{dimensions}d")(2, return_indices=True)
    ours, theirs = (getattr(m, f"MaxUnpool{dimensions}d")(2) for m in (nn, torch.nn))
    equal(ours(*pool(x), output_size=x.shape), theirs(*pool(x), output_size=x.shape))
    spread = getattr(nn, f"AvgUnpool{dimensions}d")(2, padding="valid")
    pooled = pool(x)[0]
    equal(spread(pooled), F.avg_unpool(pooled, 2))
    equal(spread(pooled, x.shape), F.avg_unpool(pooled, 2, output_size=x.shape))


@dimensions
def test_layers_pass_every_argument_on(dimensions: int) -> None:
    x = rising(dimensions)
    options = {"stride": 2, "padding": "same", "dilation": 2}
    maximum = getattr(nn, f"MaxPool{dimensions}d")(2, **options, return_indices=True)
    equal(maximum(x), F.max_pool(x, 2, **options, return_indices=True))
    average = getattr(nn, f"AvgPool{dimensions}d")(2, **options, divisor_override=3)
    equal(average(x), F.avg_pool(x, 2, **options, divisor_override=3))


@dimensions
def test_stochastic_pooling_follows_the_mode_of_the_layer(dimensions: int) -> None:
    x = rising(dimensions)
    layer = getattr(nn, f"StochasticPool{dimensions}d")(3, 2, "same")
    torch.manual_seed(1)
    drawn = layer(x)
    equal(drawn, F.stochastic_pool(x, 3, 2, "same", generator=torch.Generator().manual_seed(1)))
    mean = layer.eval()(x)
    equal(mean, F.stochastic_pool(x, 3, 2, "same", training=False))
    assert not torch.equal(drawn, mean)
    with_indices = getattr(nn, f"StochasticPool{dimensions}d")(2, return_indices=True)
    values, indices = with_indices(x)
    equal(values, x.flatten(2).gather(-1, indices.flatten(2)).view_as(values))
    unpool = getattr(nn, f"MaxUnpool{dimensions}d")(2)
    equal(unpool(values, indices, x.shape).flatten(2).sum(-1), values.flatten(2).sum(-1))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=(2, 2))"),
        (
            nn.MaxPool1d(3, 2, "same", 2, True, True),
            "MaxPool1d(kernel_size=(3,), stride=(2,), padding='same', dilation=(2,), "
            "ceil_mode=True, return_indices=True)",
        ),
        (
            nn.AvgPool3d((1, 2, 3), 1, ((0, 1), 0, 0), count_include_pad=False, divisor_override=5),
            "AvgPool3d(kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=((0, 1), 0, 0), "
            "count_include_pad=False, divisor_override=5)",
        ),
        (nn.StochasticPool2d(3, 2), "StochasticPool2d(kernel_size=(3, 3), stride=(2, 2))"),
        (nn.MaxUnpool1d(2, padding=1), "MaxUnpool1d(kernel_size=(2,), padding=1)"),
        (nn.AvgUnpool2d(2), "AvgUnpool2d(kernel_size=(2, 2))"),
    ],
)
def test_repr_leaves_defaults_out(layer: torch.nn.Module, text: str) -> None:
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.MaxPool2d(0), ValueError, "kernel must be at least 1"),
        (lambda: nn.MaxPool2d((2,)), ValueError, r"kernel_size must .*one value per axis \(2\)"),
        (lambda: nn.AvgPool1d(2, 0), ValueError, "stride must be at least 1"),
        (lambda: nn.AvgPool3d(2, padding=-1), ValueError, "padding must be at least 0"),
        (lambda: nn.StochasticPool2d(2, padding="half"), ValueError, "padding must be one of"),
        (lambda: nn.MaxUnpool2d(2.5), TypeError, "kernel_size must be an integer"),
        (lambda: nn.AvgPool2d(2, dilation=0), ValueError, "dilation must be at least 1"),
    ],
)
def test_constructors_name_a_bad_argument(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()


def test_a_layer_is_bound_to_its_dimensions() -> None:
    with pytest.raises(ValueError, match=r"input must have 4 .*got shape \(2, 3, 5, 6, 7\)"):
        nn.MaxPool2d(2)(rising(3))
    assert not list(nn.MaxPool2d(2).state_dict())
