"""`stochastic_pool` against its definition and its distribution."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from pool_cases import Arguments, innermost, is_innermost, pools, same
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from juanji import functional as F
from juanji.ops.native import native_status
from juanji.ops.pool import reference


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_numbers(generator: torch.Generator, like: Tensor) -> Tensor:
    """The random numbers of a call with this generator: a seed means one sample of each kernel."""
    if native_status().isa is None:
        return torch.rand(like.shape, generator=generator, dtype=like.dtype)
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return reference.uniforms(seed, like.shape, like.dtype)


def positive(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Random values, about a third of them zero, as after a ReLU."""
    return (torch.rand(shape, generator=seeded(seed), dtype=torch.float64) - 0.3).relu()


windows = pools(dilated=False, ceil=False)


@given(windows)
def test_drawing_equals_reference(case: tuple[Tensor, Arguments]) -> None:
    x, arguments = case
    x = positive(0, tuple(x.shape)) * x.relu()
    found = F.stochastic_pool(x, **arguments, generator=seeded(1), return_indices=True)
    random = random_numbers(seeded(1), found[0])
    expected = reference.stochastic_pool(x, **arguments, random=random, return_indices=True)
    same(found, expected)
    same(F.stochastic_pool(x, **arguments, generator=seeded(1)), expected[0])


@given(windows)
def test_evaluation_equals_reference(case: tuple[Tensor, Arguments]) -> None:
    x, arguments = case
    x = x.relu()
    options: Arguments = {"training": False, "return_indices": True}
    mean, indices = F.stochastic_pool(x, **arguments, **options)
    theirs, most_probable = reference.stochastic_pool(x, **arguments, **options)
    torch.testing.assert_close(mean, theirs)
    same(indices, most_probable)


@pytest.mark.parametrize(
    ("size", "kernel", "padding"),
    [((12,), (4,), 0), ((5, 5), (2, 3), "same"), ((5, 4, 3), (2, 2, 2), ((1, 0), (0, 1), 1))],
)
def test_cells_are_drawn_in_proportion_to_their_values(
    size: tuple[int, ...], kernel: tuple[int, ...], padding: Any
) -> None:
    draws = 20000
    x = positive(2, (1, 1, *size)).requires_grad_()
    many = x.expand(draws, *x.shape[1:])
    _, indices = F.stochastic_pool(
        many, kernel, 2, padding, generator=seeded(3), return_indices=True
    )
    cells = x.detach().flatten()
    # the gradient of a window's sum tells its cells
    sums = F.avg_pool(x, kernel, 2, padding, divisor_override=1).flatten()
    probabilities = []
    for window, drawn in enumerate(indices.flatten(1).T):
        (held,) = torch.autograd.grad(sums[window], x, retain_graph=True)
        share = (cells * held.flatten() / sums[window].detach()).numpy()
        counts = np.bincount(drawn.numpy(), minlength=len(cells))
        assert counts[share == 0].sum() == 0
        expected = draws * share[share > 0]
        if len(expected) > 1:
            probabilities.append(scipy.stats.chisquare(counts[share > 0], expected).pvalue)
    # under the right distribution these are uniform; a wrong one makes them vanish
    assert len(probabilities) >= 2
    assert min(probabilities) > 0.01 / len(probabilities)


def test_the_mean_of_many_draws_is_the_value_of_evaluation() -> None:
    x = positive(4, (1, 2, 5, 7))
    drawn = F.stochastic_pool(x.expand(20000, -1, -1, -1), 3, 2, 1, generator=seeded(5))
    mean = F.stochastic_pool(x, 3, 2, 1, training=False)
    deviation = drawn.std(0) / len(drawn) ** 0.5
    assert ((drawn.mean(0) - mean[0]).abs() <= 4.5 * deviation + 1e-12).all()


def test_evaluation_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0, 0.0, 0.0, 5.0, 0.0, 2.0, 2.0]]])
    same(F.stochastic_pool(x, 2, training=False), torch.tensor([[[2.5, 0.0, 5.0, 2.0]]]))


