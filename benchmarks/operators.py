"""Every operator of the catalogue on one realistic workload: how fast it is, beside a peer.

    make bench

Forward, and forward with backward, contiguous and channels-last, float32. Each operator takes turns
A B B A with a peer, on the same random inputs: "torch" is torch's own operator or the same result
written in torch; "dense" is torch's dense convolution of the same shape, in place of which a
variant stands, "max" torch's max pooling; without a peer, the operator itself, which shows how far
a ratio of one repeats. The ratio is the peer's time by ours: above 1 ours is faster.

Before anything is timed, the operator is compared in this layout with the catalogue's float64
reference on its small cases; on one image of the workload its values and gradients are compared
with itself in float64, and its values with a peer that computes the same.

GF/s counts 2 x multiply-adds of the direct method, three times as many with the backward pass.
What has less than one multiply-add for each number it moves is given in GB/s: inputs and outputs
once each, twice with the backward pass. ~ marks blocks in which the machine was unsteady.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor
from torch.utils import _pytree as pytree

from juanji import analysis
from juanji.analysis import watch
from juanji.catalog import CATALOG, Case, Operator, dimensions, named, tensors
from juanji.study.layout import layouts

from .figures import agree, arguments, paired, ratio, save
from .workloads import WORKLOADS, Inputs, Workload

SECONDS = 0.4  # for each block
SETS = 3  # of random inputs, taken in turns

Run = Callable[[Inputs], float]  # inputs -> seconds


def draw(case: Case, layout: torch.memory_format, prepare: Any = None, **which: Any) -> Inputs:
    """Draw the tensors of a case in float32, those with four dimensions laid out so."""

    def lay_out(x: Any) -> Any:
        return x.contiguous(memory_format=layout) if x.ndim == 4 else x

    drawn = tensors(case, dtype=torch.float32, **which)
    return pytree.tree_map(lay_out, prepare(drawn) if prepare else drawn)


def floating(value: Any) -> list[Tensor]:
    """Return the floating tensors in nested tuples and mappings and in octave pairs."""
    return [x for x in watch.tensors(value) if x.is_floating_point()]


def with_gradients(
    call: Callable[..., Any], inputs: Inputs, upstream: list[Tensor]
) -> list[Tensor]:
    """Return the gradients of a call's inputs for the gradients of its outputs."""
    return list(torch.autograd.grad(floating(call(**inputs)), floating(inputs), upstream))


def check(operator: Operator, workload: Workload, layout: torch.memory_format) -> None:
    """Compare values and gradients with exact ones, and values with a peer that has the same."""
    for case in (case for case in operator.cases if dimensions(case) == 2):
        inputs = draw(case, layout)
        exact = operator.reference(**doubles(inputs), **case.options)
        found = operator.call(**inputs, **case.options)
        agree(dense_tensors(found), dense_tensors(exact), f"{operator.name}, {case.label}")
    if "gradient" in operator.limits:
        return
    steady = {"training": False} if operator.name == "stochastic pooling" else {}  # draws nothing
    call = partial(workload.call or operator.call, **workload.case.options, **steady)
    inputs = draw(workload.case, layout, workload.prepare, batch=1)
    for x in floating(inputs):
        x.requires_grad_()
    outputs = floating(call(**inputs))
    upstream = [torch.randn_like(x) for x in outputs]
    found = [*outputs, *with_gradients(call, inputs, upstream)]
    exact_inputs = doubles(inputs)
    exact = with_gradients(call, exact_inputs, [x.double() for x in upstream])
    agree(found, [*floating(call(**exact_inputs)), *exact], f"{operator.name}, workload")
    if workload.peer and workload.peer[0] == "torch":
        agree(floating(workload.peer[1](**inputs)), outputs, f"{operator.name}, peer")


def doubles(inputs: Inputs) -> Inputs:
    """Return the inputs in float64, as leaves of their own."""

    def double(x: Tensor) -> Tensor:
        return x.detach().double().requires_grad_(x.requires_grad) if x.is_floating_point() else x

    return pytree.tree_map(double, inputs)


def dense_tensors(value: Any) -> list[Tensor]:
    """Return the tensors of a result, also where it is a sparse matrix."""
    return [x.to_dense() for x in watch.tensors(value)]


