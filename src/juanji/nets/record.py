"""What is said of a network: how to build it, its paper, and the published figures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn

Task: TypeAlias = Literal["classification", "segmentation", "generation"]


@dataclass(frozen=True, slots=True)
class Net:
    """A network of a paper. Calling it builds the network.

    Attributes:
        build: the function of `juanji.nets`; its name is the network's.
        paper: authors, title, year, number.
        weights: the published number of weights; None where there is none.
        multiply_adds: the published number for one input; None where there is none.
        source: where the two figures are from.
        note: why ours differ from them, where they do.
        input_size: the input that the figures are for, without the batch: (C, H, W), or (C,) for a
            generator that starts from a vector.
        task: classification gives (N, classes), segmentation (N, classes, H, W), generation
            (N, C, H, W).
    """

    build: Callable[..., nn.Module]
    paper: str
    weights: int | None
    multiply_adds: int | None
    source: str
    note: str = ""
    input_size: tuple[int, ...] = (3, 224, 224)
    task: Task = "classification"

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.build.__name__

    @property
    def small(self) -> bool:
        """Whether it has a form for small images: its function takes `small`."""
        return "small" in inspect.signature(self.build).parameters

    def __call__(self, *arguments: Any, **options: Any) -> nn.Module:
        """Build the network, with fresh weights."""
        return self.build(*arguments, **options)
