"""Dilation in place of the last strides: a larger last map with the same weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

from torch import nn

from .. import interop
from .. import nn as variants
from ..bind import resolve_padding
from ..spec import Window
from .base import Call, Site, Swap, Unsuitable, at_least_one, even


@dataclass(frozen=True)
class Dilated(Swap):
    """Take away the last strides, of product `rate`, and dilate what comes behind them.

    The last map gets `rate` times larger, and every weight keeps its meaning (Chen et al., DeepLab,
    arXiv:1606.00915; Yu, Koltun, arXiv:1511.07122): each `rate`-th cell of it is, exactly, a cell
    of the unchanged network's, for inputs of every size. A map of n cells becomes one of
    rate * (n - 1) + 1 up to rate * n: padding is multiplied as dilation is, so that the cells
    beside the map stay where they were.

    It is about convolutions and about max and average pooling layers, which can have a dilation
    too. Layers behind a removed stride that stay as they are break the law, and the plan says why
    they stay. What else reads neighbouring cells there, such as pooling called as a function or an
    upsampling, is not seen. Layers whose strides lead to the same size are taken to stand side by
    side. A pooling layer over its whole map, a head, goes on pooling over the whole map. Padding
    "same" with a stride depends on the input's size: it gets the numbers that it has in the plan.

    >>> import juanji, torch
    >>> model, x = juanji.nets.resnet20(width=4).eval(), torch.randn(1, 3, 33, 31)
    >>> fine = juanji.convert(model, Dilated(2), x)
    >>> fine(x).shape
    torch.Size([1, 10])
    >>> fine.layer3[0].conv1
    Conv2d(8, 16, kernel_size=(3, 3), padding=(1, 1), bias=False)
    >>> fine.layer3[0].conv2
    Conv2d(16, 16, kernel_size=(3, 3), padding=(2, 2), dilation=(2, 2), bias=False)
    """

    name: ClassVar[str] = "dilated"

    rate: int = 2

    def __post_init__(self) -> None:
        at_least_one("rate", self.rate)

    def targets(self, layer: nn.Module) -> bool:
        """Whether the layer has a window."""
        return super().targets(layer) or interop.is_pool(layer)

    def arguments(self, layer: nn.Module, site: Site) -> dict[str, Any]:
        """Work out the layer's new windows, from how much larger its input has become."""
        given = interop.layer_spec(layer).windows
        if all(window.kernel == window.stride == 1 for window in given):
            raise Unsuitable("1x1 kernel")
        before = site.network[site.name][0]
        sizes, outputs = before.input[-len(given) :], before.output[-len(given) :]
        actual = tuple(site.input.shape[-len(given) :])
        old = tuple(
            replace(window, padding=resolve_padding(window, size))
            for window, size in zip(given, sizes, strict=True)
        )
        if is_head(layer, old, sizes):
            new = tuple(replace(w, kernel=size) for w, size in zip(old, actual, strict=True))
        else:
            gone = removed(site.network, len(old), self.rate)
            new = tuple(map(self.dilated, old, sizes, outputs, actual, gone))
        if new == old:
            raise Unsuitable("before the strides that go")
        if getattr(layer, "return_indices", False):
            raise Unsuitable("its indices are used")
        if getattr(layer, "ceil_mode", False):
            raise Unsuitable("ceil_mode")
        return {
            "kernel_size": [window.kernel for window in new],
            "stride": [window.stride for window in new],
            "padding": [list(window.padding) for window in new],
            "dilation": [window.dilation for window in new],
        }

    def dilated(self, old: Window, size: int, output: int, actual: int, gone: set[int]) -> Window:
        """Return the window on an axis where the `size` cells of the input are now `actual`.

        A map of n cells that is finer by f has from f * (n - 1) + 1 to f * n cells, whatever the
        paddings; f divides the rate. For powers of two that leaves one f unless n is 1.
        """
        if gone and size == 1 < old.kernel:
            raise Unsuitable("its input is a single cell: plan with larger inputs")
        factors = (f for f in range(1, self.rate + 1) if self.rate % f == 0 and f * size >= actual)
        factor = next(factors, 1) if gone else 1
        low, high = resolve_padding(old, size)
        return Window(
            kernel=old.kernel,
            stride=1 if output in gone else old.stride,
            dilation=factor * old.dilation if old.kernel > 1 else old.dilation,
            padding=(factor * low, factor * high),
        )

    def build(
        self,
        layer: nn.Module,
        *,
        kernel_size: list[int],
        stride: list[int],
        padding: list[list[int]],
        dilation: list[int],
    ) -> nn.Module:
        """Build the layer with other windows, and the same weights."""
        window = {
            "kernel_size": tuple(kernel_size),
            "stride": tuple(stride),
            "padding": even(padding),
            "dilation": tuple(dilation),
        }
        old: Any = layer
        kind, rest = "MaxPool", {}
        if interop.is_conv(layer):
            kind, rest = "Conv", interop.conv_arguments(layer)
        elif interop.is_avg_pool(layer):
            kind, rest = "AvgPool", {"count_include_pad": old.count_include_pad}
            rest["divisor_override"] = getattr(old, "divisor_override", None)
        new: nn.Module = getattr(variants, f"{kind}{len(stride)}d")(**rest | window)
        new.load_state_dict(layer.state_dict())
        return new


def is_head(layer: nn.Module, windows: tuple[Window, ...], sizes: Sequence[int]) -> bool:
    """Whether a layer pools over its whole map."""
    whole = tuple(Window(size, window.stride) for window, size in zip(windows, sizes, strict=True))
    return interop.is_pool(layer) and windows == whole


def removed(network: Mapping[str, Sequence[Call]], dimensions: int, rate: int) -> list[set[int]]:
    """Return, for every axis, the output sizes of the layers that lose their stride there.

    Raises:
        Unsuitable: the last strides do not multiply to `rate`, or lead to a single cell, so that
            sizes do not tell one layer from the next.
    """
    layers = []
    for call in (call for calls in network.values() for call in calls):
        windows = interop.layer_spec(call.layer).windows
        if len(windows) == dimensions and not (
            interop.is_transposed(call.layer)
            or is_head(call.layer, windows, call.input[-dimensions:])
        ):
            layers.append((windows, call.output[-dimensions:]))
    found = []
    for axis in range(dimensions):
        strides = {
            output[axis]: windows[axis].stride
            for windows, output in layers
            if windows[axis].stride > 1
        }
        if 1 in strides and rate > 1:
            raise Unsuitable("the last stride leads to a single cell: plan with larger inputs")
        last = sorted(strides)  # the smallest map is the last one
        while prod(strides[size] for size in last) > rate:
            last.pop()
        found.append((prod(strides[size] for size in last), last, strides))
    for product, last, strides in found:
        if product < rate and (len(last) < len(strides) or all(p < rate for p, *_ in found)):
            shown = ", ".join(str(strides[size]) for size in sorted(strides)) or "none"
            raise Unsuitable(f"the strides, from the last: {shown}, do not multiply to {rate}")
    return [set(last) for _, last, _ in found]
