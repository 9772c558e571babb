from __future__ import annotations

from collections.abc import Sequence

import pytest

from juanji import bench
from juanji.bench import grid, machine, memory
from juanji.bench.cases import Case
from juanji.bench.timing import Effort

TINY = (
    Case("depthwise", "small", (2, 4, 7, 6), kernel=3, groups=4),
    Case("max-pool", "small", (1, 3, 8), kernel=2, stride=2),
    Case("stochastic-pool", "small", (2, 3, 8, 8), kernel=2, stride=2),
    Case("channel-shuffle", "small", (1, 6, 2, 2, 2), groups=3),
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Sequence[Case]:
    """A grid of four small cases, measured for a moment, in a process left as it was."""
    monkeypatch.setattr(grid, "grid", lambda: list(TINY))
    monkeypatch.setattr(bench, "Effort", lambda: Effort(turns=2, seconds=0.0, tries=1))
    monkeypatch.setattr(machine, "COPIED", 2**12)
    monkeypatch.setattr(machine, "REPEATS", 1)
    monkeypatch.setattr(memory, "keep_freed_pages", lambda: False)
    return TINY