class Call(torch.nn.Module):
    """A call as a module, as counting takes it."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.call = call

    def forward(self, inputs: Inputs) -> Any:
        """Call it."""
        return self.call(**inputs)


def amount(call: Callable[..., Any], inputs: Inputs, backward: bool) -> tuple[int, str] | None:
    """Return the FLOPs or the bytes of a call and the name of their rate; None: no dense result."""
    products = analysis.count(Call(call), inputs).multiply_adds.dense
    outputs = list(watch.tensors(call(**inputs)))
    if any(x.layout != torch.strided for x in outputs):
        return None
    moved = [*watch.tensors(inputs), *outputs]
    if products >= sum(x.numel() for x in moved):
        return 2 * products * (3 if backward else 1), "GF/s"
    return sum(x.numel() * x.itemsize for x in moved) * (2 if backward else 1), "GB/s"


def forward(call: Callable[..., Any]) -> Run:
    """Time the forward pass."""

    def run(inputs: Inputs) -> float:
        with torch.inference_mode():
            start = time.perf_counter()
            call(**inputs)
            return time.perf_counter() - start

    return run


def forward_and_backward(call: Callable[..., Any], inputs: Inputs) -> Run:
    """Time the forward pass with the backward pass, for gradients drawn beforehand."""
    upstream = [torch.randn_like(x) for x in floating(call(**inputs))]

    def run(inputs: Inputs) -> float:
        for x in floating(inputs):
            x.requires_grad_()
        start = time.perf_counter()
        with_gradients(call, inputs, upstream)
        return time.perf_counter() - start

    return run


def cell(
    operator: Operator, workload: Workload, layout: torch.memory_format, backward: bool
) -> Any:
    """Measure one operator in one layout, forward or with backward."""
    call = partial(workload.call or operator.call, **workload.case.options)
    name, peer, *cases = workload.peer or ("itself", call)
    ours = [draw(workload.case, layout, workload.prepare, seed=seed) for seed in range(SETS)]
    theirs = [draw(cases[0], layout, seed=seed) for seed in range(SETS)] if cases else ours
    if backward:
        run, run_peer = (
            forward_and_backward(function, given[0])
            for function, given in ((call, ours), (peer, theirs))
        )
    else:
        run, run_peer = forward(call), forward(peer)
    sets = itertools.cycle(zip(ours, theirs, strict=True))
    figures = paired(
        lambda pair: run_peer(pair[1]), lambda pair: run(pair[0]), lambda: next(sets), SECONDS
    )
    done, unit = amount(call, draw(workload.case, layout, workload.prepare), backward) or (None, "")
    rate = done / figures["milliseconds"][1] * 1e-6 if done else None
    return {"peer": name, "rate": rate, "unit": unit} | figures


def measure(operator: Operator) -> list[dict[str, Any]]:
    """Check and measure one operator: a row for each layout."""
    workload = WORKLOADS[operator.name]
    has_maps = any(argument.maps for _, argument in named(workload.case))
    rows = []
    for name, layout in layouts(4 if has_maps else 0).items():
        check(operator, workload, layout)
        passes = {"forward": cell(operator, workload, layout, backward=False)}
        if "gradient" not in operator.limits:
            passes["forward and backward"] = cell(operator, workload, layout, backward=True)
        rows.append({"operator": operator.name, "layout": name, "passes": passes})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a Markdown table."""
    title = "ms, rate | peer's time by ours [95 %]"
    lines = [
        f"| operator | layout | peer | forward: {title} | with backward: {title} |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        passes = [row["passes"].get(name) for name in ("forward", "forward and backward")]
        cells = [row["operator"], row["layout"], passes[0]["peer"]]
        for figures in passes:
            cells += [speed(figures), ratio(figures)] if figures else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def speed(figures: dict[str, Any]) -> str:
    """Write time and rate."""
    rate = f", {figures['rate']:.1f} {figures['unit']}" if figures["rate"] else ""
    return f"{figures['milliseconds'][1]:.3g}{rate}"


def main() -> None:
    """Measure all operators and print the table; keep the figures as JSON."""
    if set(WORKLOADS) != {operator.name for operator in CATALOG}:
        differing = set(WORKLOADS) ^ {operator.name for operator in CATALOG}
        raise SystemExit(f"workloads and catalogue must name the same operators: {differing}")
    given = arguments(__doc__, "operators", "operators whose name contains this")
    torch.manual_seed(0)
    operators = [operator for operator in CATALOG if given.only in operator.name]
    rows = []
    with Progress() as progress:
        task = progress.add_task("measuring", total=len(operators))
        for operator in operators:
            progress.update(task, description=operator.name)
            rows += measure(operator)
            progress.advance(task)
    print(table(rows))
    save(rows, given.out)


if __name__ == "__main__":
    main()
