"""Pooling and unpooling."""

from __future__ import annotations

from .. import functional as F
from ..ops.pool import reference
from .record import Case, Limit, Operator, maps

CHECKED = Limit("the check of the values waits for them", refused="data-dependent|vmap")
GLOBAL = Limit(
    "which dimensions are spatial is read off the input: unbatched input needs unsqueeze(0)"
)

MAX_POOL = Operator(
    name="max pooling",
    call=F.max_pool,
    layer="MaxPool",
    formula="y[c, o] = max over k of x[c, o·stride + k·dilation − pad]",
    cost="0 (K · C · O comparisons)",
    source="Weng, Ahuja, Huang, 1992; overlapping: Krizhevsky, Sutskever, Hinton, 2012",
    reference=reference.max_pool,
    cases=(
        Case(
            "every option, indices",
            {"input": maps(2, 3, 9, kind="distinct")},
            {
                "kernel_size": (3,),
                "stride": 2,
                "padding": ((2, 1),),
                "dilation": 2,
                "ceil_mode": True,
                "return_indices": True,
            },
        ),
        Case(
            "every option, indices",
            {"input": maps(2, 2, 7, 6, kind="distinct")},
            {
                "kernel_size": (3, 2),
                "stride": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "dilation": (1, 2),
                "ceil_mode": True,
                "return_indices": True,
            },
        ),
        Case(
            "overlapping, padding as torch takes it",
            {"input": maps(2, 2, 6, 5, kind="distinct")},
            {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1},
        ),
        Case(
            "same",
            {"input": maps(1, 2, 4, 5, 3, kind="distinct")},
            {"kernel_size": (2, 3, 1), "stride": (1, 2, 3), "padding": "same"},
        ),
    ),
)

AVG_POOL = Operator(
    name="average pooling",
    call=F.avg_pool,
    layer="AvgPool",
    formula="y[c, o] = Σ_k x[c, o·stride + k·dilation − pad] / number of cells",
    cost="0 (K · C · O additions)",
    source="LeCun et al., 1998",
    reference=reference.avg_pool,
    linear=(("input",),),
    cases=(
        Case(
            "every option",
            {"input": maps(2, 3, 9)},
            {
                "kernel_size": (3,),
                "stride": 2,
                "padding": ((2, 1),),
                "dilation": 2,
                "ceil_mode": True,
            },
        ),
        Case(
            "cells of the input alone count",
            {"input": maps(2, 2, 7, 6)},
            {
                "kernel_size": (3, 2),
                "stride": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "dilation": (1, 2),
                "ceil_mode": True,
                "count_include_pad": False,
            },
        ),
        Case(
            "padding as torch takes it, own divisor",
            {"input": maps(2, 2, 6, 5)},
            {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1, "divisor_override": 4},
        ),
        Case(
            "padding as torch takes it",
            {"input": maps(1, 2, 4, 5, 3)},
            {"kernel_size": (2, 3, 1), "stride": (1, 2, 3), "padding": (1, 0, 0)},
        ),
        Case(
            "same",
            {"input": maps(1, 2, 4, 5, 3)},
            {"kernel_size": (2, 3, 1), "stride": (1, 2, 3), "padding": "same"},
        ),
    ),
)

STOCHASTIC_POOL = Operator(
    name="stochastic pooling",
    call=F.stochastic_pool,
    layer="StochasticPool",
    formula="one cell a of the window with probability a / Σ a; in evaluation Σ a² / Σ a",
    cost="0; in evaluation K · C · O",
    source="Zeiler, Fergus, 2013, arXiv:1301.3557",
    reference=reference.stochastic_pool,
    limits={"vmap": CHECKED},
    cases=(
        Case(
            "evaluation",
            {"input": maps(2, 3, 7, kind="positive")},
            {"kernel_size": (3,), "stride": 2, "padding": ((2, 1),), "training": False},
        ),
        Case(
            "evaluation",
            {"input": maps(2, 2, 5, 6, kind="positive")},
            {
                "kernel_size": (3, 2),
                "stride": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "training": False,
            },
        ),
        Case(
            "evaluation, same",
            {"input": maps(1, 2, 4, 5, 3, kind="positive")},
            {
                "kernel_size": (2, 3, 1),
                "stride": (1, 2, 3),
                "padding": "same",
                "training": False,
            },
        ),
    ),
)

