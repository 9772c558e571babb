"""Convolution, its transpose and its matrix, and the special forms that have names."""

from __future__ import annotations

from .. import functional as F
from ..ops.conv import reference
from ..ops.deform import reference as deform_reference
from .record import THREADS, Case, Limit, Operator, maps, weight

ARITHMETIC = "Dumoulin, Visin, 2016, arXiv:1603.07285"
LINEAR = (("input",), ("weight",))

CONV = Operator(
    name="convolution",
    call=F.conv,
    layer="Conv",
    formula="y[f, o] = Σ_c Σ_k w[f, c, k] · x[c, o·stride + k·dilation − pad]; flip: w[f, c, −k]",
    cost="C_out · C_in/g · K · O",
    source=ARITHMETIC,
    reference=reference.conv,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case(
            "every option",
            {"input": maps(2, 4, 11), "weight": weight(6, 2, 3), "bias": weight(6)},
            {"stride": 2, "padding": ((1, 2),), "dilation": 2, "groups": 2},
        ),
        Case(
            "full, flipped",
            {"input": maps(2, 3, 5), "weight": weight(2, 3, 4)},
            {"padding": "full", "flip": True},
        ),
        Case(
            "every option",
            {"input": maps(2, 4, 7, 6), "weight": weight(6, 2, 3, 2), "bias": weight(6)},
            {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2},
        ),
        Case(
            "same, even kernel, strides",
            {"input": maps(2, 3, 5, 7), "weight": weight(2, 3, 2, 4), "bias": weight(2)},
            {"stride": (2, 3), "padding": "same"},
        ),
        Case(
            "every option",
            {"input": maps(2, 2, 4, 5, 6), "weight": weight(4, 1, 2, 3, 1), "bias": weight(4)},
            {
                "stride": (1, 2, 3),
                "padding": ((1, 0), (0, 2), 0),
                "dilation": (2, 1, 1),
                "groups": 2,
                "flip": True,
            },
        ),
    ),
)

CONV_TRANSPOSE = Operator(
    name="transposed convolution",
    call=F.conv_transpose,
    layer="ConvTranspose",
    formula="y[f, i] = Σ_c Σ_(o, k) w[c, f, k] · x[c, o], over i = o·stride + k·dilation − pad",
    cost="C_in · C_out/g · K · I",
    source="Zeiler et al., 2010; " + ARITHMETIC,
    reference=reference.conv_transpose,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case(
            "every option",
            {"input": maps(2, 4, 5), "weight": weight(4, 3, 3), "bias": weight(6)},
            {
                "stride": 3,
                "padding": ((1, 2),),
                "output_padding": 2,
                "groups": 2,
                "dilation": 2,
            },
        ),
        Case(
            "every option",
            {"input": maps(2, 4, 3, 4), "weight": weight(4, 3, 3, 2), "bias": weight(6)},
            {
                "stride": (2, 1),
                "padding": ((1, 0), (0, 2)),
                "output_padding": (1, 0),
                "groups": 2,
                "dilation": (1, 2),
            },
        ),
        Case("plain", {"input": maps(1, 2, 2, 3), "weight": weight(2, 3, 3, 3)}),
        Case(
            "every option",
            {"input": maps(2, 2, 2, 3, 2), "weight": weight(2, 2, 2, 3, 1), "bias": weight(2)},
            {"stride": (1, 2, 3), "padding": ((1, 0), (0, 2), 0), "output_padding": (0, 1, 2)},
        ),
    ),
)

MATRIX = "a sparse matrix for reading, made outside torch and without gradient"

CONV_MATRIX = Operator(
    name="convolution as a matrix",
    call=F.conv_matrix,
    layer=None,
    formula="y = C x on flattened maps; the transposed convolution is Cᵀ",
    cost="entries: C_out · C_in/g · pairs (o, k) inside the input",
    source=ARITHMETIC,
    reference=reference.conv_matrix,
    limits={
        name: Limit(MATRIX)
        for name in ("gradient", "compile", "export", "vmap", "fake", "autocast", "unbatched")
    },
    cases=(
        Case(
            "every option",
            {"weight": weight(4, 1, 3)},
            {"input_size": (7,), "stride": 2, "padding": ((1, 2),), "dilation": 2, "groups": 2},
        ),
        Case(
            "full, flipped",
            {"weight": weight(2, 3, 3, 2)},
            {"input_size": (4, 3), "padding": "full", "flip": True},
        ),
        Case(
            "transposed",
            {"weight": weight(2, 3, 2, 1, 3)},
            {"input_size": (2, 3, 2), "stride": (1, 2, 3), "transposed": True},
        ),
    ),
)

POINTWISE = Operator(
    name="pointwise (1 x 1) convolution",
    call=F.conv,
    layer="Conv",
    formula="y[f, o] = Σ_c w[f, c] · x[c, o]",
    cost="C_out · C_in/g · O",
    source="Lin, Chen, Yan, Network in Network, 2013, arXiv:1312.4400",
    reference=reference.conv,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case("1 x 1", {"input": maps(2, 5, 3), "weight": weight(3, 5, 1), "bias": weight(3)}),
        Case("1 x 1", {"input": maps(2, 5, 3, 4), "weight": weight(3, 5, 1, 1)}),
        Case("1 x 1", {"input": maps(2, 5, 2, 1, 3), "weight": weight(3, 5, 1, 1, 1)}),
    ),
)

