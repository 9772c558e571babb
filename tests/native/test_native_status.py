"""What tells a user which kernels serve, and why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch

import juanji
from juanji import functional as F
from juanji.ops.native import vector_lanes

off = os.environ.get("JUANJI_NATIVE") == "0"
pytestmark = pytest.mark.skipif(off, reason="the kernels are switched off")
DEPTHWISE = (torch.randn(2, 8, 9, 7), torch.randn(8, 1, 3, 3), None, 1, 1, 1, 8)


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_kernels_are_there_where_there_is_a_compiler() -> None:
    assert juanji.native_status().isa is not None, juanji.native_status()


def test_a_native_call_says_so() -> None:
    assert str(juanji.why(F.conv, *DEPTHWISE)) == "conv\n  native: taken"
    assert repr(juanji.why(F.conv, *DEPTHWISE)) == str(juanji.why(F.conv, *DEPTHWISE))


@pytest.mark.parametrize(
    ("reason", "dtype", "channels", "groups"),
    [
        ("the dtype is torch.float16", torch.float16, 8, 8),
        ("the convolution is dense", torch.float32, 4, 1),
        ("20 channels per group (it takes up to 16)", torch.float32, 40, 2),
    ],
)
def test_what_the_kernels_do_not_take(
    reason: str, dtype: torch.dtype, channels: int, groups: int
) -> None:
    x = torch.ones(1, channels, 5, 5, dtype=dtype)
    weight = torch.ones(channels, channels // groups, 3, 3, dtype=dtype)
    assert f"native: declined, {reason}" in juanji.why(F.conv, x, weight, groups=groups)


def test_wide_windows_and_many_weights_are_left_to_torch() -> None:
    many = juanji.why(F.conv, torch.ones(1, 2, 5000), torch.ones(2, 1, 4500), groups=2)
    assert "native: declined, 4500 weights for an output channel (it takes up to 4096)" in many
    wide = juanji.why(F.conv, torch.ones(1, 2, 70000), torch.ones(2, 1, 3), None, 1, 0, 34000, 2)
    assert "native: declined, a window spans 68001 cells" in wide


@pytest.mark.parametrize(
    ("axes", "kernel", "channels", "dtype", "innermost", "torchs"),
    [
        (2, 3, 16, torch.float32, True, True),
        (3, 3, 16, torch.float32, True, True),
        (2, 3, 16, torch.float32, False, False),
        (2, 3, 16, torch.float64, True, False),
        (2, 1, 16, torch.float32, True, False),
        (2, 3, 8, torch.float32, True, False),
        (1, 3, 16, torch.float32, False, False),
        (2, 3, 6, torch.float32, True, True),
        (3, 3, 12, torch.float32, True, True),
        (2, 3, 12, torch.float32, False, False),
        (2, 3, 6, torch.float64, True, False),
        (2, 1, 6, torch.float32, True, False),
        (2, 3, 3, torch.float32, True, False),
    ],
)
def test_channels_side_by_side_that_fill_no_vector_or_sixteen_are_left_to_torch(
    axes: int, kernel: int, channels: int, dtype: torch.dtype, innermost: bool, torchs: bool
) -> None:
    x = torch.ones(1, 2 * channels, *(5,) * axes, dtype=dtype)
    if innermost:
        x = x.to(memory_format=torch.channels_last if axes == 2 else torch.channels_last_3d)
    weight = torch.ones(2 * channels, channels, *(kernel,) * axes, dtype=dtype)
    told = juanji.why(F.conv, x, weight, groups=2)
    kernel_of_torch = "native: declined, torch's kernel for 16 channels per group"
    no_vector = f"native: declined, groups of {channels} to {channels} channels fill no vector"
    assert ((kernel_of_torch if channels == 16 else no_vector) in told) == torchs
    assert ("native: taken" in told) != torchs


def test_sixteen_channels_per_group_are_ours_over_large_maps_with_long_rows() -> None:
    weight = torch.ones(64, 16, 3, 3)
    taken = [
        "native: taken"
        in juanji.why(
            F.conv,
            torch.ones(1, 64, rows, width).to(memory_format=torch.channels_last),
            weight,
            stride=stride,
            groups=4,
        )
        for rows, width, stride in ((800, 32, 1), (700, 33, 1), (1600, 16, 1), (800, 32, 2))
    ]
    assert taken == [vector_lanes() == 16, False, False, False]


@pytest.mark.parametrize(
    ("stride", "dilation", "width", "gradient", "torchs"),
    [
        (1, 1, 16, False, False),
        (1, 1, 16, True, False),
        (1, 2, 16, False, False),
        (1, 1, 7, False, True),
        (1, 1, 7, True, False),
        (2, 1, 32, False, True),
        (2, 1, 32, True, True),
        (2, 2, 32, False, True),
        (2, 2, 32, True, False),
    ],
)
def test_depthwise_maps_side_by_side_with_strides_or_short_rows_are_left_to_torch(
    stride: int, dilation: int, width: int, gradient: bool, torchs: bool
) -> None:
    x = torch.ones(1, 64, 512 * stride, width).to(memory_format=torch.channels_last)
    weight = torch.ones(64, 1, 3, 3, requires_grad=gradient)
    for dtype in (torch.float32, torch.float64):
        call = x.to(dtype), weight.to(dtype), None, stride, dilation, dilation, 64
        told = juanji.why(F.conv, *call)
        declined = "native: declined, torch's kernel for depthwise 3x3" in told
        assert declined == (torchs and dtype == torch.float32)
        assert ("native: taken" in told) != declined


@pytest.mark.parametrize(
    ("kernel", "dilation", "gradient", "torchs"),
    [
        ((3, 3), 1, False, True),
        ((3, 3), 1, True, True),
        ((3, 3), 2, True, False),
        ((5, 5), 1, False, True),
        ((5, 5), 1, True, False),
        ((7, 7), 1, False, False),
        ((3, 3, 3), 1, False, True),
        ((3, 3, 3), 1, True, False),
    ],
)
def test_a_few_channels_side_by_side_are_left_to_torch_if_windows_are_small(
    kernel: tuple[int, ...], dilation: int, gradient: bool, torchs: bool
) -> None:
    for channels in (4, 6, 12, 16):
        size = 2, *(9,) * len(kernel), channels
        x = torch.ones(size).movedim(-1, 1)
        weight = torch.ones(channels, 1, *kernel, requires_grad=gradient)
        told = juanji.why(F.conv, x, weight, dilation=dilation, groups=channels)
        declined = f"native: declined, {channels} channels fill no vector" in told
        assert declined == (torchs and 4 < channels < vector_lanes())
        assert ("native: taken" in told) != declined


@pytest.mark.parametrize(
    ("channels", "dtype", "innermost", "stride", "least"),
    [
        (64, torch.float32, False, 1, 8),
        (64, torch.float32, True, 1, 8),
        (64, torch.bfloat16, False, 1, 8),
        (64, torch.bfloat16, True, 1, None),
        (64, torch.float64, True, 1, 16),
        (64, torch.float32, False, 2, None),
        (16, torch.float64, True, 1, 4),
        (65, torch.float32, False, 1, None),
    ],
)
def test_one_tap_in_groups_is_ours_for_more_channels(
    channels: int, dtype: torch.dtype, innermost: bool, stride: int, least: int | None
) -> None:
    """`least`: so many numbers a vector of float32 has to have, for as many channels."""
    x = torch.ones(1, 2 * channels, 5, 5, dtype=dtype)
    if innermost:
        x = x.to(memory_format=torch.channels_last)
    weight = torch.ones(2 * channels, channels, 1, 1, dtype=dtype)
    told = juanji.why(F.conv, x, weight, stride=stride, groups=2)
    assert ("native: taken" in told) == (least is not None and vector_lanes() >= least)


def test_more_channels_than_the_kernels_take_and_none_are_told_as_such() -> None:
    last = torch.channels_last
    many = torch.ones(1, 40, 3, 3).to(memory_format=last), torch.ones(40, 20, 3, 3)
    assert "20 channels per group (it takes up to 16)" in juanji.why(F.conv, *many, groups=2)
    none = torch.ones(1, 0, 3, 3).as_strided((1, 0, 3, 3), (18, 1, 6, 2)), torch.ones(0, 0, 3, 3)
    assert "there are no channels" in juanji.why(F.conv, *none, groups=2)


def test_transforms_are_left_to_torch() -> None:
    x, weight = DEPTHWISE[:2]
    heard = juanji.why(torch.func.vmap(lambda one: F.conv(one, weight, groups=8)), x.unsqueeze(1))
    assert "native: declined, a transform of torch.func is active" in heard


def test_nothing_of_ours_is_said_too() -> None:
    assert juanji.why(torch.add, torch.ones(1), 1).startswith("no operator of juanji")


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.once
def test_kernels_can_be_switched_off() -> None:
    program = """
import torch, juanji
from juanji import functional as F
x, w = torch.ones(1, 2, 4), torch.ones(2, 1, 3)
print(juanji.native_status())
print(juanji.why(F.conv, x, w, groups=2))
assert F.conv(x, w, groups=2).equal(torch.full((1, 2, 2), 3.0))
"""
    off = run(program, JUANJI_NATIVE="0")
    assert off.returncode == 0, off.stderr
    assert "native kernels: none (switched off by JUANJI_NATIVE=0)" in off.stdout
    assert "no kernels are loaded: switched off" in off.stdout
    assert "Warning" not in off.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("variable", "message"),
    [({"JUANJI_ISA": "sse9"}, "JUANJI_ISA"), ({"JUANJI_BUILD": "/nowhere"}, "JUANJI_BUILD")],
)
def test_a_build_that_is_not_there_is_an_error(variable: dict[str, str], message: str) -> None:
    failed = run("import juanji; juanji.native_status()", **variable)
    assert failed.returncode != 0
    assert f"ValueError: {message}" in failed.stderr