GLOBAL_AVG_POOL = Operator(
    name="global average pooling",
    call=F.global_avg_pool,
    layer=None,
    formula="y[c] = Σ_i x[c, i] / I",
    cost="0 (C · I additions)",
    source="Lin, Chen, Yan, Network in Network, 2013, arXiv:1312.4400",
    reference=reference.global_avg_pool,
    linear=(("input",),),
    limits={"unbatched": GLOBAL},
    cases=(
        Case("all cells", {"input": maps(2, 3, 5)}),
        Case("all cells", {"input": maps(2, 3, 4, 3)}),
        Case("all cells", {"input": maps(1, 2, 2, 1, 3)}),
    ),
)

GLOBAL_MAX_POOL = Operator(
    name="global max pooling",
    call=F.global_max_pool,
    layer=None,
    formula="y[c] = max over i of x[c, i]",
    cost="0 (C · I comparisons)",
    source="Oquab et al., 2015",
    reference=reference.global_max_pool,
    limits={"unbatched": GLOBAL},
    cases=(
        Case("all cells", {"input": maps(2, 3, 5, kind="distinct")}),
        Case("all cells", {"input": maps(2, 3, 4, 3, kind="distinct")}),
        Case("all cells", {"input": maps(1, 2, 2, 1, 3, kind="distinct")}),
    ),
)

MAX_UNPOOL = Operator(
    name="max unpooling",
    call=F.max_unpool,
    layer="MaxUnpool",
    formula="y[c, index[c, o]] = x[c, o]; zero elsewhere",
    cost="0",
    source="Zeiler, Taylor, Fergus, 2011",
    reference=reference.max_unpool,
    linear=(("input",),),
    limits={"vmap": CHECKED},
    cases=(
        Case(
            "overlapping windows: some cells are written twice",
            {"input": maps(2, 3, 5), "indices": maps(2, 3, 5, kind="indices", below=7)},
            {"kernel_size": (3,), "stride": 1},
        ),
        Case(
            "every option",
            {"input": maps(2, 2, 3, 4), "indices": maps(2, 2, 3, 4, kind="indices", below=28)},
            {
                "kernel_size": (3, 2),
                "stride": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "output_size": (7, 4),
            },
        ),
        Case(
            "plain",
            {
                "input": maps(1, 2, 2, 1, 3),
                "indices": maps(1, 2, 2, 1, 3, kind="indices", below=54),
            },
            {"kernel_size": (3, 1, 3)},
        ),
    ),
)

AVG_UNPOOL = Operator(
    name="average unpooling",
    call=F.avg_unpool,
    layer="AvgUnpool",
    formula="y[c, i] = mean over the windows o that hold i of x[c, o]",
    cost="0 (K · C · O additions)",
    source="the right inverse of average pooling",
    reference=reference.avg_unpool,
    linear=(("input",),),
    cases=(
        Case(
            "overlapping windows",
            {"input": maps(2, 3, 5)},
            {"kernel_size": (3,), "stride": 2, "padding": ((2, 1),)},
        ),
        Case(
            "every option",
            {"input": maps(2, 2, 3, 4)},
            {
                "kernel_size": (3, 2),
                "stride": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "output_size": (7, 4),
            },
        ),
        Case(
            "gaps between the windows",
            {"input": maps(1, 2, 2, 1, 3)},
            {"kernel_size": (2, 3, 1), "stride": (3, 1, 2)},
        ),
    ),
)

OPERATORS = (
    MAX_POOL,
    AVG_POOL,
    STOCHASTIC_POOL,
    GLOBAL_AVG_POOL,
    GLOBAL_MAX_POOL,
    MAX_UNPOOL,
    AVG_UNPOOL,
)