def test_neighbouring_draws_are_independent() -> None:
    x = torch.ones(1, 1, 40000)
    drawn = F.stochastic_pool(x, 2, generator=seeded(6), return_indices=True)[1].flatten() % 2
    pairs = [first * 2 + second for first, second in pairwise(drawn.tolist())]
    assert scipy.stats.chisquare(np.bincount(pairs)).pvalue > 0.001


def test_one_random_number_for_every_output_in_c_order_whatever_the_layout() -> None:
    x = positive(7, (2, 3, 6, 9))
    generator, counted = seeded(8), seeded(8)
    output, indices = F.stochastic_pool(x, 3, generator=generator, return_indices=True)
    random_numbers(counted, output)
    assert torch.equal(generator.get_state(), counted.get_state())
    again = F.stochastic_pool(innermost(x), 3, generator=seeded(8), return_indices=True)
    same(again, (output, indices))
    assert all(is_innermost(y) for y in again)
    assert not torch.equal(output, F.stochastic_pool(x, 3, generator=generator))


def test_the_global_seed_reproduces_it() -> None:
    x = positive(9, (2, 3, 8, 8))
    torch.manual_seed(1)
    first, second = F.stochastic_pool(x, 2), F.stochastic_pool(x, 2)
    torch.manual_seed(1)
    same((F.stochastic_pool(x, 2), F.stochastic_pool(x, 2)), (first, second))
    assert not torch.equal(first, second)


def test_the_number_of_threads_changes_nothing() -> None:
    x = positive(10, (2, 16, 40, 40)).float()
    before = torch.get_num_threads()
    outputs = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            outputs.append(F.stochastic_pool(x, 3, 2, generator=seeded(), return_indices=True))
    finally:
        torch.set_num_threads(before)
    same(outputs[0], outputs[1])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("padding", [0, 1, "same"])
def test_a_window_of_zeros_gives_zero_and_an_index_in_it(training: bool, padding: Any) -> None:
    x = torch.zeros(2, 3, 4, 6)
    output, indices = F.stochastic_pool(x, 3, 2, padding, training=training, return_indices=True)
    assert (output == 0).all()
    _, first = F.max_pool(x, 3, 2, padding, return_indices=True)
    same(indices, first)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bad", [-1.0, -(2.0**-100), float("nan"), float("inf"), float("-inf")])
def test_values_without_a_probability_are_refused(training: bool, bad: float) -> None:
    x = torch.ones(1, 2, 4, 4)
    x[0, 1, 2, 3] = bad
    generator = seeded()
    state = generator.get_state()
    with pytest.raises(ValueError, match=f"finite values of at least 0, got {bad}"):
        F.stochastic_pool(x, 2, training=training, generator=generator)
    assert torch.equal(generator.get_state(), state)  # refused before any draw


def test_integers_are_refused_and_an_empty_batch_is_not() -> None:
    with pytest.raises(TypeError, match=r"floating-point, got torch\.int64"):
        F.stochastic_pool(torch.ones(1, 1, 4, dtype=torch.int64), 2)
    for training in (True, False):
        for shape in ((0, 3, 4, 4), (2, 0, 4, 4)):
            output = F.stochastic_pool(torch.ones(shape), 2, training=training)
            assert output.shape == (*shape[:2], 2, 2)
            meta = torch.empty(shape, device="meta")
            assert F.stochastic_pool(meta, 2, training=training).shape == output.shape


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_half_precision_draws_a_value_of_the_window(dtype: torch.dtype) -> None:
    x = positive(11, (2, 3, 8, 8)).to(dtype)
    output, indices = F.stochastic_pool(x, 2, generator=seeded(), return_indices=True)
    assert output.dtype == dtype
    same(output, x.flatten(2).gather(-1, indices.flatten(2)).view_as(output))
    mean = F.stochastic_pool(x, 2, training=False)
    exact = F.stochastic_pool(x.double(), 2, training=False)
    assert mean.dtype == dtype
    torch.testing.assert_close(mean, exact.to(dtype))


