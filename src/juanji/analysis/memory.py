"""Activation memory: the storages that operators make, and when they die."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence

from torch import Tensor

from .watch import Call, Record


class Memory:
    """Counts the bytes of every new storage, and the most bytes alive at one time.

    Parameters, buffers and inputs exist before the forward pass and are not included; nor is
    scratch space inside kernels. A view or an in-place result makes no storage.
    """

    def __init__(self, existing: Iterable[Tensor]) -> None:
        self.known = {tensor.untyped_storage()._cdata for tensor in existing}
        self.alive = 0

    def observe(self, call: Call, records: Sequence[Record]) -> None:
        """Add the storages that the call made."""
        for tensor in call.outputs:
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self.known:
                self.known.add(key)
                self.alive += size
                weakref.finalize(storage, self._free, key, size).atexit = False
                for record in records:
                    record.bytes += size
        for record in records:
            record.peak = max(record.peak, self.alive)

    def _free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.alive -= size
