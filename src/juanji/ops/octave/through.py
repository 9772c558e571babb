"""How torch's functions pass through an `OctavePair`, function by function.

What is not listed here acts on the merged map, which is always right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as torch_functional
from torch import Tensor
from torch.utils import _pytree as pytree

from ..pool import avg_pool, max_pool, stochastic_pool
from .pair import OctavePair

# One tensor in, each cell by itself (dropout of channels: each channel by itself).
CELLWISE = {
    "abs", "alpha_dropout", "bfloat16", "celu", "clamp", "clamp_max", "clamp_min", "clone",
    "contiguous", "cpu", "cuda", "detach", "double", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "elu", "exp", "feature_alpha_dropout", "feature_dropout", "float", "gelu", "half",
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "logsigmoid", "mish",
    "neg", "pow", "reciprocal", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus",
    "softshrink", "softsign", "sqrt", "square", "tanh", "tanhshrink", "threshold", "to", "type",
}  # fmt: skip
# Two operands, each cell by itself.
CELLWISE_PAIRS = {"add", "div", "maximum", "minimum", "mul", "rsub", "sub", "true_divide"}
# A window slides over each half; allowed while the halves keep their relation of sizes.
WINDOWS = {f"{kind}_pool{d}d" for kind in ("avg", "max") for d in (1, 2, 3)}


def pass_through(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Apply `function` to pairs half by half where that means the same, else to merged maps.

    Raises:
        TypeError: it would change a pair in place, but only the merged map holds its result.
    """
    if args and function in ROUTES:
        result = ROUTES[function](function, *args, **kwargs)
        if result is not None:
            return result
    if function in IN_PLACE and isinstance(args[0], OctavePair) and args[0].low is not None:
        name = function.__name__
        raise TypeError(
            f"{name} cannot change an OctavePair in place with these arguments: its result is not "
            f"a pair of the same halves; use {name.rstrip('_')}, which returns it"
        )
    args, kwargs = pytree.tree_map(
        lambda x: x.merge() if isinstance(x, OctavePair) else x, (args, kwargs)
    )
    return function(*args, **kwargs)


# Routes: each gives the result, or None where only merged maps give it.


def _cellwise(
    function: Callable[..., Tensor], pair: Any, *args: Any, **kwargs: Any
) -> OctavePair | None:
    others = (*args, *kwargs.values())
    if not isinstance(pair, OctavePair) or any(isinstance(x, Tensor | OctavePair) for x in others):
        return None
    return pair.map(lambda half: function(half, *args, **kwargs))


def _cellwise_pair(
    function: Callable[..., Tensor], a: Any, b: Any, **kwargs: Any
) -> OctavePair | None:
    halves = _operands(a, b)
    if halves is None:
        return None
    pair, first, second = halves
    return pair.map(lambda _, x, y: function(x, y, **kwargs), first, second)


def _prelu(function: Callable[..., Tensor], pair: OctavePair, weight: Tensor) -> OctavePair | None:
    if weight.numel() != pair.shape[1]:
        return _cellwise(lambda half: function(half, weight), pair)
    return pair.map(function, pair.split(weight, dim=0))


