"""What a result of a study depends on, as one frozen record, and the random state it asks for."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

UNSWAPPED = "unswapped"  # the name of the variant that is the network as it is

# name -> the learning rate that its one-cycle schedule reaches, unless another is asked for
OPTIMIZERS = {"adamw": 0.01, "sgd": 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that determines the rows of a run; two runs with equal settings are the same run.

    The fingerprints stand for what a name cannot: the network's parameters and the data's items.
    Raises TypeError or ValueError, naming the argument of `juanji.compare` at fault.
    """

    net: str
    net_fingerprint: str
    data: str
    data_fingerprint: str
    swaps: tuple[str, ...]  # as on the command line
    epochs: int
    repeats: int
    batch: int
    optimizer: str
    learning_rate: float  # the highest one
    seed: int
    threads: int

    def __post_init__(self) -> None:
        for name, least in [
            ("epochs", 1),
            ("repeats", 1),
            ("batch", 1),
            ("seed", 0),
            ("threads", 1),
        ]:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer, got {value!r}")
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer must be one of {known}, got {self.optimizer!r}")
        if isinstance(self.learning_rate, bool) or not isinstance(self.learning_rate, int | float):
            raise TypeError(f"learning_rate must be a number, got {self.learning_rate!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if not self.swaps:
            raise ValueError("swaps must hold at least one swap, got none")
        for swap in self.swaps:
            if self.swaps.count(swap) > 1:
                raise ValueError(f"swaps must differ from each other, got {swap} twice")

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the variants, the unswapped network first."""
        return (UNSWAPPED, *self.swaps)

    def to_json(self) -> str:
        """Return the canonical JSON text, which identifies the run."""
        return json.dumps(asdict(self), indent=1)

    def differences(self, stored: dict[str, Any]) -> list[str]:
        """Say how another run's settings, read from JSON, differ from these."""
        mine = json.loads(self.to_json())
        return [
            f"{field.name} was {stored.get(field.name)}, is now {mine[field.name]}"
            for field in fields(self)
            if stored.get(field.name) != mine[field.name]
        ]


@contextmanager
def isolated(seed: int, threads: int) -> Iterator[None]:
    """Fix the random states and the number of threads; put all back at the end."""
    states = (
        torch.get_rng_state(),
        np.random.get_state(),
        random.getstate(),
        torch.get_num_threads(),
    )
    torch.set_num_threads(threads)
    reseed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        torch.set_num_threads(states[3])


def reseed(seed: int) -> None:
    """Seed every generator that a network or a dataset may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def deterministic() -> Iterator[None]:
    """Have torch take algorithms that repeat bit by bit, as far as it has them."""
    options: Any = torch.utils.deterministic
    mode, fill = torch.get_deterministic_debug_mode(), options.fill_uninitialized_memory
    options.fill_uninitialized_memory = False  # a debugging aid that costs time
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic.*")
            torch.set_deterministic_debug_mode("warn")
            yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        options.fill_uninitialized_memory = fill
