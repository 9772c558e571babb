"""Arguments for which Python and JavaScript must build the same scene: (operator, arguments)."""

from __future__ import annotations

from typing import Any

from juanji.draw.operators import OPERATORS

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    *((operator.name, {}) for operator in OPERATORS),
    ("conv", {"input": (7,), "kernel": 3, "dilation": 2, "padding": "same", "stride": 2}),
    (
        "conv",
        {
            "input": (4, 5, 3),
            "kernel": (2, 3, 1),
            "padding": "full",
            "in_channels": 2,
            "out_channels": 4,
            "groups": 2,
            "flip": True,
        },
    ),
    (
        "conv-transpose",
        {
            "how": "gather",
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
            "kernel": 3,
            "input": (3, 2),
        },
    ),
    (
        "conv-transpose",
        {
            "how": "scatter",
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
            "kernel": 3,
            "input": (3,),
            "bias": (0.5,),
        },
    ),
    ("max-pool", {"input": (5, 5), "kernel": 3, "stride": 2, "padding": 1, "channels": 2}),
    ("max-pool", {"input": (6,), "kernel": 3, "stride": 2, "ceil_mode": True, "dilation": 2}),
    (
        "avg-pool",
        {
            "input": (5, 5),
            "kernel": 3,
            "stride": 2,
            "padding": 1,
            "channels": 2,
            "count_include_pad": False,
        },
    ),
    ("avg-pool", {"input": (5, 5), "kernel": 2, "stride": 2, "ceil_mode": True, "padding": "same"}),
    ("stochastic-pool", {"input": (5, 5), "kernel": 3, "stride": 2, "training": False}),
    ("stochastic-pool", {"input": (5, 5), "kernel": 3, "stride": 2, "padding": 1}),
    ("max-unpool", {"input": (5, 5), "kernel": 2, "stride": 1, "channels": 2}),
    ("max-unpool", {"input": (6,), "kernel": 3}),
    ("max-unpool", {"input": (3, 2, 4), "kernel": 2}),
    ("avg-unpool", {"input": (5, 5), "kernel": 3, "stride": 2}),
    ("avg-unpool", {"input": (6, 6), "kernel": 2, "stride": 4, "channels": 2}),
    ("avg-unpool", {"input": (7,), "kernel": 2, "stride": 1, "padding": 1}),
    (
        "deformable",
        {
            "pattern": "rotate",
            "input": (5, 5),
            "in_channels": 2,
            "out_channels": 2,
            "bias": (0.5, -1),
        },
    ),
    ("deformable", {"pattern": "scale", "input": (4, 4, 4), "kernel": 2}),
    (
        "deformable",
        {
            "pattern": "aspect",
            "padding": 1,
            "stride": 2,
            "dilation": 2,
            "groups": 2,
            "in_channels": 2,
            "out_channels": 4,
        },
    ),
    ("deformable", {"input": (5,), "kernel": 2, "mask": (0.5, 0.25, 1, 0, 0.75, 0.5, 0.1, 0.2)}),
    ("deformable", {"pattern": "none"}),
)
