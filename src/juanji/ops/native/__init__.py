"""The compiled kernels: which build of them serves here, and if none does, why.

Every instruction set has a library of its own, made from the same source. The best one that the
machine runs is loaded when an operator first asks; it registers its operators with torch.
Three environment variables are for tests: JUANJI_ISA names the build to load, JUANJI_NATIVE=0 means
none, and JUANJI_BUILD names a folder to load it from in place of the installed package.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd import forward_ad
from torch.overrides import has_torch_function_unary

from .kernel import Kernel, wants_gradient

__all__ = [
    "DTYPES", "Kernel", "Status", "native_status", "runnable", "unavailable", "vector_lanes",
    "wants_gradient",
]  # fmt: skip

BUILDS = {"avx512": 16, "avx2": 8, "baseline": 4}  # float32 numbers of a vector; the best first
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Status:
    """What serves: the instruction set of the loaded build, or None and the reason."""

    isa: str | None
    reason: str

    def __str__(self) -> str:
        return f"native kernels: {self.isa or 'none'} ({self.reason})"


@torch.compiler.assume_constant_result
def native_status() -> Status:
    """Tell which build of the native kernels serves, loading it if that was not done yet.

    Returns:
        a record with `isa`, one of "avx512", "avx2", "baseline" or None, and the `reason`.

    Raises:
        ValueError: JUANJI_ISA names no build, or one that this machine does not run; JUANJI_BUILD
            names a folder without a build.

    >>> native_status().isa in ("avx512", "avx2", "baseline", None)
    True
    """
    return _load()


def vector_lanes() -> int:
    """Return how many float32 numbers a vector of the kernels that serve has; without any, 0."""
    return BUILDS.get(native_status().isa or "", 0)


def unavailable(*tensors: torch.Tensor | None) -> str | None:
    """Say why no native kernel takes these tensors, or None if one may; what all kernels ask."""
    status = native_status()
    if status.isa is None:
        return f"no kernels are loaded: {status.reason}"
    compiling = torch.compiler.is_compiling()
    if (compiling or torch._C._is_tracing()) and torch.onnx.is_in_onnx_export():
        return "the graph is for ONNX, which has operators of its own"
    if torch._C._functorch.maybe_current_level() is not None:
        return "a transform of torch.func is active"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation is active"
    if not compiling and torch._C._len_torch_dispatch_stack():
        return "the calls are watched, by something that knows torch's operators"
    for tensor in tensors:
        if tensor is None:
            continue
        if not compiling and has_torch_function_unary(tensor):
            return f"a {type(tensor).__name__} computes in its own way"
        if not tensor.is_cpu:
            return f"the device is {tensor.device.type}"
        if tensor.layout is not torch.strided:
            return f"the layout is {tensor.layout}"
        if tensor.dtype not in DTYPES:
            return f"the dtype is {tensor.dtype}"
    return None


@functools.cache
def _load() -> Status:
    if os.environ.get("JUANJI_NATIVE") == "0":
        return Status(None, "switched off by JUANJI_NATIVE=0")
    wanted = os.environ.get("JUANJI_ISA")
    runs = runnable()
    if wanted and wanted not in runs:
        raise ValueError(f"JUANJI_ISA must be one of {', '.join(runs)} on this machine: {wanted!r}")
    for isa in [wanted] if wanted else runs:
        library = _find(isa)
        if library is None:
            continue
        try:
            torch.ops.load_library(library)
        except OSError as error:  # built for another torch or another machine
            told = str(error.__cause__ or error)
            return _missing(f"{isa} does not load: {told.replace(f'{library.parent}{os.sep}', '')}")
        return Status(isa, "chosen by JUANJI_ISA" if wanted else "the best this machine runs")
    if folder := os.environ.get("JUANJI_BUILD"):
        raise ValueError(f"JUANJI_BUILD must name a folder that holds a build: {folder!r}")
    return _missing("they could not be compiled at installation; pip install -v shows why")


def _find(isa: str) -> Path | None:
    """Return where a build is. An editable install builds it anew here if its source changed."""
    if folder := os.environ.get("JUANJI_BUILD"):
        library = Path(folder, f"_{isa}.abi3.so")
        return library.resolve() if library.exists() else None
    found = importlib.util.find_spec(f"{__name__}._{isa}")
    return Path(found.origin).resolve() if found and found.origin else None


def runnable() -> tuple[str, ...]:
    """Name the builds that this machine runs, best first."""
    best = torch.backends.cpu.get_cpu_capability()
    if platform.machine() not in ("x86_64", "AMD64"):
        return ("baseline",)
    return tuple(BUILDS)[{"AVX512": 0, "AVX2": 1}.get(best, 2) :]


def _missing(reason: str) -> Status:
    warnings.warn(
        f"juanji computes without its native kernels, slower: {reason}. juanji.native_status() "
        f"tells; JUANJI_NATIVE=0 silences this.",
        RuntimeWarning,
        stacklevel=2,
    )
    return Status(None, reason)
