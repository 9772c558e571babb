"""What a model costs and sees: weights, arithmetic, memory, receptive field, time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from . import counting
from .memory import Memory
from .report import (
    Count,
    Figure,
    ModuleFigures,
    OperatorFigures,
    Report,
    Status,
)
from .timing import clock, measure
from .views import ReceptiveField, Views
from .watch import Record, Watch, following, is_virtual, tensors, untouched

__all__ = [
    "Count", "Figure", "ModuleFigures", "OperatorFigures", "ReceptiveField", "Report", "Status",
    "analyze", "count",
]  # fmt: skip


def analyze(
    model: nn.Module,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    time: bool = True,
    repeats: int = 5,
) -> Report:
    """Run a model in evaluation mode and report what it costs and sees, module by module.

    Counted is what runs: every operator that PyTorch dispatches, functional calls and custom
    layers included. Operators without a rule make a figure a lower bound and are listed; code that
    bypasses PyTorch's dispatcher cannot be seen. Rules of counting: `juanji.analysis.counting`.

    The model is left as it was, also after an exception in its forward pass: state dict, hooks,
    training mode of every module, `requires_grad`; so are inputs and torch's random numbers. Its
    tensors are copied for that time.

    Args:
        model: any module.
        inputs: what its forward pass takes, tensors or anything else; meta and fake tensors do.
        kwargs: keyword arguments of the forward pass.
        time: measure forward times too; on meta and fake tensors there are none.
        repeats: number of timed passes, of which the median is reported.

    Raises:
        TypeError: model is not a torch.nn.Module.
        ValueError: repeats is below 1, or a lazy module has no weights yet.

    >>> from juanji.analysis import analyze
    >>> import torch
    >>> layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    >>> report = analyze(layer, torch.ones(1, 3, 8, 8))
    >>> report.total.weights.value, report.total.multiply_adds.value
    (224, MultiplyAdds(dense=13824, touched=11616))
    >>> report.total.view.value
    ReceptiveField(size=(3, 3), whole=False)
    """
    _check(model)
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    forward = partial(model, *inputs, **(kwargs or {}))
    given = list(tensors([inputs, kwargs or {}]))
    own = [*model.parameters(), *model.buffers()]

    names = {module: name for name, module in model.named_modules()}
    records = {module: Record() for module in names}
    fields: dict[nn.Module, ReceptiveField | str] = {}
    views = Views(given)
    memory = Memory([*own, *given])
    watch = Watch([counting.Counter(), memory, views], records[model])

    def enter(module: nn.Module) -> None:
        record = records[module]
        record.calls += 1
        record.peak = max(record.peak, memory.alive)
        watch.running.append(record)

    def leave(module: nn.Module, output: Any) -> None:
        watch.running.pop()
        fields[module] = views.field(tensors(output))

    timed = time and not any(map(is_virtual, (*own, *given)))
    seconds: dict[nn.Module, float] = {}
    with untouched(model, given):
        with following(model, enter, leave), watch:
            forward()
        if timed:
            total, seconds = measure(model, forward, clock([*own, *given]), repeats)
            seconds[model] = total

    def figures(module: nn.Module) -> ModuleFigures:
        record = records[module]
        products, flops = _arithmetic(record)
        return ModuleFigures(
            name=names[module],
            kind=type(module).__name__,
            calls=record.calls,
            weights=Figure(sum(weight.numel() for weight in module.parameters())),
            multiply_adds=products,
            flops=flops,
            memory_sum=Figure(record.bytes),
            memory_peak=Figure(record.peak),
            view=_available(fields.get(module, "it was not called")),
            seconds=_available(
                seconds.get(module, "it was not called" if timed else "it was not measured")
            ),
        )

    operators = [
        OperatorFigures(name, record.calls, *_arithmetic(record), Figure(record.bytes))
        for name, record in watch.operators.items()
    ]
    return Report(
        model=type(model).__name__,
        inputs=tuple(tuple(x.shape) for x in given),
        modules=tuple(map(figures, names)),
        operators=tuple(sorted(operators, key=_most_arithmetic)),
        uncounted=dict(records[model].uncounted),
    )


def count(module: nn.Module, *inputs: Any) -> Count:
    """Count weights and multiply-adds of a module in one forward pass, nothing else.

    >>> import torch
    >>> count(torch.nn.Linear(4, 3), torch.ones(2, 4)).multiply_adds
    MultiplyAdds(dense=24, touched=24)
    """
    _check(module)
    total = Record()
    with untouched(module, inputs), Watch([counting.Counter()], total):
        module(*inputs)
    weights = sum(weight.numel() for weight in module.parameters())
    return Count(weights, total.multiply_adds, dict(total.uncounted))


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model)}")
    for name, weight in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(weight):
            raise ValueError(
                f"model must have all its weights, but {name} waits for a first forward pass"
            )


def _arithmetic(record: Record) -> tuple[Figure[Any], Figure[int]]:
    if not record.uncounted:
        return Figure(record.multiply_adds), Figure(record.flops)
    reason = f"not counted: {', '.join(record.uncounted)}"
    return (
        Figure(record.multiply_adds, Status.LOWER_BOUND, reason),
        Figure(record.flops, Status.LOWER_BOUND, reason),
    )


def _available(found: Any) -> Figure[Any]:
    """Turn a value, or the reason why there is none, into a figure."""
    if isinstance(found, str):
        return Figure(None, Status.UNAVAILABLE, found)
    return Figure(found)


def _most_arithmetic(row: OperatorFigures) -> tuple[int, int, str]:
    products, flops = row.multiply_adds.value, row.flops.value
    assert products is not None
    assert flops is not None
    return -products.dense, -flops, row.name
