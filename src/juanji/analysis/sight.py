"""What the positions of a map see of the input along one axis: exact, and periodic.

One interval per position would do for convolutions alone. Behind a transposed convolution or an
interpolation positions differ, in a pattern that repeats; so one interval per phase is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import gcd, lcm

Cells = tuple[int, int]  # first and last


@dataclass(frozen=True, slots=True)
class Sight:
    """Position r + m * period sees the cells of phase r, moved by m * step; None: it sees nothing.

    The map counts as endless: positions in the padding see cells outside the input.
    """

    step: int = 1
    phases: tuple[Cells | None, ...] = ((0, 0),)

    @property
    def period(self) -> int:
        """After how many positions the pattern repeats."""
        return len(self.phases)

    @property
    def size(self) -> int:
        """The most cells that one position sees, counted from the first to the last."""
        return max((last - first + 1 for first, last in filter(None, self.phases)), default=0)

    def at(self, position: int) -> Cells | None:
        """Return the cells that one position sees."""
        turns, phase = divmod(position, self.period)
        cells = self.phases[phase]
        return cells and (cells[0] + turns * self.step, cells[1] + turns * self.step)

    def ends(self, positions: int) -> Iterator[Cells | None]:
        """Yield what the first and last positions of a map see; all others lie between them."""
        head = min(positions, self.period)
        for position in (*range(head), *range(max(head, positions - self.period), positions)):
            yield self.at(position)

    def through(
        self, sources: Callable[[int], Iterable[int]], period: int = 1, shift: int = 1
    ) -> Sight:
        """Return the sight of a map whose position x reads the positions sources(x) of this one.

        A position `period` further on reads what lies `shift` further on.

        >>> Sight().through(lambda x: range(2 * x, 2 * x + 3), shift=2)
        Sight(step=2, phases=((0, 2),))
        """
        turns = self.period // gcd(self.period, shift)  # until both patterns repeat
        phases = tuple(span(map(self.at, sources(x))) for x in range(period * turns))
        return Sight(self.step * (shift * turns // self.period), phases)


def span(seen: Iterable[Cells | None]) -> Cells | None:
    """Return the first and last cell of all."""
    known = [cells for cells in seen if cells]
    if not known:
        return None
    return min(first for first, _ in known), max(last for _, last in known)


def unite(sights: Iterable[Sight]) -> Sight:
    """Return the sight of maps that meet (a sum): all that any of them sees.

    Raises:
        ValueError: their positions lie on grids of different steps.
    """
    sights = list(dict.fromkeys(sights))
    period = lcm(*(sight.period for sight in sights))
    steps = {sight.step * (period // sight.period) for sight in sights}
    if len(steps) > 1:
        raise ValueError("maps of different steps meet")
    return Sight(steps.pop(), tuple(span(s.at(x) for s in sights) for x in range(period)))
