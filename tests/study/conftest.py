from __future__ import annotations

import pytest

from juanji.study import latency


@pytest.fixture(autouse=True)
def _short_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    monkeypatch.setattr(latency, "FEWEST", 2)
    monkeypatch.setattr(latency, "TRIES", 1)
