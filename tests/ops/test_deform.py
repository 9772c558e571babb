"""Deformable convolution against its definition, ONNX, and the laws that it must keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnx.backend.test.case.node as onnx_cases
import onnxruntime
import pytest
import torch
from onnx.backend.test.case.node.deformconv import DeformConv as OnnxDeformConv
from torch import Tensor

from juanji import functional as F
from juanji.bind import bind
from juanji.ops.deform import op, reference
from juanji.ops.deform.onnx import translations
from juanji.spec import Conv, windows

# per dimension: asymmetric in everything; groups and offset groups cut the channels differently
CASES: dict[int, dict[str, Any]] = {
    1: {"size": (9,), "kernel": (3,), "stride": 2, "padding": ((0, 2),), "dilation": 2},
    2: {
        "size": (6, 5),
        "kernel": (3, 2),
        "stride": (2, 1),
        "padding": (1, (2, 0)),
        "dilation": (1, 2),
    },
    3: {
        "size": (3, 4, 3),
        "kernel": (2, 1, 2),
        "stride": (1, 2, 1),
        "padding": "same",
        "dilation": (1, 1, 2),
    },
}
NAMES = ("input", "offset", "weight", "bias", "mask")


def make(
    dimensions: int,
    *,
    batch: int = 2,
    channels: int = 6,
    filters: int = 4,
    groups: int = 2,
    offset_groups: int = 3,
    dtype: torch.dtype = torch.float64,
    **changes: Any,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return random tensors, offsets of a few cells, and the arguments that are no tensors."""
    case = CASES[dimensions] | changes
    size, kernel = case.pop("size"), case.pop("kernel")
    shape = windows(kernel, case["stride"], case["padding"], case["dilation"])
    output = bind(Conv(shape, channels, filters, groups), size).output_size
    taps = offset_groups * math.prod(kernel)
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "input": (batch, channels, *size),
        "offset": (batch, taps * dimensions, *output),
        "weight": (filters, channels // groups, *kernel),
        "bias": (filters,),
        "mask": (batch, taps, *output),
    }
    tensors = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for name, shape in shapes.items()
    }
    return tensors, case


