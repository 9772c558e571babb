"""Receptive field: followed along the data, tensor by tensor, not along the list of modules.

So skip connections, branches and functional calls come out right. Where an operator moves
positions in a way that is not followed here, the receptive field becomes unavailable, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

from .counting import ATTENTION, CONSTANTS, PRODUCTS
from .layout import Seen, Track, axes, begin, forget, fresh, meet, mix
from .positions import RULES, reduce
from .sight import span
from .watch import Call, Record

# Cell by cell, besides the operators that carry torch's tag `pointwise`.
CELLWISE = {
    "_prelu_kernel", "_to_copy", "alias", "clone", "contiguous", "copy", "detach", "expand",
    "hardswish", "lift_fresh", "log_sigmoid_forward", "native_dropout", "rrelu_with_noise",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one position of a map sees of the input.

    `size` is per spatial axis, in input cells, through windows (convolution, pooling,
    interpolation) and not clipped to the input. After a global operation, such as global pooling
    or a linear layer over space, it stays that of the last map before it. `whole` says whether
    every position sees the whole input, through windows or through global operations.
    """

    size: tuple[int, ...]
    whole: bool


class Views:
    """Follows what every tensor sees of the inputs.

    Followed are the inputs with the most dimensions; they must agree in their spatial size.
    """

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self.tracks = WeakTensorKeyDictionary()
        self.spoilt = WeakIdKeyDictionary()  # storage -> which operator wrote to a part of it
        inputs = list(inputs)
        self.axes = max((x.ndim for x in inputs), default=0)
        self.shapes = [tuple(x.shape) for x in inputs if x.ndim == self.axes]
        for x in inputs:
            if x.ndim == self.axes:
                self.tracks[x] = begin(x.shape)

    def track(self, x: Tensor) -> Track | None:
        """Return what a tensor sees, or None where it does not depend on the inputs."""
        reason = self.spoilt.get(x.untyped_storage()) if len(self.spoilt) else None
        if reason:
            seen = (Seen(windowed=True, lost=reason),) * self.axes
            return Track(tuple(map(fresh, x.shape)), seen)
        track: Track | None = self.tracks.get(x)
        return track

    def observe(self, call: Call, records: Sequence[Record]) -> None:
        """Derive the tracks of a call's outputs."""
        sources = call.inputs
        if call.rule == "copy":
            sources = [call.arguments["src"]]
        found = [track for track in map(self.track, sources) if track is not None]
        schema = getattr(call.operator, "_schema", None)
        writes = schema is not None and schema.is_mutable
        for index, output in enumerate(call.outputs):
            track = self.derive(call, index, found) if found else None
            if writes and _is_part(output):
                if track is not None and track != self.track(output):
                    self.spoilt[output.untyped_storage()] = f"{call.name} writes to part of a map"
            elif track is None:
                self.tracks.pop(output, None)
            else:
                self.tracks[output] = track

    def derive(self, call: Call, index: int, found: list[Track]) -> Track | None:
        """Return the track of one output, by the operator's rule."""
        name, shape = call.rule, call.outputs[index].shape
        if name in CONSTANTS:
            return None
        if name in PRODUCTS:
            return self.product(call)
        if name in ATTENTION and index == 0:
            return self.attention(call)
        if name in ("cat", "stack"):
            return _concatenate(found, call)
        tags = getattr(call.operator, "tags", ())
        if name in CELLWISE or torch.Tag.pointwise in tags:
            return meet(found, shape, call.name)
        rule = reduce if torch.Tag.reduction in tags else RULES.get(name)
        track = self.track(call.inputs[0])
        if rule is None or track is None or len(found) > 1:
            return _give_up(found, shape, call.name)
        return rule(track, call, index)

    def product(self, call: Call) -> Track:
        """Contract the last dimension of the left factor with one of the right factor."""
        left, right = (call.arguments[name] for name in PRODUCTS[call.rule])
        shape, parts = call.outputs[0].shape, []
        vector = right.ndim == 1
        if (track := self.track(left)) is not None:
            kept = track.dims[:-1] if vector else (*track.dims[:-1], ())
            parts.append(replace(mix(track, [track.dims[-1]]), dims=kept))
        if (track := self.track(right)) is not None:
            kept = () if vector else (*track.dims[:-2], (), track.dims[-1])
            parts.append(replace(mix(track, [track.dims[-1 if vector else -2]]), dims=kept))
        added = call.arguments.get("self")
        if added is not None and added is not left and (track := self.track(added)) is not None:
            parts.append(track)
        if call.rule == "addbmm":  # which sums over the batch
            return _give_up(parts, shape, call.name)
        return meet(parts, shape, call.name)

    def attention(self, call: Call) -> Track:
        """Every query comes to see all keys and values."""
        parts = []
        for name in ("query", "key", "value"):
            track = self.track(call.arguments[name])
            if track is None:
                continue
            *batch, places, channels = track.dims
            if name == "query":
                parts.append(replace(mix(track, [channels]), dims=(*batch, places, ())))
            else:
                kept = channels if name == "value" else ()
                seen = [places] if name == "value" else [places, channels]
                parts.append(replace(mix(track, seen), dims=(*batch, (), kept)))
        return meet(parts, call.outputs[0].shape, call.name)

    def field(self, outputs: Iterable[Tensor]) -> ReceptiveField | str:
        """Return what the widest of some tensors sees, or why that is not known."""
        tracks = [track for track in map(self.track, outputs) if track is not None]
        spatial = sorted({a for t in tracks for a, seen in enumerate(t.seen) if seen.windowed})
        if not tracks:
            return "it does not depend on the inputs that are followed"
        if not spatial:
            return "no window slides over the input"
        for reason in (track.seen[axis].lost for track in tracks for axis in spatial):
            if reason:
                return f"positions are not followed through {reason}"
        if any(len({shape[axis] for shape in self.shapes}) > 1 for axis in spatial):
            return "the inputs differ in size"
        return ReceptiveField(
            tuple(max(t.seen[axis].sight.size for t in tracks) for axis in spatial),
            any(all(self._whole(t, axis) for axis in spatial) for t in tracks),
        )

    def _whole(self, track: Track, axis: int) -> bool:
        seen, last = track.seen[axis], self.shapes[0][axis] - 1
        positions = axes(track.dims).get(axis)
        ranges = [seen.span] if positions is None else list(seen.sight.ends(positions))
        both = [span([cells, seen.span]) for cells in ranges]
        return all(cells and cells[0] <= 0 and cells[1] >= last for cells in both)


def _concatenate(found: list[Track], call: Call) -> Track:
    """Lay tensors side by side along one dimension, which is followed no further."""
    shape = list(call.outputs[0].shape)
    dim, cells = call.arguments["dim"] % len(shape), shape[call.arguments["dim"]]
    shape[dim] = 1
    parts = []
    for track in found:
        if call.rule == "stack":
            parts.append(replace(track, dims=(*track.dims[:dim], (), *track.dims[dim:])))
        elif len(track.dims) == len(shape):  # torch skips empty vectors
            parts.append(forget(track, [track.dims[dim]], call.name).with_dim(dim, ()))
    return meet(parts, shape, call.name).with_dim(dim, fresh(cells))


def _give_up(found: list[Track], shape: Sequence[int], reason: str) -> Track:
    lost = [replace(forget(track, track.dims, reason), dims=()) for track in found]
    return replace(meet(lost, (), reason), dims=tuple(map(fresh, shape)))


def _is_part(x: Tensor) -> bool:
    return x.numel() * x.element_size() < x.untyped_storage().nbytes()
