"""juanji.explain shows every layer of juanji.nn with its true outputs, small and large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import juanji.nn
from juanji import functional as F
from juanji.explanation import explain, table
from juanji.nn import (
    AvgUnpool1d,
    AvgUnpool2d,
    BottleneckConv2d,
    ChannelShuffle,
    DeformConv2d,
    DepthwiseSeparableConv2d,
    FlattenedConv1d,
    FlattenedConv2d,
    InterleavedGroupConv2d,
    MaxUnpool2d,
    OctaveConv2d,
    ShuffledGroupConv2d,
    SpatiallySeparableConv2d,
    SpatiallySeparableConv3d,
    SqueezeExcite,
    StochasticPool2d,
)

LARGE = (64, 30, 33)


def randomized(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.2)
    return layer


def statistics() -> nn.Module:
    layer = nn.BatchNorm2d(8)
    nn.init.uniform_(layer.running_mean)
    nn.init.uniform_(layer.running_var, 0.5, 2)
    return randomized(layer).eval()


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "depthwise separable": (
        lambda: DepthwiseSeparableConv2d(3, 4, 3, stride=2, padding=1), (3, 5, 7)
    ),
    "depthwise separable, large": (
        lambda: DepthwiseSeparableConv2d(64, 80, 3, padding=1, multiplier=2), LARGE
    ),
    "spatially separable": (
        lambda: SpatiallySeparableConv2d(4, 6, 3, stride=(2, 1), padding=1, groups=2), (4, 5, 7)
    ),
    "spatially separable, large": (
        lambda: SpatiallySeparableConv2d(64, 80, 3, padding=1, groups=4, order=(1, 0)), LARGE
    ),
    "spatially separable, 3-D": (
        lambda: SpatiallySeparableConv3d(8, 8, 3, padding=1), (8, 9, 9, 9)
    ),
    "flattened": (lambda: FlattenedConv1d(3, 2, 3), (3, 9)),
    "flattened, large": (lambda: FlattenedConv2d(64, 80, (3, 5), padding=1, groups=2), LARGE),
    "shuffled": (lambda: ShuffledGroupConv2d(4, 6, 3, padding=1, groups=2), (4, 4, 5)),
    "shuffled, large": (lambda: ShuffledGroupConv2d(64, 80, 3, padding=1, groups=8), LARGE),
    "interleaved": (
        lambda: InterleavedGroupConv2d(6, 6, 3, padding=1, primary_groups=2), (6, 3, 4)
    ),
    "interleaved, two groups": (
        lambda: InterleavedGroupConv2d(64, 80, 3, padding=1, primary_groups=2), LARGE
    ),
    "interleaved, large": (
        lambda: InterleavedGroupConv2d(64, 64, 3, primary_groups=8, secondary_groups=4), LARGE
    ),
    "bottleneck": (lambda: BottleneckConv2d(64, 80, 3, stride=2, padding=1), LARGE),
    "stochastic pool": (lambda: StochasticPool2d(3, 2, 1).eval(), LARGE),
    "average unpool": (lambda: AvgUnpool1d(2), (3, 4)),
    "average unpool, large": (lambda: AvgUnpool2d(3, 2), LARGE),
    "adaptive pool": (lambda: nn.AdaptiveAvgPool2d((2, 1)), (16, 8, 7)),
    "adaptive max pool": (lambda: nn.AdaptiveMaxPool2d(2), (3, 8, 6)),
    "deformable": (lambda: randomized(DeformConv2d(4, 4, 3, stride=2, padding=1)), (4, 7, 8)),
    "deformable, modulated": (
        lambda: randomized(DeformConv2d(16, 8, 3, padding=1, version=2, offset_groups=4)),
        (16, 30, 31),
    ),
    "deformable, groups": (
        lambda: randomized(DeformConv2d(16, 8, 3, padding=1, groups=2, dilation=2)), (16, 9, 10)
    ),
    "channel shuffle": (lambda: ChannelShuffle(3), (6, 9, 9)),
    "squeeze and excitation": (lambda: SqueezeExcite(4, 2), (4, 5, 6)),
    "squeeze and excitation, large": (lambda: SqueezeExcite(64), LARGE),
    "batch normalization": (statistics, (8, 9, 9)),
}  # fmt: skip


def check(scene: Any, *outputs: Tensor | None) -> None:
    """Compare the output grids, cropped or not, with the outputs of the first example."""
    crops = {crop.grid: crop for crop in scene.crops}
    grids = [grid for grid in scene.grids if grid.role == "output"]
    wanted = [output[0].detach() for output in outputs if output is not None]
    assert len(grids) == len(wanted)
    for grid, output in zip(grids, wanted, strict=True):
        if grid.name in crops:
            crop = crops[grid.name]
            assert crop.whole == tuple(output.shape)
            spans = zip(crop.first, crop.shown, strict=True)
            output = output[tuple(slice(start, start + count) for start, count in spans)]
        found = torch.tensor(grid.values, dtype=torch.float64).view(grid.channels, *grid.size)
        torch.testing.assert_close(found, output, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_explained_with_its_true_outputs(name: str) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make().double()
    x = torch.rand(2, *shape, dtype=torch.float64)
    check(explain(layer, x).scene, layer(x))


@pytest.mark.parametrize("downsample", ["pool", "stride"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("alphas", [(0.5, 0.25), (0, 0.5), (0.25, 0), (1, 1)])
@pytest.mark.parametrize("size", [(4, 7, 6), (64, 33, 30)])
def test_octave_layers(
    size: tuple[int, ...], alphas: tuple[float, float], stride: int, downsample: Any
) -> None:
    torch.manual_seed(0)
    layer = OctaveConv2d(
        size[0], 8, 3, stride, 1, alpha_in=alphas[0], alpha_out=alphas[1], downsample=downsample
    ).double()  # fmt: skip
    x: Any = torch.rand(2, *size, dtype=torch.float64)
    given = F.octave_split(x, alphas[0]) if alphas[0] else x
    output = layer(given)
    check(explain(layer, given).scene, *([output] if isinstance(output, Tensor) else output))


@pytest.mark.parametrize("groups", [4, 64])
def test_octave_layers_with_groups(groups: int) -> None:
    torch.manual_seed(0)
    layer = OctaveConv2d(64, 64, 3, padding=1, groups=groups, alpha_in=0.5, alpha_out=0.5).double()
    pair = F.octave_split(torch.rand(1, 64, 33, 30, dtype=torch.float64), 0.5)
    scene = explain(layer, pair).scene
    check(scene, *layer(pair))
    costs = next(fact.text for fact in scene.facts if fact.key == "multiply-adds")
    assert str(64 * 64 * 9 * 33 * 30 // groups) in costs  # of the whole layer, not of the crop


@pytest.mark.parametrize("size", [(6, 4), (7, 5), (40, 41)])
def test_max_unpooling_of_values_and_indices(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 6, *size, dtype=torch.float64)
    values, indices = F.max_pool(x, 2, return_indices=True)
    for layer in (MaxUnpool2d(2), nn.MaxUnpool2d(2)):
        given = (values, indices, x.shape)
        check(explain(layer, given).scene, layer(*given))
    with pytest.raises(IndexError, match="below"):
        explain(MaxUnpool2d(2), (values, indices + 10**6))


def test_every_layer_of_torch_and_juanji_with_a_window_has_a_picture() -> None:
    layers = [getattr(juanji.nn, name) for name in juanji.nn.__all__ if name[0].isupper()]
    # blocks are made of layers: they are walked through, as a model is
    kinds = [kind for kind in layers if not kind.__module__.startswith("juanji.nn.blocks.")]
    for dimension in (1, 2, 3):
        kinds += [
            getattr(nn, f"{name}{dimension}d")
            for name in ("Conv", "ConvTranspose", "MaxPool", "AvgPool", "MaxUnpool",
                         "AdaptiveAvgPool", "AdaptiveMaxPool")
        ]  # fmt: skip
    for kind in kinds:
        assert table.find(kind.__new__(kind)) is not None, kind


def test_projections_are_left_out_of_later_deformable_versions() -> None:
    torch.manual_seed(0)
    layer = randomized(DeformConv2d(4, 4, 3, padding=1, version=3)).double()
    x = torch.rand(1, 4, 5, 5, dtype=torch.float64)
    scene = explain(layer, x).scene
    found = next(grid for grid in scene.grids if grid.name == "input")
    projected = F.conv(x, layer.input_projection)[0, 0].flatten()
    torch.testing.assert_close(torch.tensor(found.values, dtype=torch.float64), projected.detach())


@pytest.mark.parametrize(
    ("layer", "x", "match"),
    [
        (ChannelShuffle(4), torch.zeros(1, 6, 2), "multiple of 4 channels"),
        (SqueezeExcite(4), torch.zeros(1, 6, 2), "must have 4 channels"),
        (nn.AdaptiveAvgPool1d(3), torch.zeros(1, 1, 4), "multiple of"),
        (DepthwiseSeparableConv2d(3, 4, 3), torch.zeros(1, 2, 5, 5), "input must have shape"),
    ],
)
def test_what_does_not_fit(layer: nn.Module, x: Tensor, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        explain(layer, x)
