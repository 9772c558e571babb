"""Out of memory is a MemoryError that names the operator, whatever torch's allocator raises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from juanji import functional as F

HUGE = torch.zeros(1, 4, 1, 1).expand(1, 4, 2**24, 2**24)  # a petabyte, were it not expanded
CALLS: dict[str, Callable[[], Tensor | object]] = {
    "conv": lambda: F.conv(HUGE, torch.ones(2, 4, 1, 1)),
    "conv_transpose": lambda: F.conv_transpose(HUGE, torch.ones(4, 2, 1, 1)),
    "max_pool": lambda: F.max_pool(HUGE, (2, 2)),
    "avg_pool": lambda: F.avg_pool(HUGE, (2, 2)),
    "avg_unpool": lambda: F.avg_unpool(HUGE, (2, 2)),
    "octave_split": lambda: F.octave_split(HUGE, 0.5),
    "frequency_split": lambda: F.frequency_split(HUGE),
    "channel_shuffle": lambda: F.channel_shuffle(HUGE, 2),
    "deform_conv": lambda: F.deform_conv(
        HUGE, torch.zeros(1, 2, 1, 1).expand(1, 2, 2**24, 2**24), torch.ones(2, 4, 1, 1)
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_out_of_memory(name: str) -> None:
    with pytest.raises(MemoryError, match=f"^{name}: "):
        CALLS[name]()


def test_other_errors_pass() -> None:
    class Failing(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *args: object, **kwargs: object) -> Tensor:
            raise RuntimeError("something else")

    x = torch.zeros(1, 4, 2, 2).as_subclass(Failing)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        F.conv(x, torch.ones(2, 4, 1, 1))
