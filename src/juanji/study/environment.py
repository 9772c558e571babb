"""Where figures were taken: machine and versions, without names of hosts, users or folders."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def environment(threads: int) -> dict[str, Any]:
    """Return what a reader needs to judge the figures, as plain data.

    >>> environment(threads=2)["threads"]
    2
    """
    return {
        "juanji": version("juanji"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """The processor's model; Linux tells it in a file, other systems through `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
