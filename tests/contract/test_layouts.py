"""However the arguments lie in memory, and whatever the batch: the contiguous answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from contract import (
    assert_equal,
    cases,
    gradients,
    map_arguments,
    outputs,
    positional,
    with_gradient,
)
from juanji.catalog import Case, Operator, dimensions, each, tensors

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(x: Tensor) -> Tensor:
    """Channels innermost, as torch's memory formats have them, in 1-D too."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def strided(x: Tensor) -> Tensor:
    """Every second value of a larger tensor, axes in reverse order."""
    wide = x.permute(*reversed(range(x.ndim))).repeat_interleave(2, dim=-1)
    return wide[..., ::2].permute(*reversed(range(x.ndim)))


def expanded(x: Tensor) -> Tensor:
    """The first element of the batch, for all of them."""
    return x[:1].expand_as(x)


def overlapping(x: Tensor) -> Tensor:
    """Rows of one memory, each shifted by one value."""
    memory = x.flatten()
    steps = (1,) * x.ndim
    return memory.as_strided(x.shape, steps)


LAYOUTS = [channels_last, strided, expanded, overlapping]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@cases("gradient")
def test_every_layout_gives_the_contiguous_answer(
    operator: Operator, case: Case, layout: Callable[[Tensor], Tensor], device: str
) -> None:
    laid_out = map_arguments(case, tensors(case, device=device), layout)
    if layout is strided:  # weights too
        laid_out = pytree.tree_map(strided, tensors(case, device=device))
    contiguous = pytree.tree_map(lambda x: x.clone(memory_format=torch.contiguous_format), laid_out)
    expected = gradients(operator.call, contiguous, case)
    before = [(x, x.clone()) for x in pytree.tree_leaves(laid_out)]
    for found, wanted in zip(gradients(operator.call, laid_out, case), expected, strict=True):
        assert_equal(found, wanted)
    for x, copy in before:
        assert x.equal(copy), "the operator changed its argument"


def channels_innermost(x: Tensor) -> bool | None:
    """Whether the channels of a cell lie side by side; None where axes of one cell leave it open,

    and in 1-D, where torch has no such format.
    """
    if x.ndim < 4 or 1 in x.shape[1:]:
        return None
    return x.stride(1) < min(x.stride()[2:])


@cases()
def test_the_output_has_the_memory_format_of_the_input(operator: Operator, case: Case) -> None:
    plain = tensors(case, dtype=torch.float32)
    kinds = [argument for given in case.arguments.values() for argument in each(given)]
    if dimensions(case) > 1 and not any(1 in kind.shape[1:] for kind in kinds if kind.maps):
        arguments = map_arguments(case, plain, channels_last)
        for y in outputs(operator.call, arguments, case):
            assert channels_innermost(y) is not False, y.stride()
    for y in outputs(operator.call, plain, case):
        assert not channels_innermost(y), y.stride()


@cases("unbatched")
def test_unbatched_is_one_element_of_the_batch(operator: Operator, case: Case) -> None:
    arguments = tensors(case)
    expected = [y[1 % len(y)] for y in outputs(operator.call, arguments, case)]
    one = map_arguments(case, arguments, lambda x: x[1 % len(x)])
    assert_equal(outputs(operator.call, one, case), expected)


@cases("unbatched", limited=True)
def test_what_takes_no_unbatched_input_says_so(operator: Operator, case: Case) -> None:
    limit = operator.limits["unbatched"]
    if limit.refused is None:
        assert limit.reason
        return
    one = map_arguments(case, tensors(case), lambda x: x[0])
    with pytest.raises((ValueError, TypeError), match=limit.refused):
        outputs(operator.call, one, case)


@cases("gradient")
def test_an_empty_batch_gives_an_empty_output_and_zero_weight_gradients(
    operator: Operator, case: Case, device: str
) -> None:
    expected = [(0, *y.shape[1:]) for y in outputs(operator.call, tensors(case), case)]
    arguments = tensors(case, batch=0, device=device)
    assert [tuple(y.shape) for y in outputs(operator.call, arguments, case)] == expected
    _, found = gradients(operator.call, arguments, case)
    kinds = [argument for given in case.arguments.values() for argument in each(given)]
    for argument, gradient in zip(
        (kind for kind in kinds if kind.kind != "indices"), found, strict=True
    ):
        shape = (0, *argument.shape[1:]) if argument.maps else argument.shape
        assert tuple(gradient.shape) == shape
        assert not gradient.count_nonzero()


