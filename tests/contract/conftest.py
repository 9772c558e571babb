"""Devices of the contract: each that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from contract import DEVICES


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """A device to run on."""
    name: str = request.param
    return name


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Fill memory that is handed out uninitialized with NaN, so that reading it shows."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)
