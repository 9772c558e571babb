from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod

import pytest
import torch
from torch import Tensor

from juanji.bench import operators, sides
from juanji.bench.answers import WrongAnswerError, check, exact
from juanji.bench.bars import BARS
from juanji.bench.cases import CONVOLUTIONS, OPERATORS, SIZES, UNPOOLINGS, Case, Cell, cells
from juanji.bench.grid import grid, select
from juanji.bench.sides import Set, lay_out

GRID = grid()
KINDS = [case for case in GRID if case.size == "small"]


def shrunk(case: Case) -> Case:
    """The same case with few channels and cells; windows wider than the map stay."""
    channels = min(case.channels, 8)
    groups = max(1, case.groups * channels // case.channels)
    if case.operator == "channel-shuffle":
        groups = case.groups
    return replace(case, shape=(2, channels, *(6 for _ in case.shape[2:])), groups=groups)


def name(case: Case) -> str:
    return f"{case.operator} {case.label}"


@pytest.mark.parametrize("case", [shrunk(case) for case in KINDS], ids=name)
def test_every_side_of_every_cell_is_right(case: Case) -> None:
    torch.manual_seed(0)
    given = Set.draw(case)
    known = exact(case, given)
    for cell in cells(case):
        built = sides.sides(cell, [given])
        assert {"ours", "as given"} <= set(built)
        for side, calls in built.items():
            assert check(cell, side, calls[0](), given, known) < 1e-5


def test_the_grid_has_every_cell_once() -> None:
    names = [cell.name for case in GRID for cell in cells(case)]
    assert len(set(names)) == len(names)
    assert {case.operator for case in GRID} == set(OPERATORS)
    sizes = Counter((case.operator, case.label) for case in GRID)
    assert set(sizes.values()) == {len(SIZES)}
    for operator in OPERATORS:
        dimensions = {case.dimensions for case in GRID if case.operator == operator}
        assert dimensions == ({2} if operator in ("dense", "shuffled-grouped") else {1, 2, 3})


def test_larger_sizes_are_larger_and_no_tensor_is_too_large() -> None:
    for small in KINDS:
        ordered = [case for case in GRID if name(case) == name(small)]
        assert [case.size for case in ordered] == list(SIZES)
        assert ordered[0].traffic < ordered[1].traffic < ordered[2].traffic
    assert max(4 * prod(case.output_shape) for case in GRID) < 2**25
    assert max(4 * prod(case.shape) for case in GRID) < 2**25


@pytest.mark.parametrize("case", [shrunk(case) for case in KINDS], ids=name)
def test_shapes_and_traffic_are_those_of_the_tensors(case: Case) -> None:
    operands = operators.draw(case)
    output = operators.theirs(case)(*operands)
    assert output.shape == case.output_shape
    assert case.traffic == output.nbytes + sum(x.nbytes for x in operands)


def test_arithmetic_counts_the_taps_inside_the_input() -> None:
    line = Case("depthwise", "small", (1, 2, 4), kernel=3, groups=2)
    assert line.flops == 2 * 2 * 10  # of 12 taps of each channel, 2 lie in the padding
    assert replace(line, operator="dense", groups=1).flops == 2 * 4 * 10
    assert Case("avg-pool", "small", (1, 2, 4, 4), kernel=2, stride=2).flops == 2 * 16
    moving = (*UNPOOLINGS, "channel-shuffle")
    assert all((case.flops == 0) == (case.operator in moving) for case in GRID)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_sides_get_what_the_layout_says(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("max-pool", "small", (2, 3, *[4] * dimensions), kernel=2, stride=2)
    seen: list[Tensor] = []
    monkeypatch.setattr(operators, "ours", lambda _: lambda x: seen.append(x) or x)
    for layout, first in (("contiguous", -1), ("channels last", 1)):
        cell = Cell(case, "forward", layout)  # type: ignore[arg-type]
        built = sides.sides(cell, [Set.draw(case)])
        built["ours"][0]()
        assert seen[-1].stride(first) == 1
        if "channels last" in built:  # and the result comes back in the layout given
            assert built["channels last"][0]().stride(first) == 1
        assert ("channels last" in built) == (layout == "contiguous" or dimensions == 1)


def test_laying_out_copies_only_what_lies_otherwise() -> None:
    x = torch.randn(2, 3, 4, 5)
    last = lay_out(x, "channels last")
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, x)
    assert lay_out(x, "contiguous") is x
    assert lay_out(last, "channels last").data_ptr() == last.data_ptr()


def test_select() -> None:
    assert select([], []) == GRID
    chosen = select(["dense", "max-pool"], ["small"])
    assert {(case.operator, case.size) for case in chosen} == {
        ("dense", "small"),
        ("max-pool", "small"),
    }
    with pytest.raises(ValueError, match=r"operator must be one of .*; did you mean 'dense'\?"):
        select(["dens"], [])
    with pytest.raises(ValueError, match="size must be one of small, medium, large, got 'huge'"):
        select([], ["huge"])


# Wrong answers


@pytest.mark.parametrize("operator", CONVOLUTIONS)
def test_one_wrong_cell_is_noticed(operator: str) -> None:
    case = Case(operator, "small", (1, 4, 6, 6), kernel=1, groups=2)
    given = Set.draw(case)
    known = exact(case, given)
    for cell in cells(case):
        answer = sides.sides(cell, [given])["ours"][0]().clone()
        answer[0, 0, 0, 0] += 1e-3 * answer.abs().max()
        with pytest.raises(WrongAnswerError, match=r"differs from float64 by 1\.0e-03"):
            check(cell, "ours", answer, given, known)
        answer[0, 0, 0, 0] = torch.nan
        with pytest.raises(WrongAnswerError, match="beyond measure"):
            check(cell, "ours", answer, given, known)
        with pytest.raises(WrongAnswerError, match="shape"):
            check(cell, "ours", answer[:, :1], given, known)


def test_a_draw_that_breaks_a_law_is_noticed() -> None:
    torch.manual_seed(0)
    case = Case("stochastic-pool", "small", (2, 4, 16, 16), kernel=2, stride=2)
    given = Set.draw(case)
    forward, gradient = (
        Cell(case, "forward", "contiguous"),
        Cell(case, "input gradient", "contiguous"),
    )
    x = given.operands[0]
    with pytest.raises(WrongAnswerError, match="not from its window"):
        check(forward, "ours", torch.full(case.output_shape, 0.5), given, {})
    for biased in (x[..., ::2, ::2], torch.nn.functional.max_pool2d(x, 2)):
        with pytest.raises(WrongAnswerError, match="deviations from its expectation"):
            check(forward, "ours", biased, given, {})
    spread = torch.nn.functional.interpolate(given.upstream, scale_factor=2) / 4
    with pytest.raises(WrongAnswerError, match="does not go to one of its cells"):
        check(gradient, "ours", spread, given, {})


def test_a_gradient_of_zero_need_not_go_anywhere() -> None:
    case = Case("stochastic-pool", "small", (2, 4, 16), kernel=2, stride=2)
    given = Set.draw(case)
    given.upstream[0, 0, 0] = 0
    cell = Cell(case, "input gradient", "contiguous")
    check(cell, "ours", sides.sides(cell, [given])["ours"][0](), given, {})


# Bars


def test_every_bar_covers_cells_at_every_size_it_names() -> None:
    every = [cell for case in GRID for cell in cells(case)]
    covered = {(bar.work, bar.against): [c for c in every if bar.covers(c)] for bar in BARS}
    assert len(covered["every cell", "better layout"]) == len(every)
    for (work, _), found in covered.items():
        sizes = {cell.case.size for cell in found}
        narrower = {"dense 3×3, one image, forward, contiguous": {"small"}}
        narrower["depthwise 1-D, length 4096, 3 and 31 taps"] = {"medium", "large"}
        assert sizes == narrower.get(work, set(SIZES)), work


@pytest.mark.parametrize(
    ("work", "count"),
    [
        ("depthwise, forward", 11 * 2 * 3),
        ("depthwise 2-D, weight gradient of 5×5 and 7×7", 2 * 2 * 3),
        ("depthwise 2-D, dilated, both gradients", 2 * 2 * 3),
        ("depthwise 1-D, length 4096, 3 and 31 taps", 2 * 3 * 2 * 2),
        ("depthwise 3-D: contiguous; channels last, both gradients", (3 + 2) * 3),
        ("grouped, 2 channels per group", 3 * 2 * 3),
        ("grouped, 4 channels per group", 4 * (3 * 2 * 3)),
        ("max pooling forward, average pooling both ways, contiguous", 6 * 3 * 3),
        ("grouped 1×1 with shuffle, forward, channels last", 3),
        ("dense 3×3, one image, forward, contiguous", 1),
    ],
)
def test_bars_cover_so_many_cells(work: str, count: int) -> None:
    bar = next(bar for bar in BARS if bar.work == work)
    assert sum(bar.covers(cell) for case in GRID for cell in cells(case)) == count
