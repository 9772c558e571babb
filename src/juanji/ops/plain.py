"""Whether a call is eager and nothing else, so that what is known of it may be used."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from .follow import followed

# Looked up here, once: these lines run before every call.
_transformed = torch._C._functorch.maybe_current_level
_watched = torch._C._len_torch_dispatch_stack
_traced = torch._C._is_tracing
_autocast = torch._C._is_any_autocast_enabled


def is_plain() -> bool:
    """Whether nobody compiles, traces, transforms, watches or casts what is computed."""
    return not (
        is_compiling()
        or _transformed() is not None
        or _watched()
        or _autocast()
        or forward_ad._current_level >= 0
        or _traced()
        or followed()
    )
