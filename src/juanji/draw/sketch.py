"""A scene while it is put together: each stage reads the grids of the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from .. import cost
from ..bind import Bound
from . import stages
from .scene import CELLS, STEPS, TAPS, Arrow, Fact, Grid, Role, Scene, Step, Tap, Write, at_most
from .stages import Numbers, groups_of, numbers, read, unflat, written
from .texts import number
from .windows import around


@dataclass
class Sketch:
    """Grids, steps and arrows so far, and what the convolutions among them cost."""

    grids: dict[str, Grid] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)

    def input(
        self, size: Sequence[int], channels: int, values: Numbers | None, *, row: int = 0,
        groups: int = 1,
    ) -> Grid:  # fmt: skip
        """Add the grid that everything starts from."""
        cells = channels * prod(size)
        at_most("cells", cells, CELLS)
        return self.add(
            Grid(
                "input", "input", "input", tuple(size), channels,
                numbers("input", values, cells, 0, 9, seed=1), 0, row,
                groups=groups_of(channels, groups),
            )
        )  # fmt: skip

    def add(self, grid: Grid) -> Grid:
        """Add a grid."""
        self.grids[grid.name] = grid
        return grid

    def conv(
        self, sources: Grid | Sequence[Grid], name: str, bound: Bound,
        weight: Numbers | None = None, *, column: int, row: int = 0, bias: Numbers | None = None,
        relu: bool = False, role: Role = "between", title: str | None = None, seed: int = 2,
        weight_at: tuple[int, int] | None = None, rest: Numbers | None = None,
    ) -> Grid:  # fmt: skip
        """Add the convolution of one grid, or of several whose channels are concatenated.

        Its weight stands below it, or at (column, row). `relu`: negative sums become zero; `rest`:
        what channels that are not shown add to each output.
        """
        given = [sources] if isinstance(sources, Grid) else list(sources)
        spec = stages.conv_of(bound)
        kernel = prod(axis.kernel for axis in bound.axes)
        out = spec.out_channels * prod(bound.output_size)
        at_most("cells", out + cost.weights(spec) + sum(len(g.values) for g in self.grids.values()),
                CELLS)  # fmt: skip
        at_most("steps", out + len(self.steps), STEPS)
        at_most("taps", out * spec.in_channels // spec.groups * kernel, TAPS)
        edges = [around(axis) for axis in bound.axes]
        low, high = tuple(low for low, _ in edges), tuple(high for _, high in edges)
        given = [self.add(_with_edges(self.grids[grid.name], low, high)) for grid in given]
        place = weight_at or (column, row + 1)
        kernels = self.add(
            stages.weight_grid(
                bound, weight, column=place[0], row=place[1], name=f"{name} weight", seed=seed
            )
        )
        kernels = self.add(replace(kernels, title="weight"))
        added = None
        if bias is not None:
            added = self.add(
                stages.bias_grid(bias, column=column, row=row + 2, name=f"{name} bias")
            )
        others = None
        if rest is not None:
            others = self.add(
                stages.rest_grid(bound, rest, column=column, row=row + 3, name=f"{name} rest")
            )
        joined = given[0] if len(given) == 1 else _joined(given)
        steps: Sequence[Step] = stages.gathered(
            bound, joined, kernels, name, bias=added, rest=others, stage=name, first_row=None
        )
        if len(given) > 1:
            steps = [_parted(step, given) for step in steps]
        if relu:
            steps = [rectified(step) for step in steps]
        self.steps += steps
        self.weights.append(cost.weights(spec, bias=bias is not None))
        self.products.append(cost.multiply_adds(bound).dense)
        self.arrows += (Arrow(grid.name, name) for grid in given)
        made = stages.output_grid(bound, steps, column=column, row=row, name=name, role=role)
        return self.add(replace(made, title=title or name))

    def shuffle(
        self, source: Grid, name: str, groups: int, *, column: int, row: int = 0,
        role: Role = "between",
    ) -> Grid:  # fmt: skip
        """Add a channel shuffle: channel g * C / groups + i goes to i * groups + g.

        The channels keep the colour of the group they come from.
        """
        per_group = source.channels // groups
        if not source.groups:
            source = replace(source, groups=groups_of(source.channels, groups))
        targets, texts = [], []
        for channel in range(source.channels):
            group, local = divmod(channel, per_group)
            targets.append(local * groups + group)
            text = f"{channel} = {group}*{per_group} + {local} -> "
            texts.append(text + f"{local}*{groups} + {group} = {targets[-1]}")
        return self.permute(source, name, targets, texts, column=column, row=row, role=role)

    def permute(
        self, source: Grid, name: str, targets: Sequence[int], texts: Sequence[str], *,
        column: int, row: int = 0, role: Role = "between",
    ) -> Grid:  # fmt: skip
        """Add a reordering: channel c of the source becomes channel targets[c]."""
        colors = [0] * source.channels
        for channel, (target, text) in enumerate(zip(targets, texts, strict=True)):
            self.steps.append(_copied(source, channel, name, target, text))
            colors[target] = source.groups[channel] if source.groups else 0
        self.arrows.append(Arrow(source.name, name))
        values = written(name, self.steps, source.channels, source.size)
        return self.add(
            Grid(name, name, role, source.size, source.channels, values, column, row,
                 groups=tuple(colors) if source.groups else ())
        )  # fmt: skip

    def concatenate(
        self, sources: Sequence[Grid], name: str, *, column: int, row: int = 0,
        role: Role = "between",
    ) -> Grid:  # fmt: skip
        """Add the channels of several grids behind each other, a colour for each grid."""
        colors: list[int] = []
        for index, source in enumerate(sources):
            for channel in range(source.channels):
                text = f"{channel} -> {len(colors)}"
                self.steps.append(_copied(source, channel, name, len(colors), text))
                colors.append(index)
            self.arrows.append(Arrow(source.name, name))
        size = sources[0].size
        values = written(name, self.steps, len(colors), size)
        return self.add(
            Grid(name, name, role, size, len(colors), values, column, row, groups=tuple(colors))
        )

    def each(
        self, sources: Sequence[Grid], name: str, function: Callable[[Sequence[float]], float],
        text: Callable[[Sequence[str], str], str], *, column: int, row: int = 0,
        role: Role = "between", title: str | None = None,
    ) -> Grid:  # fmt: skip
        """Add what a function makes of the same cell of several grids; `text` writes it down."""
        first = sources[0]
        for channel in range(first.channels):
            for index in range(prod(first.size)):
                at = unflat(index, first.size)
                values = [read(grid, channel, at) for grid in sources]
                result = function(values)
                taps = tuple(
                    Tap(grid.name, channel, at, value)
                    for grid, value in zip(sources, values, strict=True)
                )
                terms = [f"({number(value)})" if value < 0 else number(value) for value in values]
                written_out = text(terms, number(result))
                write = Write(name, channel, at, result)
                self.steps.append(Step(name, taps, (write,), written_out))
        self.arrows += (Arrow(grid.name, name) for grid in sources)
        values = list(written(name, self.steps, first.channels, first.size))
        return self.add(
            Grid(name, title or name, role, first.size, first.channels, tuple(values), column, row,
                 groups=first.groups)
        )  # fmt: skip

    def scene(
        self, operator: str, title: str, facts: Sequence[Fact] = (), *,
        ordinary: Bound | None = None,
    ) -> Scene:  # fmt: skip
        """Return the scene; beside its costs stand those of an ordinary convolution."""
        weights, products = _sum(self.weights), _sum(self.products)
        if ordinary is not None:
            weights += f" ({cost.weights(stages.conv_of(ordinary))})"
            products += f" ({cost.multiply_adds(ordinary).dense})"
        own = [Fact("weights", weights), Fact("multiply-adds", products)] if self.weights else []
        return Scene(
            operator=operator,
            title=title,
            facts=(*facts, *own),
            grids=tuple(self.grids.values()),
            steps=tuple(self.steps),
            arrows=tuple(self.arrows),
        )


def rectified(step: Step) -> Step:
    """Return the step with zero in place of a negative value."""
    (write,) = step.writes
    value = max(write.value, 0.0)
    text = f"max(0, {step.arithmetic}) = {number(value)}"
    return replace(step, writes=(replace(write, value=value),), arithmetic=text)


def _copied(source: Grid, channel: int, name: str, target: int, text: str) -> Step:
    """Return the step that writes one channel into another grid."""
    cells = [unflat(index, source.size) for index in range(prod(source.size))]
    values = [read(source, channel, at) for at in cells]
    pairs = list(zip(cells, values, strict=True))
    return Step(
        name,
        tuple(Tap(source.name, channel, at, value, 1.0) for at, value in pairs),
        tuple(Write(name, target, at, value) for at, value in pairs),
        text,
        scatter=True,
    )


def _with_edges(grid: Grid, low: tuple[int, ...], high: tuple[int, ...]) -> Grid:
    """Return the grid with room for the padding of one more convolution that reads it."""
    none = (0,) * len(low)
    return replace(
        grid,
        low=tuple(map(max, grid.low or none, low)),
        high=tuple(map(max, grid.high or none, high)),
    )


def _joined(grids: Sequence[Grid]) -> Grid:
    """Return one grid of all channels."""
    values = tuple(value for grid in grids for value in grid.values)
    return replace(
        grids[0], channels=sum(grid.channels for grid in grids), values=values, groups=()
    )


def _parted(step: Step, grids: Sequence[Grid]) -> Step:
    """Return the step with its taps on the grids that were joined."""

    def part(tap: Tap) -> Tap:
        channel: Any = tap.channel
        if tap.grid != grids[0].name:  # a bias
            return tap
        for grid in grids:
            if channel < grid.channels:
                return replace(tap, grid=grid.name, channel=channel)
            channel -= grid.channels
        return tap

    return replace(step, taps=tuple(map(part, step.taps)))


def _sum(counts: Sequence[int]) -> str:
    if len(counts) == 1:
        return str(counts[0])
    return f"{' + '.join(map(str, counts))} = {sum(counts)}"
