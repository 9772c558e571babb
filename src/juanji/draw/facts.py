"""What stands beside the picture of a convolution or pooling: formulas filled in with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .. import cost
from ..bind import Axis, Bound, extent
from ..relation import receptive_field
from ..spec import Conv, Pool, Window
from .scene import Fact, Grid
from .texts import shape


def output_size(bound: Bound) -> Fact:
    """Fill in the formula of the output size, once where all axes have the same numbers.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> output_size(bind(Conv(windows((3, 3), stride=2), 1, 1), (5, 5))).text
    'floor((5 + 0 + 0 - 3) / 2) + 1 = 2'
    """
    spec = bound.spec
    extra = spec.output_padding if isinstance(spec, Conv) else ()
    ceil = isinstance(spec, Pool) and spec.ceil_mode
    texts = []
    for index, (axis, window) in enumerate(zip(bound.axes, spec.windows, strict=True)):
        span = extent(Window(axis.kernel, dilation=axis.dilation))
        reach = f"({axis.dilation}*({axis.kernel} - 1) + 1)" if axis.dilation > 1 else str(span)
        pads = f"{axis.pad_low} + {axis.pad_high}"
        if bound.transposed:
            added = f" + {extra[index]}" if extra and extra[index] else ""
            minus = f"{axis.pad_low} - {axis.pad_high}"
            texts.append(
                f"({axis.coarse} - 1)*{axis.stride} + {reach} - {minus}{added} = {axis.fine}"
            )
        elif window.padding == "same":
            texts.append(f"ceil({axis.fine} / {axis.stride}) = {axis.coarse}")
        else:
            whole = "ceil" if ceil and not _fits(axis, span) else "floor"
            texts.append(
                f"{whole}(({axis.fine} + {pads} - {reach}) / {axis.stride}) + 1 = {axis.coarse}"
            )
    return Fact("output size", ";  ".join(dict.fromkeys(texts)))


def _fits(axis: Axis, span: int) -> bool:
    """Whether the last window lies in the padded input, so that floor and ceil agree or floor won.

    In ceil_mode a last window that would start in the high padding is dropped: floor again.
    """
    return (axis.coarse - 1) * axis.stride + span <= axis.fine + axis.pad_low + axis.pad_high


def of_conv(bound: Bound, *, bias: bool = False) -> tuple[Fact, ...]:
    """Return the facts of a convolution: size, weights, arithmetic, view, groups."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    kernel = [axis.kernel for axis in bound.axes]
    per_group = spec.in_channels // spec.groups
    weights = f"{spec.out_channels} x {per_group} x {shape(kernel)}"
    weights += f" + {spec.out_channels}" if bias else ""
    arithmetic = cost.multiply_adds(bound)
    places = [axis.coarse for axis in bound.axes]
    dense = f"{spec.out_channels} x {per_group} x {shape(places)} x {shape(kernel)}"
    facts = [
        output_size(bound),
        Fact("weights", f"{weights} = {cost.weights(spec, bias=bias)}"),
        Fact("multiply-adds", f"{dense} = {arithmetic.dense}"),
        Fact("multiply-adds inside", str(arithmetic.touched)),
        Fact("view", view(bound)),
    ]
    if spec.groups > 1:
        facts.append(Fact("groups", str(spec.groups)))
    return tuple(facts)


def view(bound: Bound) -> str:
    """Write how many input cells one output cell sees, from the first to the last, per axis."""
    return shape(receptive_field([bound]))


def matrix_size(bound: Bound) -> Fact:
    """Say how large a convolution's matrix is."""
    spec = bound.spec
    assert isinstance(spec, Conv)
    rows, columns = prod(bound.output_size), prod(bound.input_size)
    return Fact("matrix", shape((spec.out_channels * rows, spec.in_channels * columns)))


def of_matrix(source: Grid, target: Grid) -> Fact:
    """Say how large the matrix of a stage is, drawn or not."""
    return Fact("matrix", shape((len(target.values), len(source.values))))


def describe(bound: Bound, name: str = "") -> str:
    """Name an operator by its settings.

    >>> from juanji.bind import bind
    >>> from juanji.spec import Conv, windows
    >>> describe(bind(Conv(windows((3, 3), stride=2), 1, 1), (5, 5)))
    'conv 3 x 3, stride 2'
    """
    parts = [f"{name or _name(bound)} {shape(axis.kernel for axis in bound.axes)}"]
    for setting in ("stride", "dilation"):
        values = [getattr(axis, setting) for axis in bound.axes]
        if set(values) != {1}:
            parts.append(f"{setting} {_once(values)}")
    pads = [(axis.pad_low, axis.pad_high) for axis in bound.axes]
    if any(map(any, pads)):
        parts.append(f"padding {_once([_pad(low, high) for low, high in pads])}")
    if isinstance(bound.spec, Conv):
        if bound.spec.groups > 1:
            parts.append(f"groups {bound.spec.groups}")
        if bound.spec.flip:
            parts.append("flip")
    return ", ".join(parts)


def _name(bound: Bound) -> str:
    if isinstance(bound.spec, Pool):
        return "pool"
    return "conv-transpose" if bound.transposed else "conv"


def _pad(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}+{high}"


def _once(values: Sequence[object]) -> str:
    return str(values[0]) if len(set(values)) == 1 else shape(values)
