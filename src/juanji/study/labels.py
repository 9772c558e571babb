"""Names beside a chart's points, placed so that they cover little else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels


def label_points(
    figure: Figure,
    axes: Any,
    points: Sequence[tuple[float, float, str, str]],
    spreads: Sequence[float],
    steps: Sequence[tuple[float, float]],
) -> None:
    """Write each point's name beside it, where it covers least of what is drawn already."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)  # lays the axes out

    def box(x0: float, y0: float, x1: float, y1: float, margin: float) -> Box:
        left, bottom = axes.transData.transform((x0, y0)) - margin
        right, top = axes.transData.transform((x1, y1)) + margin
        return left, bottom, right, top

    taken = [box(x, y, x, y, 8) for x, y, _, _ in points]
    taken += [
        box(x, y - spread, x, y + spread, 2)
        for (x, y, _, _), spread in zip(points, spreads, strict=True)
    ]
    for (x0, y0), (x1, y1) in pairwise(steps):
        taken += [box(x0, y0, x1, y0, 2), box(x1, y0, x1, y1, 2)]
    places = [
        (horizontal * reach, vertical, side)
        for reach, shift in ((9, 0), (9, 10), (9, 20), (12, 32))
        for horizontal, side in ((1, "left"), (-1, "right"), (0, "center"))
        for vertical in ((shift, -shift) if horizontal else (14 + shift, -14 - shift))
    ]
    frame = axes.bbox
    for x, y, name, shade in points:
        candidates = []
        for rank, (dx, dy, side) in enumerate(places):
            label = axes.annotate(
                shortened(name),
                (x, y),
                (dx, dy),
                textcoords="offset points",
                ha=side,
                va="center",
                color=shade,
                fontsize=9,
                parse_math=False,
            )
            label.set_in_layout(False)
            extent = label.get_window_extent(renderer)
            own = (extent.x0, extent.y0, extent.x1, extent.y1)
            outside = max(0.0, frame.x0 - own[0]) + max(0.0, own[2] - frame.x1)
            covered = sum(overlap(own, other) for other in taken)
            candidates.append((covered + 1000 * outside, rank, label, own))
        candidates.sort(key=lambda candidate: candidate[:2])
        for _, _, label, _ in candidates[1:]:
            label.remove()
        taken.append(candidates[0][3])


def overlap(a: Box, b: Box) -> float:
    """The area two boxes share."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def shortened(name: str) -> str:
    """A name that fits into a chart."""
    return name if len(name) <= 28 else name[:27] + "…"