def _slide(
    function: Callable[..., Any], pair: OctavePair, kernel_size: Any, *args: Any, **kwargs: Any
) -> OctavePair | None:
    """Slide a window over each half, or return None where only the merged map gives a result."""
    if pair.high is None or pair.low is None:  # nothing tells the full size of the result
        return None
    sizes = pair.low.shape[2:]
    kernel = (kernel_size,) * len(sizes) if isinstance(kernel_size, int) else kernel_size
    if any(k > n for k, n in zip(kernel, sizes, strict=False)):  # it spans all of the low half
        return None
    high, low = (function(half, kernel_size, *args, **kwargs) for half in (pair.high, pair.low))
    if not isinstance(high, Tensor):  # indices too
        return None
    if tuple(low.shape[2:]) != tuple((n + 1) // 2 for n in high.shape[2:]):
        return None
    return OctavePair(high, low, parts=pair.parts)


def _operands(a: Any, b: Any) -> tuple[OctavePair, tuple[Any, Any], tuple[Any, Any]] | None:
    """Part both operands into (high, low), or return None where only merged maps can meet."""
    pair = a if isinstance(a, OctavePair) else b
    axes = len(pair.spatial)
    halves = []
    for x in (a, b):
        if isinstance(x, OctavePair):
            if x.parts != pair.parts or x.spatial != pair.spatial:
                return None
            halves.append((x.high, x.low))
        elif not isinstance(x, Tensor):
            halves.append((x, x))
        elif x.ndim <= pair.ndim and all(n == 1 for n in x.shape[-axes:]):  # no cell differs
            per_channel = x.ndim > axes and x.shape[-axes - 1] > 1
            halves.append(pair.split(x, dim=-axes - 1) if per_channel else (x, x))
        else:
            return None
    return pair, halves[0], halves[1]


def _batch_norm(
    function: Callable[..., Tensor],
    pair: OctavePair,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> OctavePair:
    """Normalize each half with its own channels' statistics, which are updated in place."""
    per_channel = (running_mean, running_var, weight, bias)
    halves = [(None, None) if x is None else pair.split(x, dim=0) for x in per_channel]
    result = pair.map(lambda half, *own: function(half, *own, training, momentum, eps), *halves)
    if training and len(pair.parts) > 1:  # the halves are copies: write the statistics back
        for whole, parted in zip(per_channel[:2], halves[:2], strict=True):
            if whole is not None:
                whole.copy_(_interleave(pair, *parted))
    return result


def _interleave(pair: OctavePair, high: Tensor, low: Tensor) -> Tensor:
    """Undo `OctavePair.split` of a vector."""
    pieces = zip(
        high.split([h for h, _ in pair.parts]), low.split([n for _, n in pair.parts]), strict=True
    )
    return torch.cat([piece for both in pieces for piece in both])


def _concatenate(
    function: Callable[..., Tensor], tensors: Any, dim: int = 0, **kwargs: Any
) -> OctavePair | Tensor:
    """Concatenate channels half by half; a plain map is all high. Other axes need merged maps."""
    dim = kwargs.pop("axis", dim)
    pairs = [x if isinstance(x, OctavePair) else OctavePair(x, None) for x in tensors]
    sizes = {pair.spatial for pair in pairs}
    if dim not in (1, 1 - pairs[0].ndim) or len(sizes) > 1 or kwargs:
        return function([pair.merge() for pair in pairs], dim, **kwargs)
    halves = (
        [half for half in side if half is not None]
        for side in ([pair.high for pair in pairs], [pair.low for pair in pairs])
    )
    high, low = (function(side, 1) if side else None for side in halves)
    parts = tuple(part for pair in pairs for part in pair.parts)
    return OctavePair(high, low, size=pairs[0].spatial, parts=parts)


IN_PLACE = {getattr(Tensor, name) for name in dir(Tensor) if name[-1] == "_" and name[0] != "_"}


def _functions(names: set[str]) -> list[Callable[..., Any]]:
    """Return what torch offers under these names, methods and in-place forms included."""
    homes = (torch, torch_functional, Tensor)
    spellings = [spelling for name in sorted(names) for spelling in (name, name + "_")]
    found = [getattr(home, name, None) for home in homes for name in spellings]
    return [function for function in found if callable(function)]  # torch.half is a dtype


ROUTES: dict[Callable[..., Any], Callable[..., Any]] = {
    function: route
    for names, route in (
        (CELLWISE, _cellwise),
        (CELLWISE_PAIRS, _cellwise_pair),
        (WINDOWS, _slide),
        ({"prelu"}, _prelu),
        ({"cat", "concat", "concatenate"}, _concatenate),
    )
    for function in _functions(names)
}
ROUTES |= dict.fromkeys((avg_pool, max_pool, stochastic_pool), _slide)
ROUTES[torch_functional.batch_norm] = _batch_norm  # torch.batch_norm orders its arguments otherwise