@cases("fake")
def test_without_data_come_the_same_shapes_strides_and_dtypes(
    operator: Operator, case: Case
) -> None:
    for layout in [lambda x: x, channels_last][: dimensions(case)]:  # 1-D has no such format
        arguments = map_arguments(case, tensors(case, dtype=torch.float32), layout)
        real = outputs(operator.call, arguments, case)
        with FakeTensorMode() as mode:
            fake = pytree.tree_map(mode.from_tensor, arguments)
            found = outputs(operator.call, fake, case)
        meta = outputs(operator.call, pytree.tree_map(lambda x: x.to("meta"), arguments), case)
        for y, fake_y, meta_y in zip(real, found, meta, strict=True):
            assert (fake_y.shape, fake_y.dtype) == (y.shape, y.dtype)
            assert (meta_y.shape, meta_y.dtype) == (y.shape, y.dtype)
            if 1 not in y.shape:  # the stride of an axis of one cell means nothing
                assert fake_y.stride() == y.stride()


def with_threads(threads: int, operator: Operator, case: Case) -> list[Tensor]:
    """Outputs and gradients, computed by a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ys, gs = gradients(operator.call, tensors(case, dtype=torch.float32), case)
    finally:
        torch.set_num_threads(before)
    return [*ys, *gs]


@cases("gradient", "threads", first=True)
def test_any_number_of_threads_gives_the_same_bits(operator: Operator, case: Case) -> None:
    expected = with_threads(1, operator, case)
    for threads in (2, 3):
        assert_equal(with_threads(threads, operator, case), expected, rtol=0, atol=0)


@cases("threads", limited=True, first=True)
def test_one_number_of_threads_gives_the_same_bits(operator: Operator, case: Case) -> None:
    expected = with_threads(2, operator, case)
    assert_equal(with_threads(2, operator, case), expected, rtol=0, atol=0)
    scale = max(float(x.abs().max()) for x in expected)
    rounding = 32 * torch.finfo(torch.float32).eps * scale
    assert_equal(with_threads(1, operator, case), expected, rtol=0, atol=rounding)


@cases("vmap", first=True)
def test_vmap_is_a_loop(operator: Operator, case: Case) -> None:
    arguments = tensors(case)
    call, flat = positional(operator.call, arguments, case)
    other = positional(operator.call, tensors(case, seed=1), case)[1]
    argument_kinds = [argument for given in case.arguments.values() for argument in each(given)]
    dims = tuple(0 if argument.maps else None for argument in argument_kinds)
    if all(dim is None for dim in dims):
        dims = (0,) * len(flat)
    stacked = [
        torch.stack([a, b]) if dim == 0 else a for a, b, dim in zip(flat, other, dims, strict=True)
    ]
    found = torch.func.vmap(call, in_dims=dims)(*stacked)
    one = call(*flat)
    two = call(*(b if dim == 0 else a for a, b, dim in zip(flat, other, dims, strict=True)))
    assert_equal(found, [torch.stack(pair) for pair in zip(one, two, strict=True)])


@cases("vmap", limited=True)
def test_what_cannot_be_vectorized_says_so(operator: Operator, case: Case) -> None:
    limit = operator.limits["vmap"]
    if limit.refused is None:
        assert limit.reason
        return
    call, flat = positional(operator.call, tensors(case), case)
    with pytest.raises(RuntimeError, match=limit.refused):
        torch.func.vmap(call)(*(torch.stack([x, x]) for x in flat))


@cases("gradient", first=True)
def test_func_grad_is_autograd(operator: Operator, case: Case) -> None:
    arguments = tensors(case)
    call, flat = positional(operator.call, arguments, case)
    where = tuple(i for i, x in enumerate(flat) if x.is_floating_point())

    def loss(*leaves: Tensor) -> Tensor:
        return sum((y**2).sum() for y in call(*leaves) if y.is_floating_point())

    found = torch.func.grad(loss, argnums=where)(*flat)
    leaves = pytree.tree_leaves(with_gradient(arguments))
    expected = torch.autograd.grad(loss(*leaves), [leaves[i] for i in where])
    assert_equal(found, expected)
