"""The grid: every case that `juanji bench` measures.

Tensors stay below 32 MiB and calls of the slowest peer below about a second, so that a run ends in
a quarter of an hour; large kernels therefore have fewer channels.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from .cases import OPERATORS, SIZES, Case

Shapes = Mapping[str, tuple[int, ...]]  # size -> (N, C, *spatial)

LINES: Shapes = {"small": (1, 256, 512), "medium": (1, 256, 4096), "large": (6, 256, 4096)}
MAPS: Shapes = {
    "small": (1, 128, 28, 28),
    "medium": (4, 128, 56, 56),
    "large": (4, 128, 112, 112),
}
WIDE_KERNEL_MAPS: Shapes = {
    "small": (1, 32, 28, 28),
    "medium": (1, 32, 56, 56),
    "large": (2, 32, 56, 56),
}
DENSE_MAPS: Shapes = {
    "small": (1, 64, 56, 56),
    "medium": (4, 64, 56, 56),
    "large": (16, 64, 56, 56),
}
VOLUMES: Shapes = {
    "small": (1, 64, 16, 16, 16),
    "medium": (1, 64, 32, 32, 32),
    "large": (2, 64, 32, 32, 32),
}
DEEP_MAPS: Shapes = {  # of the last layers of networks
    "small": (1, 512, 7, 7),
    "medium": (8, 1024, 7, 7),
    "large": (64, 1024, 7, 7),
}
EVERY = (LINES, MAPS, VOLUMES)


def at_each_size(
    operator: str,
    shapes: Shapes,
    groups: int = 1,
    per_group: int | None = None,
    **numbers: int,
) -> list[Case]:
    """Return an operator at every size; channels `per_group` are another way to give `groups`."""
    return [
        Case(
            operator,
            size,
            shape,
            groups=shape[1] // per_group if per_group else groups,
            **numbers,
        )
        for size, shape in shapes.items()
    ]


def coarse(shapes: Shapes) -> Shapes:
    """Return the shapes that windows of 2 pool to."""
    return {size: (*shape[:2], *(n // 2 for n in shape[2:])) for size, shape in shapes.items()}


def grid() -> list[Case]:
    """Return every case."""
    cases: list[Case] = []
    for kernel in (3, 31):
        cases += at_each_size("depthwise", LINES, kernel=kernel, per_group=1)
    for kernel in (3, 5, 7):
        cases += at_each_size("depthwise", MAPS, kernel=kernel, per_group=1)
    for kernel in (13, 31):
        cases += at_each_size("depthwise", WIDE_KERNEL_MAPS, kernel=kernel, per_group=1)
    cases += at_each_size("depthwise", MAPS, kernel=3, dilation=2, per_group=1)
    cases += at_each_size("depthwise", MAPS, kernel=3, stride=2, per_group=1)
    cases += at_each_size("depthwise", DEEP_MAPS, kernel=3, per_group=1)
    cases += at_each_size("depthwise", VOLUMES, kernel=3, per_group=1)
    for per_group in (2, 4, 8, 16):
        cases += at_each_size("grouped", MAPS, kernel=3, per_group=per_group)
    cases += at_each_size("grouped", MAPS, kernel=1, per_group=32)
    cases += at_each_size("grouped", DEEP_MAPS, kernel=3, per_group=4)
    cases += at_each_size("grouped", LINES, kernel=3, per_group=4)
    cases += at_each_size("grouped", VOLUMES, kernel=3, per_group=4)
    cases += at_each_size("dense", DENSE_MAPS, kernel=3)
    cases += at_each_size("shuffled-grouped", MAPS, kernel=1, groups=4)
    for operator in ("max-pool", "avg-pool"):
        for shapes in EVERY:
            cases += at_each_size(operator, shapes, kernel=2, stride=2)
        cases += at_each_size(operator, MAPS, kernel=3, stride=2)
        for kernel, stride in ((3, 2), (7, 7)):
            cases += at_each_size(operator, DEEP_MAPS, kernel=kernel, stride=stride)
    for shapes in EVERY:
        cases += at_each_size("stochastic-pool", shapes, kernel=2, stride=2)
    for operator in ("max-unpool", "avg-unpool"):
        for shapes in EVERY:
            cases += at_each_size(operator, coarse(shapes), kernel=2, stride=2)
    for shapes in EVERY:
        cases += at_each_size("channel-shuffle", shapes, groups=4)
    return cases


def select(operators: Sequence[str], sizes: Sequence[str]) -> list[Case]:
    """Return the cases of some operators and sizes; of all where none are named.

    Raises:
        ValueError: a name is unknown.

    >>> {case.label for case in select(["shuffled-grouped"], [])}
    {'2-D 1×1, 4 groups'}
    """
    for name, given, known in (("operator", operators, OPERATORS), ("size", sizes, SIZES)):
        for value in given:
            if value not in known:
                near = difflib.get_close_matches(value, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}{hint}")
    return [
        case
        for case in grid()
        if case.operator in (operators or OPERATORS) and case.size in (sizes or SIZES)
    ]