@pytest.mark.parametrize("size", [(6,), (4, 5), (3, 4, 3)])
def test_derivatives_of_first_and_second_order(size: tuple[int, ...]) -> None:
    x = (positive(12, (1, 2, *size)) + 0.1).requires_grad_()
    kernel = (3,) * len(size)

    def drawn(x: Tensor) -> Tensor:
        return F.stochastic_pool(x, kernel, 2, "same", generator=seeded(13)) ** 2

    def averaged(x: Tensor) -> Tensor:
        return F.stochastic_pool(x, kernel, 2, "same", training=False)

    for function in (drawn, averaged):
        assert gradcheck(function, x)
        assert gradgradcheck(function, x)


def test_gradients_of_a_drawn_cell_and_of_a_window_of_zeros() -> None:
    x = positive(14, (1, 1, 6, 6))
    x[..., :2, :2] = 0
    x.requires_grad_()
    output, indices = F.stochastic_pool(x, 2, generator=seeded(), return_indices=True)
    (gradient,) = torch.autograd.grad(output.sum(), x)
    same(gradient.flatten().nonzero().flatten(), indices.flatten().sort().values)
    mean = F.stochastic_pool(x, 2, training=False)
    (gradient,) = torch.autograd.grad(mean.sum(), x)
    assert gradient.isfinite().all()
    assert (gradient[..., :2, :2] == 0).all()


def draw(x: Tensor) -> Any:
    return F.stochastic_pool(x, 2, return_indices=True)


def average(x: Tensor) -> Any:
    return F.stochastic_pool(x, 2, padding="same", training=False, return_indices=True)


both = pytest.mark.parametrize("call", [draw, average])


@both
def test_compiles_in_one_graph_that_asserts_the_values(call: Callable[[Tensor], Any]) -> None:
    torch.compiler.reset()
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    x = positive(15, (2, 3, 7, 9)).requires_grad_()
    outputs = []
    for function in (compiled, call):
        torch.manual_seed(16)
        outputs.append(function(x))
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(y[0].square().sum(), x) for y in outputs]
    torch.testing.assert_close(*gradients)
    with pytest.raises(RuntimeError, match="finite values of at least 0"):
        compiled((x.detach() - 1).requires_grad_())


@both
def test_exports_with_open_sizes(call: Callable[[Tensor], Any]) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: Tensor) -> Any:
            return call(x)

    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    example = positive(17, (3, 2, 8, 9))
    program = torch.export.export(Model(), (example,), dynamic_shapes=(sizes,)).module()
    x = positive(18, (2, 2, 7, 10))
    outputs = []
    for function in (program, call):
        torch.manual_seed(19)
        outputs.append(function(x))
    torch.testing.assert_close(*outputs)
    with pytest.raises(RuntimeError, match="finite values of at least 0"):
        program(-x - 1)


@both
def test_vmap_is_refused_and_grad_is_not(call: Callable[[Tensor], Any]) -> None:
    x = positive(20, (4, 2, 3, 6, 5))
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        torch.vmap(call, randomness="different")(x)
    x = x[0].requires_grad_()
    gradient = torch.func.grad(lambda x: call(x)[0].square().sum())(x)
    if call is average:
        torch.testing.assert_close(gradient, *torch.autograd.grad(call(x)[0].square().sum(), x))
        return
    # kernels draw different samples: of each window one cell, whose square has this derivative
    drawn = gradient != 0
    same(gradient[drawn], 2 * x.detach()[drawn])
    many = F.avg_pool(drawn.double(), 2, divisor_override=1)
    same(many, (F.max_pool(x.detach(), 2) > 0).double())


def test_values_far_apart_and_the_ends_of_the_random_range() -> None:
    tiny = torch.finfo(torch.float32).smallest_normal
    x = torch.tensor([tiny, 0.0, 1e30, 0.0]).expand(1, 3000, 4)
    assert (F.stochastic_pool(x, 4, generator=seeded()) == 1e30).all()
    x = torch.tensor([0.0, 0.0, 2.0**-149, 0.0]).expand(1, 3000, 4)  # the smallest number there is
    assert (F.stochastic_pool(x, 4, generator=seeded(), return_indices=True)[1] % 4 == 2).all()