DILATED = Operator(
    name="dilated (atrous) convolution",
    call=F.conv,
    layer="Conv",
    formula="y[f, o] = Σ_c Σ_k w[f, c, k] · x[c, o + k·d − pad]; spans d·(k − 1) + 1 cells",
    cost="C_out · C_in/g · K · O",
    source="Yu, Koltun, 2015, arXiv:1511.07122",
    reference=reference.conv,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case("dilated", {"input": maps(2, 2, 9), "weight": weight(3, 2, 3)}, {"dilation": 3}),
        Case(
            "dilated, same",
            {"input": maps(2, 2, 5, 7), "weight": weight(3, 2, 2, 3), "bias": weight(3)},
            {"dilation": (3, 2), "padding": "same"},
        ),
        Case(
            "dilated",
            {"input": maps(1, 2, 4, 5, 3), "weight": weight(3, 2, 2, 3, 1)},
            {"dilation": (3, 2, 1)},
        ),
    ),
)

GROUPED = Operator(
    name="grouped convolution",
    call=F.conv,
    layer="Conv",
    formula="a convolution of its own for each of g blocks of channels",
    cost="C_out · C_in/g · K · O",
    source="Krizhevsky, Sutskever, Hinton, 2012; Xie et al., 2016, arXiv:1611.05431",
    reference=reference.conv,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case(
            "3 groups",
            {"input": maps(2, 6, 5), "weight": weight(3, 2, 2), "bias": weight(3)},
            {"groups": 3},
        ),
        Case(
            "3 groups",
            {"input": maps(2, 6, 4, 3), "weight": weight(9, 2, 2, 3), "bias": weight(9)},
            {"groups": 3, "padding": (0, 1)},
        ),
        Case(
            "3 groups",
            {"input": maps(1, 6, 2, 4, 3), "weight": weight(3, 2, 2, 3, 1)},
            {"groups": 3},
        ),
    ),
)

DEPTHWISE = Operator(
    name="depthwise convolution",
    call=F.conv,
    layer="DepthwiseConv",
    formula="y[(c, j), o] = Σ_k w[(c, j), k] · x[c, o·stride + k·dilation − pad], j < multiplier",
    cost="C_in · multiplier · K · O",
    source="Chollet, 2017, arXiv:1610.02357; multiplier: Wang et al., 2016, arXiv:1608.04337",
    reference=reference.conv,
    linear=LINEAR,
    limits={"threads": THREADS},
    cases=(
        Case(
            "multiplier 2",
            {"input": maps(2, 3, 7), "weight": weight(6, 1, 3), "bias": weight(6)},
            {"groups": 3, "stride": 2},
        ),
        Case(
            "multiplier 1",
            {"input": maps(2, 3, 5, 4), "weight": weight(3, 1, 3, 2), "bias": weight(3)},
            {"groups": 3, "stride": (2, 1), "padding": "same"},
        ),
        Case(
            "multiplier 3",
            {"input": maps(1, 2, 3, 4, 2), "weight": weight(6, 1, 2, 3, 1)},
            {"groups": 2},
        ),
    ),
)

DEFORM_CONV = Operator(
    name="deformable convolution",
    call=F.deform_conv,
    layer="DeformConv",
    formula="y[f, o] = Σ_c Σ_k w[f, c, k] · m[k, o] · x[c, o·stride + k·dilation − pad + Δ[k, o]]",
    cost="C_out · C_in/g · K · O, and 2^d · C_in · K · O for the sampling, in d dimensions",
    source="Dai et al., 2017, arXiv:1703.06211; mask: Zhu et al., 2018, arXiv:1811.11168",
    reference=deform_reference.deform_conv,
    linear=(("input",), ("weight",), ("mask",)),
    cases=(
        Case(
            "every option",
            {
                "input": maps(2, 4, 6),
                "offset": maps(2, 4, 3, kind="offsets"),
                "weight": weight(2, 2, 2),
                "bias": weight(2),
                "mask": maps(2, 4, 3, kind="positive"),
            },
            {"stride": 2, "padding": ((1, 0),), "dilation": 2},
        ),
        Case(
            "every option",
            {
                "input": maps(2, 2, 4, 3),
                "offset": maps(2, 8, 2, 4, kind="offsets"),
                "weight": weight(2, 1, 2, 1),
                "bias": weight(2),
                "mask": maps(2, 4, 2, 4, kind="positive"),
            },
            {"stride": (2, 1), "padding": ((0, 1), (1, 0)), "dilation": (2, 1)},
        ),
        Case(
            "without mask",
            {
                "input": maps(1, 1, 3, 2, 3),
                "offset": maps(1, 6, 2, 1, 2, kind="offsets"),
                "weight": weight(2, 1, 1, 2, 1),
            },
            {"stride": (2, 1, 2)},
        ),
    ),
)

OPERATORS = (
    CONV,
    CONV_TRANSPOSE,
    CONV_MATRIX,
    POINTWISE,
    DILATED,
    GROUPED,
    DEPTHWISE,
    DEFORM_CONV,
)
