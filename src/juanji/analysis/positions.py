"""How operators on one tensor move its positions: a rule per operator, for the receptive field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .counting import ADAPTIVE, CONVOLUTIONS, INTERPOLATIONS, NEAREST, POOLS, pad_pairs
from .layout import Atom, Track, drop, forget, fresh, look, mix, regroup, renew, settle, size
from .watch import Call
from .windows import (
    convolve,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    pool,
    pool_adaptively,
    unfold,
    unroll,
)

# From the track of the tensor read to that of the output of this index.
Rule = Callable[[Track, Call, int], Track]


def reshape(track: Track, call: Call, index: int) -> Track:
    """Group the same cells otherwise."""
    return regroup(track, call.outputs[index].shape, call.name)


def unsqueeze(track: Track, call: Call, index: int) -> Track:
    """Insert a dimension of size 1."""
    dim = call.arguments["dim"] % (len(track.dims) + 1)
    return replace(track, dims=(*track.dims[:dim], fresh(1), *track.dims[dim:]))


def squeeze(track: Track, call: Call, index: int) -> Track:
    """Drop dimensions of size 1."""
    given = _dims(track, call.arguments.get("dim"))
    dropped = [dim for dim in given if size(track.dims[dim]) == 1]
    return drop(track, dropped)


def permute(track: Track, call: Call, index: int) -> Track:
    """Reorder dimensions."""
    order = list(range(len(track.dims)))
    if call.rule == "permute":
        order = [dim % len(order) for dim in call.arguments["dims"]]
    elif order:
        a, b = (call.arguments.get(name, place) for name, place in (("dim0", 0), ("dim1", -1)))
        order[a], order[b] = order[b], order[a]
    return replace(track, dims=tuple(track.dims[dim] for dim in order))


def slice(track: Track, call: Call, index: int) -> Track:
    """Keep every `step`-th position from `start` on."""
    dim, start = call.arguments["dim"] % len(track.dims), call.arguments["start"] or 0
    cells = size(track.dims[dim])
    start = min(max(start + cells if start < 0 else start, 0), cells)
    return _keep(track, dim, start, call.arguments["step"], call.outputs[index].shape[dim], call)


def select(track: Track, call: Call, index: int) -> Track:
    """Keep one position, and drop the dimension."""
    dim = call.arguments["dim"] % len(track.dims)
    place = call.arguments["index"] if call.rule == "select" else index
    track = _keep(track, dim, place % max(size(track.dims[dim]), 1), 1, 1, call)
    return drop(track, [dim])


def split(track: Track, call: Call, index: int) -> Track:
    """Cut a dimension into pieces, of which this is one."""
    dim = call.arguments["dim"] % len(track.dims)
    start = sum(piece.shape[dim] for piece in call.outputs[:index])
    return _keep(track, dim, start, 1, call.outputs[index].shape[dim], call)


def pad(track: Track, call: Call, index: int) -> Track:
    """Add cells around; reflected and repeated ones count as if they were new."""
    key = "pad" if "pad" in call.arguments else "padding"
    for dim, (low, high) in enumerate(pad_pairs(call.arguments[key], len(track.dims))):
        if low or high:
            track = _keep(track, dim, -low, 1, call.outputs[index].shape[dim], call)
    return track


def reduce(track: Track, call: Call, index: int) -> Track:
    """Reduce over dimensions, or over all of them."""
    dims = _dims(track, call.arguments.get("dim"))
    track = mix(track, [track.dims[dim] for dim in dims])
    if call.outputs[index].ndim == len(track.dims):  # kept at size 1
        return renew(track, dims, [1] * len(dims))
    return drop(track, dims)


def softmax(track: Track, call: Call, index: int) -> Track:
    """Divide by a sum over a dimension."""
    return mix(track, [track.dims[call.arguments["dim"]]])


def normalize(track: Track, call: Call, index: int) -> Track:
    """Subtract and divide by statistics; of space too, where the kind of normalization says so."""
    if index:  # the statistics themselves
        shape = call.outputs[index].shape
        return replace(mix(track, track.dims), dims=tuple(map(fresh, shape)))
    if "normalized_shape" in call.arguments:
        return mix(track, track.dims[-len(call.arguments["normalized_shape"]) :])
    if "group" in call.arguments:
        return mix(track, track.dims[1:])
    if call.arguments.get("training", False):
        return mix(track, (track.dims[0], *track.dims[2:]))
    return track


def rearrange(track: Track, call: Call, index: int) -> Track:
    """Reorder, repeat or select along some dimensions, which are followed no further."""
    arguments = call.arguments
    dims: Sequence[int]
    if call.rule == "channel_shuffle":
        dims = [1]
    elif call.rule == "repeat":
        new = len(arguments["repeats"]) - len(track.dims)
        track = replace(track, dims=(fresh(1),) * new + track.dims)
        dims = [dim for dim, times in enumerate(arguments["repeats"]) if times > 1]
    elif call.rule == "index":
        dims = [dim for dim, chosen in enumerate(arguments["indices"]) if chosen is not None]
        if len(dims) > 1 or call.outputs[index].ndim != len(track.dims):
            dims = range(len(track.dims))
    else:
        dims = _dims(track, arguments.get("dim", arguments.get("dims")))
    track = forget(track, [track.dims[dim] for dim in dims], call.name)
    shape = call.outputs[index].shape
    if len(shape) != len(track.dims):
        return replace(track, dims=tuple(map(fresh, shape)))
    return renew(track, dims, [shape[dim] for dim in dims])


def _dims(track: Track, given: int | Sequence[int] | None) -> list[int]:
    """Return dimensions counted from the front; none given means all."""
    count = len(track.dims)
    if given is None or (not isinstance(given, int) and not given):
        return list(range(count))
    return [dim % count for dim in ([given] if isinstance(given, int) else given)] if count else []


def _keep(track: Track, dim: int, start: int, step: int, cells: int, call: Call) -> Track:
    """Position x becomes what start + step * x was."""
    track, axis = settle(track, dim, call.name)
    if axis is None:
        return track.with_dim(dim, fresh(cells))
    track = look(track, axis, lambda x: [start + step * x], shift=step)
    return track.with_dim(dim, (Atom(cells, axis),))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("view", "_unsafe_view", "_reshape_alias"), reshape),
    **dict.fromkeys(("permute", "transpose", "t"), permute),
    **dict.fromkeys(("select", "unbind"), select),
    **dict.fromkeys(
        ("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"), split
    ),
    **dict.fromkeys(
        [f"{kind}_pad{d}d" for kind in ("reflection", "replication") for d in (1, 2, 3)], pad
    ),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), softmax),
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
         "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_no_update", "native_group_norm",
         "native_layer_norm", "_fused_rms_norm"),
        normalize,
    ),
    **dict.fromkeys(CONVOLUTIONS, convolve),
    **dict.fromkeys(POOLS, pool),
    **dict.fromkeys(ADAPTIVE, pool_adaptively),
    **dict.fromkeys(NEAREST | INTERPOLATIONS, interpolate),
    **dict.fromkeys(
        ("channel_shuffle", "cumprod", "cumsum", "flip", "glu", "index", "index_select", "repeat",
         "roll", "sort", "topk"),
        rearrange,
    ),
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "slice": slice,
    "unfold": unfold,
    "constant_pad_nd": pad,
    "im2col": unroll,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}  # fmt: skip
