"""What part of a layer a picture shows where the whole is too large: cells and channels.

Cropped are outputs; the input cells shown are all that those outputs see. Of channels a few are
shown, and a convolution's scene adds up the others in one number, so every sum is the true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..bind import Bound, extent
from ..draw import windows
from ..draw.scene import Crop, Grid, Scene
from ..spec import Conv

# The most input cells that are shown along each of 1, 2 or 3 axes, and the cells a crop aims at.
WHOLE = (24, 12, 5)
PART = (14, 8, 4)
CHANNELS = 4  # of a group, input or output, that are all shown
FEW_IN, FEW_OUT = 3, 2  # shown where there are more
BLOCKS = 6  # channels of all groups together that are all shown


@dataclass(frozen=True, slots=True)
class View:
    """What the user wants to see of something large.

    `channel` is the first output channel, `at` the first output position; None: the middle.
    """

    channel: int = 0
    at: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """A part of the positions: a bound of its own, and where its input and output start."""

    bound: Bound
    into: tuple[int, ...]
    out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Channels:
    """A part of the channels: whole groups, or some channels of one group."""

    groups: range
    into: range  # within each group
    out: range

    def inputs(self, spec: Conv) -> list[int]:
        """Return the numbers of the input channels shown."""
        per_group = spec.in_channels // spec.groups
        return [group * per_group + local for group in self.groups for local in self.into]

    def outputs(self, spec: Conv) -> list[int]:
        """Return the numbers of the output channels shown."""
        per_group = spec.out_channels // spec.groups
        return [group * per_group + local for group in self.groups for local in self.out]


def cells(bound: Bound, view: View) -> Cells:
    """Choose the output positions to show.

    Raises:
        ValueError: view.at is not a position of the output.
    """
    axes, size = len(bound.axes), bound.output_size
    at = view.at
    if at is not None and (
        len(at) != axes or not all(0 <= i < n for i, n in zip(at, size, strict=True))
    ):
        raise ValueError(f"at must be a position of the output {size}, got {at}")
    if at is None and max(*bound.input_size, *size) <= WHOLE[axes - 1]:
        return Cells(bound, (0,) * axes, (0,) * axes)
    shown = tuple(map(min, size, _shown(bound)))
    middle = tuple((n - k) // 2 for n, k in zip(size, shown, strict=True))
    first = tuple(min(start, n - k) for start, n, k in zip(at or middle, size, shown, strict=True))
    part, into = windows.crop(bound, first, shown)
    return Cells(part, into, first)


def _shown(bound: Bound) -> list[int]:
    """Return how many outputs to show per axis, so that input and output stay small."""
    most = PART[len(bound.axes) - 1]
    if bound.transposed:
        return [most] * len(bound.axes)
    spans = [extent(window) for window in bound.spec.windows]
    return [
        max(2, min((most - span) // axis.stride + 1, most))
        for span, axis in zip(spans, bound.axes, strict=True)
    ]


def channels(spec: Conv, view: View) -> Channels:
    """Choose the channels to show.

    Raises:
        ValueError: view.channel is not an output channel.
    """
    check_channel(view, spec.out_channels)
    into, out = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    few_in = into if into <= CHANNELS else FEW_IN
    few_out = out if out <= CHANNELS else FEW_OUT
    most = max(few_in, few_out, 1)
    groups = spec.groups
    if (few_in, few_out) != (into, out):
        groups = 1
    elif groups * most > BLOCKS:
        groups = max(1, CHANNELS // most)
    group, local = divmod(view.channel, max(out, 1))
    group, local = min(group, spec.groups - groups), min(local, out - few_out)
    first = local if few_out < out else 0
    return Channels(range(group, group + groups), range(few_in), range(first, first + few_out))


def check_channel(view: View, count: int) -> None:
    """Refuse a channel that the output does not have.

    Raises:
        ValueError: there is no such channel.
    """
    if not 0 <= view.channel < max(count, 1):
        raise ValueError(f"channel must be at least 0 and below {count}, got {view.channel}")


def told(scene: Scene, whole: dict[str, tuple[int, ...]], first: dict[str, Sequence[int]]) -> Scene:
    """Return the scene with a note for every grid that is a part of `whole`, (channel, *size)."""
    shown: dict[str, Grid] = {grid.name: grid for grid in scene.grids}
    crops = tuple(
        Crop(name, tuple(first[name]), (shown[name].channels, *shown[name].size), size)
        for name, size in whole.items()
        if (shown[name].channels, *shown[name].size) != size
    )
    return replace(scene, crops=crops)
