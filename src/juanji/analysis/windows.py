"""How windows move positions: convolution, pooling, interpolation, and what resembles them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import ceil, floor

from ..spec import Window
from .counting import NEAREST, spread
from .layout import Atom, Track, fresh, look, mix, renew, settle, size
from .watch import Call


def unfold(track: Track, call: Call, index: int) -> Track:
    """Lay out the cells of a sliding window along a new dimension."""
    dim, window = call.arguments["dimension"] % len(track.dims), Window(call.arguments["size"])
    window = replace(window, stride=call.arguments["step"])
    track = _slide(track, [dim], [window], [0], call.outputs[index].shape[dim : dim + 1], call)
    return replace(track, dims=(*track.dims, fresh(window.kernel)))


def convolve(track: Track, call: Call, index: int) -> Track:
    """Slide windows over the last dimensions, and mix channels."""
    arguments = call.arguments
    kernel = arguments["weight"].shape[2:]
    count = len(kernel)
    steps = (spread(arguments[name], count) for name in ("stride", "dilation"))
    windows = [Window(*taps) for taps in zip(kernel, *steps, strict=True)]
    shape = call.outputs[index].shape
    track = _slide(
        track, range(2, 2 + count), windows, spread(arguments["padding"], count), shape[2:], call,
        transposed=arguments.get("transposed", False),
    )  # fmt: skip
    return renew(mix(track, [track.dims[1]]), [1], [shape[1]])


def pool(track: Track, call: Call, index: int) -> Track:
    """Slide windows over the last dimensions."""
    arguments, count = call.arguments, int(call.rule.split("pool")[1][0])
    kernel = spread(arguments["kernel_size"], count)
    stride = spread(arguments["stride"] or kernel, count)
    dilation = spread(arguments.get("dilation", [1]), count)
    windows = [Window(*taps) for taps in zip(kernel, stride, dilation, strict=True)]
    dims = range(len(track.dims) - count, len(track.dims))
    sizes = call.outputs[index].shape[-count:]
    return _slide(track, dims, windows, spread(arguments["padding"], count), sizes, call)


def unroll(track: Track, call: Call, index: int) -> Track:
    """Lay out windows as columns (im2col): (N, C, H, W) to (N, C * taps, windows)."""
    names = ("kernel_size", "stride", "dilation")
    windows = [Window(*taps) for taps in zip(*(call.arguments[n] for n in names), strict=True)]
    padding, dims = call.arguments["padding"], range(len(track.dims) - 2, len(track.dims))
    sizes = [
        (size(track.dims[dim]) + 2 * p - w.dilation * (w.kernel - 1) - 1) // w.stride + 1
        for dim, w, p in zip(dims, windows, padding, strict=True)
    ]
    track = _slide(track, dims, windows, padding, sizes, call)
    rows, columns = track.dims[-2:]
    channels = fresh(call.outputs[index].shape[-2])
    track = mix(track, [track.dims[-3]])
    return replace(track, dims=(*track.dims[:-3], channels, (*rows, *columns)))


def pool_adaptively(track: Track, call: Call, index: int) -> Track:
    """Cut the last dimensions into as many windows as asked for."""
    count = int(call.rule.split("pool")[1][0])
    for dim in range(len(track.dims) - count, len(track.dims)):
        outputs = call.outputs[index].shape[dim - len(track.dims)]
        if outputs == 1:
            track = renew(mix(track, [track.dims[dim]]), [dim], [1])
            continue
        track, axis = settle(track, dim, call.name)
        if axis is not None:
            step = Fraction(size(track.dims[dim]), outputs)

            def window(x: int, step: Fraction = step) -> range:
                return range(floor(x * step), ceil((x + 1) * step))

            track = look(_windowed(track, axis), axis, window, step.denominator, step.numerator)
            track = track.with_dim(dim, (Atom(outputs, axis),))
    return track


def interpolate(track: Track, call: Call, index: int) -> Track:
    """Resize the last dimensions."""
    arguments, count = call.arguments, len(call.arguments["output_size"])
    names = ["scales"] if count == 1 else [f"scales_{letter}" for letter in "dhw"[-count:]]
    for dim, name in enumerate(names, start=len(track.dims) - count):
        track, axis = settle(track, dim, call.name)
        inputs, outputs = size(track.dims[dim]), call.outputs[index].shape[dim]
        if axis is None:
            track = renew(track, [dim], [outputs])
            continue
        scale = arguments.get(name)
        step = Fraction(inputs, max(outputs, 1))
        if scale:
            step = 1 / Fraction(scale).limit_denominator(2**10)
        if arguments.get("align_corners"):
            step = Fraction(inputs - 1, max(outputs - 1, 1))
        offset = Fraction(0)
        if not arguments.get("align_corners") and call.rule not in NEAREST:
            offset = (step - 1) / 2
        elif "exact" in call.rule:
            offset = step / 2
        reach = (0, 0) if call.rule in NEAREST else (1, 2) if "cubic" in call.rule else (0, 1)

        def taps(
            x: int,
            step: Fraction = step,
            offset: Fraction = offset,
            reach: tuple[int, int] = reach,
        ) -> range:
            place = x * step + offset
            if place == floor(place):  # nothing else has weight
                return range(floor(place), floor(place) + 1)
            return range(floor(place) - reach[0], floor(place) + reach[1] + 1)

        track = look(_windowed(track, axis), axis, taps, step.denominator, step.numerator)
        track = track.with_dim(dim, (Atom(outputs, axis),))
    return track


def pixel_shuffle(track: Track, call: Call, index: int) -> Track:
    """Move channels into space: (C * r * r, H, W) to (C, H * r, W * r)."""
    factor = call.arguments["upscale_factor"]
    track = mix(track, [track.dims[-3]])
    *batch, _, rows, columns = track.dims
    channels = fresh(call.outputs[index].shape[-3])
    inner = fresh(factor)
    return replace(track, dims=(*batch, channels, (*rows, *inner), (*columns, *inner)))


def pixel_unshuffle(track: Track, call: Call, index: int) -> Track:
    """Move space into channels: (C, H * r, W * r) to (C * r * r, H, W)."""
    factor, shape = call.arguments["downscale_factor"], call.outputs[index].shape
    dims = range(len(track.dims) - 2, len(track.dims))
    track = mix(track, [track.dims[-3]])
    track = _slide(track, dims, [Window(factor, factor)] * 2, [0, 0], shape[-2:], call)
    return renew(track, [len(track.dims) - 3], [shape[-3]])


def _slide(
    track: Track,
    dims: Sequence[int],
    windows: Sequence[Window],
    padding: Sequence[int],
    sizes: Sequence[int],
    call: Call,
    *,
    transposed: bool = False,
) -> Track:
    """Slide one window along each of the dimensions, which get new sizes."""
    for dim, window, low, cells in zip(dims, windows, padding, sizes, strict=True):
        track, axis = settle(track, dim, call.name)
        if axis is None:
            if window.kernel > 1:  # it may be an axis that was lost on the way
                for lost in (axis for axis, seen in enumerate(track.seen) if seen.lost):
                    track = _windowed(track, lost)
            track = track.with_dim(dim, fresh(cells))
            continue
        track = _windowed(track, axis)
        reads = partial(_reads, window=window, low=low, transposed=transposed)
        if transposed:
            track = look(track, axis, reads, period=window.stride)
        else:
            track = look(track, axis, reads, shift=window.stride)
        track = track.with_dim(dim, (Atom(cells, axis),))
    return track


def _windowed(track: Track, axis: int) -> Track:
    return track.with_seen(axis, replace(track.seen[axis], windowed=True))


def _reads(x: int, window: Window, low: int, transposed: bool) -> list[int]:
    """Return the positions of the relation of `juanji.bind` that an output position reads."""
    taps = range(0, window.kernel * window.dilation, window.dilation)
    if transposed:
        return [
            (x + low - tap) // window.stride for tap in taps if not (x + low - tap) % window.stride
        ]
    return [x * window.stride + tap - low for tap in taps]
