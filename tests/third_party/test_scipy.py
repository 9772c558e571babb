"""SciPy's convolutions: the three modes, flip and no flip, zeros outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from torch import Tensor

from juanji import functional as F

SIZES = {1: (9,), 2: (7, 8), 3: (5, 7, 6)}
KERNELS = {1: (4,), 2: (3, 4), 3: (2, 3, 4)}
MODES = pytest.mark.parametrize("mode", ["valid", "same", "full"])
DIMENSIONS = pytest.mark.parametrize("dimensions", [1, 2, 3])


def pair(dimensions: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    return (
        generator.standard_normal(SIZES[dimensions]),
        generator.standard_normal(KERNELS[dimensions]),
    )


def planes(*arrays: Any) -> list[Tensor]:
    return [torch.from_numpy(array)[None, None] for array in arrays]


def check(found: Tensor, expected: Any) -> None:
    torch.testing.assert_close(found[0, 0], torch.from_numpy(expected.copy()))


@MODES
@DIMENSIONS
@pytest.mark.parametrize("flip", [False, True])
def test_convolve_and_correlate(mode: str, dimensions: int, flip: bool) -> None:
    x, kernel = pair(dimensions)
    expected = (signal.convolve if flip else signal.correlate)(x, kernel, mode=mode)
    padding: Any = mode
    if mode == "same":
        # SciPy's is the middle of "full": of an even kernel, the odd cell is on the low side
        padding = [(k // 2, (k - 1) // 2) for k in kernel.shape]
    check(F.conv(*planes(x, kernel), padding=padding, flip=flip), expected)


@MODES
def test_convolve2d(mode: str) -> None:
    x, kernel = pair(2)
    padding: Any = [(k // 2, (k - 1) // 2) for k in kernel.shape] if mode == "same" else mode
    expected = signal.convolve2d(x, kernel, mode=mode)
    check(F.conv(*planes(x, kernel), padding=padding, flip=True), expected)


@DIMENSIONS
@pytest.mark.parametrize("size", [3, 5])
def test_same_with_odd_kernels_is_every_ones_same(dimensions: int, size: int) -> None:
    x, _ = pair(dimensions)
    kernel = np.random.default_rng(1).standard_normal((size,) * dimensions)
    check(F.conv(*planes(x, kernel), padding="same", flip=True), signal.convolve(x, kernel, "same"))
    check(
        F.conv(*planes(x, kernel), padding="same"),
        ndimage.correlate(x, kernel, mode="constant"),
    )
    check(
        F.conv(*planes(x, kernel), padding="same", flip=True),
        ndimage.convolve(x, kernel, mode="constant"),
    )


@DIMENSIONS
def test_ndimage_with_even_kernels(dimensions: int) -> None:
    x, kernel = pair(dimensions)
    padding = [(k // 2, k - 1 - k // 2) for k in kernel.shape]
    check(
        F.conv(*planes(x, kernel), padding=padding), ndimage.correlate(x, kernel, mode="constant")
    )


@DIMENSIONS
def test_pooling_is_ndimage_filtering(dimensions: int) -> None:
    x, _ = pair(dimensions)
    size = KERNELS[dimensions]
    padding = [(k // 2, k - 1 - k // 2) for k in size]
    (plane,) = planes(x)
    check(
        F.max_pool(plane, size, 1, padding),
        ndimage.maximum_filter(x, size, mode="constant", cval=-np.inf),
    )
    check(F.avg_pool(plane, size, 1, padding), ndimage.uniform_filter(x, size, mode="constant"))


def test_one_dimension_by_upfirdn_with_a_stride() -> None:
    """Full convolution, every second value: SciPy's polyphase filter."""
    x, kernel = pair(1)
    expected = signal.upfirdn(kernel, x, up=1, down=2)
    check(F.conv(*planes(x, kernel), stride=2, padding="full", flip=True), expected)
    up = signal.upfirdn(kernel, x, up=3)
    check(F.conv_transpose(*planes(x, kernel), stride=3), up)


def test_deformable_samples_are_map_coordinates() -> None:
    x = np.random.default_rng(2).standard_normal((6, 7))
    offset = np.random.default_rng(3).uniform(-1.4, 1.4, (2, 6, 7))
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(7.0), indexing="ij")) + offset
    expected = ndimage.map_coordinates(np.pad(x, 2), grid + 2, order=1, mode="constant")
    (plane,) = planes(x)
    found = F.deform_conv(plane, torch.from_numpy(offset)[None], torch.ones(1, 1, 1, 1).double())
    check(found, expected)
