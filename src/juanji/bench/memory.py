"""Memory of the process: what a call needs beside its output, and pages that stay once touched.

All of it asks Linux and the GNU C library; elsewhere nothing is changed, and nothing is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of mallopt
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def keep_freed_pages() -> bool:
    """Let the allocator keep what is freed, for the rest of the process; say whether it can.

    By default the GNU C library gives large tensors back and asks the system for each anew. Then a
    call spends most of its time on page faults, several times what a kernel takes at the limit of
    the machine, and all sides look alike. Allocators meant for such work keep pages; so it does.
    """
    mallopt = c_library("mallopt")
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, 2**30))


def touch_pages(size: int) -> None:
    """Have so many bytes at hand that no call has to wait for the system."""
    torch.zeros(size, dtype=torch.uint8)


def workspace(call: Callable[[], Tensor]) -> int | None:
    """Return the peak of memory during a call, in bytes, beyond what was there and its output.

    None where the system does not tell. Accurate to a few hundred kilobytes: the system counts
    pages, and in batches. Call it once before, so that what is set up once is not counted.
    """
    trim = c_library("malloc_trim")
    if trim is None or not CLEAR.exists():
        return None
    trim(0)
    before = resident()
    try:
        CLEAR.write_text("5")  # the peak begins anew
    except OSError:
        return None
    output = call()
    return max(0, resident("VmHWM") - before - output.nbytes)


def resident(field: str = "VmRSS") -> int:
    """Return bytes in memory, now or at the peak."""
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {field}")


def c_library(name: str) -> Any:
    """Return a function of the C library, or None."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):
        return None