def gradients(output: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    seed = torch.randn(
        output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    found = torch.autograd.grad(output, tuple(tensors.values()), seed.to(output.dtype))
    return dict(zip(tensors, found, strict=True))


def leaves(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().clone().requires_grad_() for name, t in tensors.items()}


def off_the_kinks(offset: Tensor) -> Tensor:
    """Keep every sample at least a fifth of a cell away from whole positions."""
    return offset.floor() + 0.2 + 0.6 * (offset - offset.floor())


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("without", [(), ("bias", "mask")])
def test_output_and_gradients_are_the_definitions(dimensions, without):
    tensors, case = make(dimensions)
    tensors = leaves({name: t for name, t in tensors.items() if name not in without})
    output = F.deform_conv(**tensors, **case)
    expected = reference.deform_conv(**tensors, **case)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-12)
    found, wanted = gradients(output, tensors), gradients(expected, tensors)
    for name in tensors:
        torch.testing.assert_close(
            found[name], wanted[name], rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("padding", [0, (2, 1), ((3, 0), (1, 4)), "valid", "same", "full"])
def test_every_padding_and_an_offset_of_zero_is_conv(padding):
    tensors, _ = make(2, padding=padding)
    window = {"stride": (2, 1), "padding": padding, "dilation": (1, 2)}
    tensors["offset"].zero_()
    del tensors["mask"]
    plain = F.conv(tensors["input"], tensors["weight"], tensors["bias"], groups=2, **window)
    torch.testing.assert_close(F.deform_conv(**tensors, **window), plain, rtol=1e-12, atol=1e-12)


def test_moving_all_taps_moves_the_input():
    tensors, _ = make(2, size=(8, 9), stride=1, padding=0, dilation=1)
    x, weight = tensors["input"], tensors["weight"]
    offset = torch.tensor([2.0, -1.0], dtype=x.dtype).repeat(tensors["offset"].shape[1] // 2)
    offset = offset[None, :, None, None].expand_as(tensors["offset"])
    moved = F.deform_conv(x, offset, weight)
    torch.testing.assert_close(moved[..., :-2, 1:], F.conv(x, weight, groups=2)[..., 2:, :-1])


def test_interpolation_is_exact_on_a_ramp_and_zero_outside():
    ramp = torch.arange(5, dtype=torch.float64).view(1, 1, 5)
    weight = torch.ones(1, 1, 1, dtype=torch.float64)
    places = [2.25, 3.999, 4.0, 4.75, 5.0, -0.5, -1.0, 1e9, -1e30]
    values = [2.25, 3.999, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    for place, value in zip(places, values, strict=True):
        offset = torch.full((1, 1, 5), place, dtype=torch.float64)
        offset = offset - torch.arange(5, dtype=torch.float64)
        torch.testing.assert_close(
            F.deform_conv(ramp, offset, weight), torch.full_like(ramp, value), rtol=1e-9, atol=0
        )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300, -1e300, 2.0**63, -(2.0**62)])
def test_offsets_that_lead_nowhere_read_nothing(bad):
    tensors, case = make(2)
    everywhere = leaves(tensors | {"offset": torch.full_like(tensors["offset"], bad)})
    output = F.deform_conv(**everywhere, **case)
    assert torch.equal(output, everywhere["bias"][None, :, None, None].expand_as(output))
    for name, gradient in gradients(output, everywhere).items():
        assert name == "bias" or not gradient.any(), name

    # one bad number silences its own tap and position, and nothing else
    offset = tensors["offset"].clone()
    offset[1, 5, 2, 3] = bad  # group 0, tap 2, axis 1
    mask = tensors["mask"].clone()
    mask[1, 2, 2, 3] = 0
    one, silenced = leaves(tensors | {"offset": offset}), leaves(tensors | {"mask": mask})
    output, expected = F.deform_conv(**one, **case), F.deform_conv(**silenced, **case)
    torch.testing.assert_close(output, expected)
    found, wanted = gradients(output, one), gradients(expected, silenced)
    assert found["offset"][1, 4, 2, 3] == 0
    assert found["offset"][1, 5, 2, 3] == 0
    assert found["mask"][1, 2, 2, 3] == 0
    torch.testing.assert_close(found["input"], wanted["input"])
    torch.testing.assert_close(found["weight"], wanted["weight"])


def test_what_lies_outside_is_not_read():
    tensors, case = make(2)
    tensors["input"][:] = math.nan
    tensors["offset"][:] = -50
    assert not F.deform_conv(**tensors, **case).isnan().any()


def test_at_whole_positions_the_derivative_is_the_one_from_above():
    ramp = torch.tensor([[[1.0, 3.0, 7.0]]])
    offset = torch.zeros(1, 1, 5, requires_grad=True)
    F.deform_conv(ramp, offset, torch.ones(1, 1, 1), padding=1).sum().backward()
    assert offset.grad.tolist() == [[[1.0, 2.0, 4.0, -7.0, 0.0]]]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_first_and_second_derivatives(dimensions):
    small = {
        1: {"size": (4,), "kernel": (2,), "stride": 1, "padding": 1, "dilation": 1},
        2: {"size": (3, 4), "kernel": (2, 1), "padding": (1, 0)},
        3: {"size": (2, 2, 2), "kernel": (1, 1, 2), "stride": 1, "padding": 0, "dilation": 1},
    }[dimensions]
    tensors, case = make(
        dimensions, batch=1, channels=2, filters=2, offset_groups=dimensions % 2 + 1, **small
    )
    tensors["offset"] = off_the_kinks(tensors["offset"])
    inputs = tuple(leaves(tensors).values())

    def function(*inputs):
        return F.deform_conv(**dict(zip(NAMES, inputs, strict=True)), **case)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_second_derivatives_are_the_definitions():
    tensors, case = make(2, batch=1, size=(4, 4), channels=3, filters=2, groups=1)
    results = []
    for function in (F.deform_conv, reference.deform_conv):
        own = leaves(tensors)
        loss = function(**own, **case).sin().sum()
        first = torch.autograd.grad(loss, tuple(own.values()), create_graph=True)
        results.append(torch.autograd.grad(sum(g.square().sum() for g in first), own.values()))
    for name, found, expected in zip(NAMES, *results, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=1e-9, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_torch_func():
    tensors, case = make(2)
    values = tuple(tensors.values())

    def loss(*values):
        return F.deform_conv(**dict(zip(NAMES, values, strict=True)), **case).square().sum()

    own = leaves(tensors)
    expected = torch.autograd.grad(loss(*own.values()), own.values())
    for found, wanted in zip(
        torch.func.grad(loss, tuple(range(5)))(*values), expected, strict=True
    ):
        torch.testing.assert_close(found, wanted)

    # per-sample gradients: the batch axis mapped over, weight and bias shared
    in_dims = (0, 0, None, None, 0)
    each = torch.func.vmap(torch.func.grad(loss, (2, 3)), in_dims)(*values)
    torch.testing.assert_close(each[0].sum(0), expected[2])
    torch.testing.assert_close(each[1].sum(0), expected[3])
    shared = torch.func.vmap(lambda weight: loss(*values[:2], weight, *values[3:]))
    weights = torch.stack([values[2], 2 * values[2]])
    singly = torch.stack([loss(*values[:2], weight, *values[3:]) for weight in weights])
    torch.testing.assert_close(shared(weights), singly)


def test_the_workspace_does_not_grow_with_the_taps():
    """Nothing but the inputs is kept for the backward pass."""
    tensors, case = make(2)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        F.deform_conv(**leaves(tensors), **case)
    assert {t.shape for t in kept} <= {t.shape for t in tensors.values()}


@pytest.mark.parametrize("case_of", ["unbatched", "empty", "channels_last", "strided", "expanded"])
def test_layouts_give_the_contiguous_answer(case_of):
    tensors, case = make(2)
    plain = F.deform_conv(**tensors, **case)
    batched = {name: tensors[name] for name in ("input", "offset", "mask")}
    if case_of == "unbatched":
        changed = {name: t[1] for name, t in batched.items()}
        plain = plain[1]
    elif case_of == "empty":
        changed = {name: t[:0] for name, t in batched.items()}
        plain = plain[:0]
    elif case_of == "channels_last":
        changed = {n: t.to(memory_format=torch.channels_last) for n, t in batched.items()}
    elif case_of == "strided":
        changed = {
            n: torch.stack([t, -t], -1).mT.contiguous().mT[..., 0] for n, t in batched.items()
        }
    else:
        changed = {name: t[:1].expand_as(t) for name, t in batched.items()}
        plain = plain[:1].expand_as(plain)
    own = leaves(tensors) | {name: t.detach().requires_grad_() for name, t in changed.items()}
    output = F.deform_conv(**own, **case)
    torch.testing.assert_close(output, plain)
    assert output.is_contiguous(
        memory_format=torch.channels_last if case_of == "channels_last" else torch.contiguous_format
    )
    for name, gradient in gradients(output, own).items():
        assert gradient.shape == own[name].shape
        assert case_of != "empty" or not gradient.any()


def test_channels_last_3d_goes_through():
    tensors, case = make(3)
    tensors["input"] = tensors["input"].to(memory_format=torch.channels_last_3d)
    output = F.deform_conv(**tensors, **case)
    assert output.is_contiguous(memory_format=torch.channels_last_3d)


def test_no_channels_leave_the_bias():
    bias = torch.tensor([1.0, -2.0])
    output = F.deform_conv(
        torch.randn(2, 0, 4, 5), torch.randn(2, 18, 2, 3), torch.randn(2, 0, 3, 3), bias
    )
    assert torch.equal(output, bias[None, :, None, None].expand(2, 2, 2, 3))


@pytest.mark.parametrize(("dtype", "unit"), [(torch.float32, 2**-23), (torch.bfloat16, 2**-8)])
def test_low_precision(dtype, unit):
    """32 bits to within rounding of the sums; 16 bits are these, rounded once."""
    tensors, case = make(2, dtype=dtype)
    own, exact = leaves(tensors), leaves({n: t.double() for n, t in tensors.items()})
    output, expected = F.deform_conv(**own, **case), F.deform_conv(**exact, **case)
    assert output.dtype == dtype
    sums = F.deform_conv(
        **{n: t if n == "offset" else t.abs() for n, t in exact.items()}, **case
    ).detach()
    bound = unit * expected.abs() + 50 * 2**-23 * sums
    assert ((output.double() - expected).abs() <= bound).all()
    wanted = gradients(expected, exact)
    for name, found in gradients(output, own).items():
        assert found.dtype == dtype
        scale = wanted[name].abs().max()
        # the seed of the gradients is rounded too, by half a unit, and so adds to the sums
        error = (found.double() - wanted[name]).abs().max()
        assert error <= (2 * unit + 1e-5) * scale, name


def test_autocast():
    tensors, case = make(2, dtype=torch.float32)
    own = leaves(tensors)
    with torch.autocast("cpu", torch.bfloat16):
        output = F.deform_conv(**own, **case)
        mixed = F.deform_conv(**own | {"offset": own["offset"].bfloat16()}, **case)
    assert output.dtype == mixed.dtype == torch.bfloat16
    plain = F.deform_conv(**own, **case)
    assert torch.equal(output, plain.bfloat16())  # computed in 32 bits, rounded once
    wanted = torch.autograd.grad(plain, own.values(), torch.ones_like(plain))
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(output, own.values(), torch.ones_like(output))
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiles_without_a_break(dynamic):
    tensors, case = make(2)
    torch.compiler.reset()
    compiled = torch.compile(
        lambda t: F.deform_conv(**t, **case), fullgraph=True, backend="aot_eager", dynamic=dynamic
    )
    for size in ((6, 5), (9, 7)):
        own = leaves(make(2, size=size)[0])
        output, expected = compiled(own), F.deform_conv(**own, **case)
        torch.testing.assert_close(output, expected)
        found, wanted = gradients(output, own), gradients(expected, own)
        for name in own:
            torch.testing.assert_close(found[name], wanted[name])
    with torch.no_grad():
        torch.testing.assert_close(compiled(tensors), F.deform_conv(**tensors, **case))


def test_exports_with_dynamic_shapes_and_trains_afterwards():
    tensors, case = make(2, padding="same")

    class Layer(torch.nn.Module):
        def forward(self, input, offset, weight, bias, mask):
            return F.deform_conv(input, offset, weight, bias, mask=mask, **case)

    auto = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    program = torch.export.export(
        Layer(), (), tensors, dynamic_shapes={n: auto if t.ndim == 4 and n != "weight" else None
                                              for n, t in tensors.items()},
    )  # fmt: skip
    own = leaves(make(2, batch=3, size=(9, 8), padding="same")[0])
    output, expected = program.module()(**own), F.deform_conv(**own, **case)
    torch.testing.assert_close(output, expected)
    found, wanted = gradients(output, own), gradients(expected, own)
    for name in own:
        torch.testing.assert_close(found[name], wanted[name])


def test_operators_are_registered_soundly():
    tensors, _ = make(2, batch=1)
    own = leaves(tensors)
    parts = [own[name] for name in ("input", "offset", "mask", "weight")]
    window = ([2, 1], [1, 2], [1, 2])
    torch.library.opcheck(op.convolve, (*parts, own["bias"], *window))
    grad = torch.randn_like(op.convolve(*parts, None, *window)).detach()
    still = [part.detach() for part in parts]
    torch.library.opcheck(op.gradients, (grad, *still, *window))


def test_saved_tensors_that_change_are_noticed():
    tensors, case = make(2)
    own = leaves(tensors)
    changing = own["offset"] * 1
    output = F.deform_conv(**own | {"offset": changing}, **case)
    changing.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def run_node(node: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Run one node with ONNX Runtime."""
    names = [name for name in node.input if name]
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    outputs = [onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)]
    graph = onnx.helper.make_graph([node], "deform", inputs, outputs)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(zip(names, arrays, strict=True)))


def test_onnx_runtime_gives_the_same():
    tensors, _ = make(2, dtype=torch.float32, size=(7, 6))
    order = ("input", "weight", "offset", "bias", "mask")
    node = onnx.helper.make_node(
        "DeformConv", list(order), ["output"], kernel_shape=[3, 2], strides=[2, 1],
        pads=[1, 2, 1, 0], dilations=[1, 2], group=2, offset_group=3,
    )  # fmt: skip
    (expected,) = run_node(node, [tensors[name].numpy() for name in order])
    output = F.deform_conv(**tensors, stride=(2, 1), padding=(1, (2, 0)), dilation=(1, 2))
    torch.testing.assert_close(output, torch.from_numpy(expected), rtol=1e-5, atol=1e-5)


def test_onnx_standard_cases(monkeypatch):
    seen = []

    def compare(node, inputs, outputs, name):
        given = {
            key: torch.from_numpy(a) for key, a in zip(node.input, inputs, strict=False) if key
        }
        fields = ("input", "weight", "offset", "bias", "mask")
        tensors = dict(zip(fields, [given.get(key) for key in node.input], strict=False))
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        pads = attributes.get("pads", [0, 0, 0, 0])
        output = F.deform_conv(
            **tensors,
            stride=attributes.get("strides", 1),
            padding=tuple(zip(pads[:2], pads[2:], strict=True)),
            dilation=attributes.get("dilations", 1),
        )
        torch.testing.assert_close(output, torch.from_numpy(outputs[0]), rtol=1e-5, atol=1e-5)
        seen.append(name)

    monkeypatch.setattr(onnx_cases.deformconv, "expect", compare)
    for name in vars(OnnxDeformConv):
        if name.startswith("export"):
            getattr(OnnxDeformConv, name)()
    assert len(seen) >= 4


ERRORS = [
    ({"input": (2, 5, 6, 5)}, "input must have a multiple of weight.shape.1. = 3 channels, got 5"),
    ({"input": (6, 5)}, "input must have 4 dimensions"),
    ({"offset": (2, 36, 3)}, "offset must have as many dimensions as input, 4, got shape"),
    ({"offset": (2, 30, 3, 5)}, "offset must have a positive multiple of 12 channels.* got 30"),
    ({"offset": (2, 0, 3, 5)}, "offset must have a positive multiple of 12 channels.* got 0"),
    ({"offset": (2, 48, 3, 5)}, "48 channels of offset are 4 groups, 6 % 4 != 0"),
    ({"offset": (2, 36, 4, 5)}, r"offset must have shape \(2, 36, 3, 5\), got \(2, 36, 4, 5\)"),
    ({"offset": (1, 36, 3, 5)}, r"offset must have shape \(2, 36, 3, 5\), got \(1, 36, 3, 5\)"),
    ({"mask": (2, 36, 3, 5)}, r"mask must have shape \(2, 18, 3, 5\), got \(2, 36, 3, 5\)"),
    ({"bias": (3,)}, r"bias must have shape \(4,\)"),
    ({"weight": (4, 3)}, "weight must have at least 3 dimensions"),
    ({"weight": (5, 3, 3, 2)}, "groups must divide out_channels: 5 % 2 != 0"),
    ({"stride": 0}, "stride must be at least 1"),
    ({"padding": -1}, "padding must be at least 0"),
    ({"dilation": (2, 3, 4)}, "dilation must be an int or have one value per axis"),
    ({"dilation": 9}, "the kernel spans 19 cells"),
]


@pytest.mark.parametrize(("changes", "message"), ERRORS)
def test_what_does_not_fit_is_named(changes, message):
    tensors, case = make(2)
    for name, value in changes.items():
        if name in tensors:
            tensors[name] = torch.zeros(value, dtype=torch.float64)
        else:
            case[name] = value
    with pytest.raises(ValueError, match=message):
        F.deform_conv(**tensors, **case)


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("offset", torch.float32, "offset must have the dtype of input"),
        ("mask", torch.int64, "mask must "),
        ("weight", torch.bfloat16, "weight must have the dtype of input"),
    ],
)
def test_mixed_dtypes_are_refused(name, dtype, message):
    tensors, case = make(2)
    tensors[name] = tensors[name].to(dtype)
    with pytest.raises(TypeError, match=message):
        F.deform_conv(**tensors, **case)


def test_complex_is_refused():
    tensors, case = make(2, dtype=torch.complex128)
    with pytest.raises(TypeError, match="input must be real"):
        F.deform_conv(**tensors, **case)


def test_meta_tensors_have_the_shape():
    tensors, case = make(2)
    on_meta = {name: t.to("meta") for name, t in tensors.items()}
    assert F.deform_conv(**on_meta, **case).shape == F.deform_conv(**tensors, **case).shape


@pytest.mark.parametrize("with_mask", [True, False])
def test_torch_writes_it_as_onnx_does(with_mask):
    tensors, case = make(2, dtype=torch.float32)

    class Layer(torch.nn.Module):
        def forward(self, input, offset, mask=None):
            weight, bias = tensors["weight"], tensors["bias"]
            return F.deform_conv(input, offset, weight, bias, mask=mask, **case)

    names = ("input", "offset", "mask") if with_mask else ("input", "offset")
    inputs = tuple(tensors[name] for name in names)
    program = torch.onnx.export(
        Layer().eval(), inputs, dynamo=True, verbose=False, custom_translation_table=translations()
    )
    assert [node.op_type for node in program.model.graph].count("DeformConv") == 1
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = zip((value.name for value in session.get_inputs()), inputs, strict=True)
    (found,) = session.run(None, {name: x.numpy() for name, x in given})
    torch.testing.assert_close(torch.from_numpy(found), Layer()(*inputs), rtol=1e-5, atol=1e-5)
