"""What bad arguments get: an error that names the argument, the value given and what is right.

Every operator with a window, groups or padding is asked with every bad value of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from contract import map_arguments, outputs
from juanji import functional as F
from juanji.catalog import CATALOG, Case, Operator, dimensions, function_name, tensors

HUGE = (2**31, 2**62, 2**70)
NOT_INTEGERS = (1.5, "2", True, None)


def bad_options(operator: Operator, case: Case) -> Iterator[tuple[str, Any, type[Exception], str]]:
    """Yield (argument, bad value, error, what the message must hold)."""
    axes = dimensions(case)
    if "matrix" in operator.name:
        axes = len(case.options["input_size"])
    parameters = inspect.signature(operator.call).parameters
    for name in ("kernel_size", "stride", "dilation"):
        if name not in parameters:
            continue
        word = name.removesuffix("_size")
        for value in (0, -1, *HUGE):
            given = (value,) * axes  # an int of kernel_size says that the input is batched
            yield (
                name,
                given,
                ValueError,
                rf"{word} must be at least 1 and below 2\*\*31, got {value}",
            )
        wrong = (1,) * (axes + 1)
        if name != "kernel_size":
            yield name, wrong, ValueError, rf"{name} must .*one value per axis \({axes}\)"
            if axes > 1:
                yield name, (1,), ValueError, rf"{name} must .*one value per axis \({axes}\)"
        for value in NOT_INTEGERS:
            if not (name in ("stride",) and value is None):
                yield name, (value,) * axes, TypeError, f"{name} must be an integer, got {value!r}"
    if "padding" in parameters:
        yield "padding", -1, ValueError, "padding must be at least 0 .*got .*-1"
        yield "padding", ((0, -1),) * axes, ValueError, "padding must be at least 0 .*got .*-1"
        for value in HUGE:
            yield "padding", value, ValueError, f"padding must be .*below 2.*got .*{value}"
        yield "padding", ((0, 1, 2),) * axes, ValueError, "padding .*pair, got"
        yield "padding", (0,) * (axes + 1), ValueError, f"padding must .*got {axes + 1} values"
        yield "padding", "sam", ValueError, "padding must be .*got 'sam'"
        yield "padding", 0.5, TypeError, "padding must be an integer, got 0.5"
    for name in ("groups", "primary_groups", "secondary_groups"):
        if name in parameters:
            yield name, 0, ValueError, f"{name}.* must be at least 1.*got.* 0"
            yield name, -2, ValueError, f"{name}.* must be at least 1.*got.* -2"
            yield name, 7, ValueError, "7|multiple|groups"
    for name in ("alpha", "alpha_in", "alpha_out"):
        if name in parameters:
            for value in (-0.1, 1.1, float("nan"), "x", None):
                message = rf"{name} must be a number in \[0, 1\], got {value!r}"
                yield name, value, ValueError, message


def public() -> list[Operator]:
    """Return one operator for each public function."""
    found: dict[Any, Operator] = {}
    for operator in CATALOG:
        if function_name(operator):
            found.setdefault(operator.call, operator)
    return list(found.values())


@pytest.mark.parametrize("operator", public(), ids=lambda operator: operator.name)
def test_bad_options_are_refused_by_name_and_value(operator: Operator) -> None:
    for case in operator.cases:
        arguments = tensors(case)
        for name, value, error, message in bad_options(operator, case):
            options = {**case.options, name: value}
            with pytest.raises(error) as caught:
                operator.call(**arguments, **options)
            text = str(caught.value)
            assert re.search(message, text, re.DOTALL), (name, value, text)


@pytest.mark.parametrize("operator", public(), ids=lambda operator: operator.name)
def test_tensors_that_do_not_fit_are_refused_by_name(operator: Operator) -> None:
    for case in operator.cases:
        floats = [n for n, given in case.arguments.items() if not isinstance(given, tuple)]
        floats = [n for n in floats if case.arguments[n].kind != "indices"]
        for name in floats:
            arguments = tensors(case)
            if operator.call not in (F.channel_shuffle, F.octave_merge, F.conv_matrix):
                with pytest.raises(TypeError, match=r"must (be floating-point|have the dtype)"):
                    operator.call(**arguments | {name: arguments[name].long()}, **case.options)
            if len(floats) > 1 and operator.call is not F.octave_merge:
                with pytest.raises(TypeError, match=r"must have the dtype of .*torch.float"):
                    operator.call(**arguments | {name: arguments[name].float()}, **case.options)
                with pytest.raises(TypeError, match=r"must be on the device of .*meta"):
                    operator.call(**arguments | {name: arguments[name].to("meta")}, **case.options)
            if name != "bias" and operator.call is not F.channel_shuffle:
                with pytest.raises((ValueError, TypeError), match="must"):
                    operator.call(**arguments | {name: arguments[name].flatten()}, **case.options)


@pytest.mark.parametrize("operator", public(), ids=lambda operator: operator.name)
def test_a_window_larger_than_the_padded_input_is_refused_with_both_sizes(
    operator: Operator,
) -> None:
    parameters = inspect.signature(operator.call).parameters
    if "dilation" not in parameters or "output_padding" in parameters:  # transposed: all fit
        return
    for case in operator.cases:
        if case.options.get("transposed"):
            continue
        options = {**case.options, "dilation": 1000, "padding": 0}
        with pytest.raises(ValueError, match=r"kernel spans (\d+) cells .*padded input has \d+"):
            outputs(operator.call, tensors(case), Case(case.label, case.arguments, options))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_without_input_channels_the_output_is_the_bias(dimensions: int, transposed: bool) -> None:
    x = torch.randn(2, 0, *(4, 5, 6)[:dimensions], requires_grad=True)
    bias = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    kernel = (3, 2, 1)[:dimensions]
    if transposed:
        y = F.conv_transpose(x, torch.randn(0, 3, *kernel), bias, padding=1)
        size = tuple(n + k - 3 for n, k in zip(x.shape[2:], kernel, strict=True))
    else:
        y = F.conv(x, torch.randn(3, 0, *kernel), bias, padding=1)
        size = tuple(n + 3 - k for n, k in zip(x.shape[2:], kernel, strict=True))
    assert y.shape == (2, 3, *size)
    assert y.equal(bias.detach().reshape(3, *(1 for _ in size)).expand_as(y))
    y.sum().backward()
    assert x.grad is not None
    assert bias.grad is not None
    assert bias.grad.equal(torch.full((3,), 2.0 * y[0, 0].numel()))


POOLS = ("max_pool", "avg_pool", "global_max_pool", "global_avg_pool")


@pytest.mark.parametrize("name", POOLS)
def test_nan_in_a_window_comes_out(name: str) -> None:
    x = torch.arange(60.0).reshape(1, 2, 5, 6)
    x[0, 1, 2, 3] = float("nan")
    arguments = () if "global" in name else ((2, 3), 1)
    y = getattr(F, name)(x, *arguments)
    assert y[:, 0].isfinite().all()
    assert y[:, 1].isnan().any()
    if "global" not in name:
        windows = torch.nn.functional.max_pool2d(x.isnan().float(), (2, 3), 1) > 0
        assert y.isnan().equal(windows)


def test_the_index_of_nan_and_of_minus_infinity_lies_in_the_window() -> None:
    for value in (float("nan"), float("-inf")):
        x = torch.full((1, 1, 4, 6), value)
        for padding in (0, ((1, 0), (0, 1)), "same"):
            y, indices = F.max_pool(x, (2, 3), padding=padding, return_indices=True)
            assert y.equal(torch.full_like(y, value)) or y.isnan().all()
            assert ((indices >= 0) & (indices < 24)).all()
            inside = F.max_unpool(torch.ones_like(y), indices, (2, 3), None, padding, (4, 6))
            assert int(inside.sum()) == y.numel()  # one cell for each window, no two alike


@pytest.mark.parametrize("index", [-1, 9, 2**31, 2**32, -(2**62)])
def test_an_unpooling_index_out_of_range_is_an_index_error_before_any_write(index: int) -> None:
    indices = torch.zeros(1, 1, 3, dtype=torch.int64)
    indices[0, 0, 1] = index
    with pytest.raises(IndexError, match=f"indices must be at least 0 and below 9, .*got {index}"):
        F.max_unpool(torch.ones(1, 1, 3), indices, 3)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_stochastic_pooling_refuses_values_that_are_no_weights(bad: float) -> None:
    x = torch.ones(1, 1, 6)
    x[0, 0, 4] = bad
    for training in (False, True):
        with pytest.raises(ValueError, match=f"input must hold .* at least 0, got {bad}"):
            F.stochastic_pool(x, 2, training=training)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30, 2.0**40])
def test_an_offset_to_nowhere_reads_nothing(bad: float) -> None:
    x = torch.randn(1, 2, 4, 5, requires_grad=True)
    weight = torch.randn(3, 2, 2, 2)
    offset = torch.full((1, 8, 3, 4), bad, requires_grad=True)
    y = F.deform_conv(x, offset, weight, torch.ones(3))
    y.sum().backward()
    assert y.equal(torch.ones_like(y))
    assert x.grad is not None
    assert offset.grad is not None
    assert not x.grad.count_nonzero()
    assert not offset.grad.count_nonzero()


@pytest.mark.parametrize("alpha_in", [0.1, 0.9])
def test_alpha_that_breaks_groups_is_refused(alpha_in: float) -> None:
    pair = F.octave_split(torch.randn(1, 10, 6), alpha_in)
    with pytest.raises(ValueError, match=r"alpha must leave every path divisible by groups, got"):
        F.octave_conv(*pair, torch.randn(10, 5, 3), alpha_in=alpha_in, alpha_out=0.5, groups=2)


def test_arguments_are_never_changed() -> None:
    for operator in CATALOG:
        for case in operator.cases:
            arguments = tensors(case)
            before = pytree.tree_map(torch.clone, arguments)
            outputs(operator.call, arguments, case)
            pairs = zip(pytree.tree_leaves(arguments), pytree.tree_leaves(before), strict=True)
            assert all(a.equal(b) for a, b in pairs), operator.name
            assert map_arguments(case, arguments, lambda x: x).keys() == arguments.keys()
