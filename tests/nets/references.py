"""Networks that no installed library has, written a second time, in torch.nn alone.

From the layers of the authors' code, for GoogLeNet of torchvision's. Layers are made in the order
in which ours are, so that `peers.assert_same_outputs` pairs them by their shapes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as torch_functional
from torch import Tensor, nn


class Unit(nn.Sequential):
    """Convolution, normalization and, if not told otherwise, ReLU."""

    def __init__(
        self, before: int, after: int, size: int, stride: int = 1, groups: int = 1,
        *, eps: float = 1e-5, relu: bool = True,
    ) -> None:  # fmt: skip
        conv = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(after, eps), nn.ReLU() if relu else nn.Identity())


def end(channels: int, classes: int = 1000) -> Iterator[nn.Module]:
    """Average and classify."""
    yield from (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Side(nn.ModuleList):
    """Branches side by side, concatenated."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


def googlenet() -> nn.Module:
    """torchvision's: normalization, and 3x3 where the paper has 5x5."""

    def unit(before: int, after: int, size: int, stride: int = 1) -> Unit:
        return Unit(before, after, size, stride, eps=1e-3)

    def pool(size: int) -> nn.Module:
        return nn.MaxPool2d(size, 2, ceil_mode=True)

    def inception(n: int, one: int, a: int, three: int, b: int, five: int, pooled: int) -> Side:
        return Side([
            unit(n, one, 1),
            nn.Sequential(unit(n, a, 1), unit(a, three, 3)),
            nn.Sequential(unit(n, b, 1), unit(b, five, 3)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(n, pooled, 1)),
        ])  # fmt: skip

    return nn.Sequential(
        unit(3, 64, 7, 2), pool(3), unit(64, 64, 1), unit(64, 192, 3), pool(3),
        inception(192, 64, 96, 128, 16, 32, 32),
        inception(256, 128, 128, 192, 32, 96, 64), pool(3),
        inception(480, 192, 96, 208, 16, 48, 64),
        inception(512, 160, 112, 224, 24, 64, 64),
        inception(512, 128, 128, 256, 24, 64, 64),
        inception(512, 112, 144, 288, 32, 64, 64),
        inception(528, 256, 160, 320, 32, 128, 128), pool(2),
        inception(832, 256, 160, 320, 32, 128, 128),
        inception(832, 384, 192, 384, 48, 128, 128), *end(1024),
    )  # fmt: skip


class Reorder(nn.Module):
    """The authors' operator: channels as a table of `rows` rows, read by columns."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.rows, -1)).transpose(1, 2).flatten(1, 2)


def interleaved(before: int, after: int, stride: int, primary: int, relu: bool = True) -> nn.Module:
    """Spatial convolution in `primary` groups, 1x1 across them, channels put back in order."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, groups=primary, bias=False),
        Reorder(primary),
        nn.Conv2d(after, after, 1, groups=after // primary, bias=False),
        Reorder(after // primary),
        nn.BatchNorm2d(after),
        nn.ReLU() if relu else nn.Identity(),
    )


class Residual(nn.Module):
    """A branch beside a shortcut."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.shortcut(x))


def igcnet20() -> nn.Module:
    """IGC-L24M2: the channels double by doubling M, in the first of six blocks."""
    layers: list[nn.Module] = [Unit(3, 48, 3)]
    for before, after in ((48, 48), (48, 96), (96, 192)):
        layers.append(interleaved(before, after, 1 if before == after else 2, 24))
        layers += [interleaved(after, after, 1, 24) for _ in range(5)]
    return nn.Sequential(*layers, *end(192, 10))


def igcnet18() -> nn.Module:
    """IGC-L100M2 with shortcuts: the channels double by doubling L."""
    layers: list[nn.Module] = [Unit(3, 100, 7, 2), nn.MaxPool2d(3, 2, 1)]
    before = 100
    for groups in (100, 200, 400, 800):
        for index in range(2):
            after, stride = 2 * groups, 2 if groups > 100 and index == 0 else 1
            branch = nn.Sequential(
                interleaved(before, after, stride, groups),
                interleaved(after, after, 1, groups, relu=False),
            )
            projection = Unit(before, after, 1, stride, groups, relu=False)
            layers.append(Residual(branch, nn.Identity() if before == after else projection))
            before = after
    return nn.Sequential(*layers, *end(1600))


class ElasticBranch(nn.Module):
    """Two bottlenecks, one of them at half the size, added before the normalization."""

    def __init__(
        self, before: int, inner: int, after: int, stride: int, groups: int, half: bool
    ) -> None:
        super().__init__()
        self.half = half
        self.low, self.full = (
            nn.Sequential(
                Unit(before, inner, 1),
                Unit(inner, inner, 3, stride, groups),
                nn.Conv2d(inner, after, 1, bias=False),
            )
            for _ in range(2)
        )
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        low = x
        if self.half:
            height, width = x.shape[2:]
            even = torch_functional.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
            low = torch_functional.avg_pool2d(even, 2)
        low = self.low(low)
        if self.half:
            low = nn.Upsample(scale_factor=2, mode="bilinear")(low)[..., :height, :width]
        result: Tensor = self.norm(self.full(x) + low)
        return result


def elastic_resnext50() -> nn.Module:
    """ResNeXt-50 with blocks 6-8-5-3 of two branches of 16 groups."""
    layers: list[nn.Module] = [Unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for inner, depth in ((64, 6), (128, 8), (256, 5), (512, 3)):
        for index in range(depth):
            after, stride = 4 * inner, 2 if inner > 64 and index == 0 else 1
            half = stride == 1 and inner < 512
            branch = ElasticBranch(before, inner, after, stride, 16, half)
            projection = Unit(before, after, 1, stride, relu=False)
            layers.append(Residual(branch, nn.Identity() if before == after else projection))
            before = after
    return nn.Sequential(*layers, *end(2048))


class FCN(nn.Module):
    """VGG-16 over the image, and the scores of its last `maps` maps.

    The authors pad the image by 100 and the first 7x7 convolution not at all; here their paddings
    are 1 and 3, and what their cuts leave off, half of what a kernel exceeds its stride, follows.
    """

    def __init__(self, maps: int, width: int, classes: int = 21) -> None:
        super().__init__()
        self.maps = maps
        before = 3
        self.stages = nn.ModuleList()
        for factor, depth in ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)):
            stage = nn.Sequential()
            for _ in range(depth):
                stage.extend([nn.Conv2d(before, factor * width, 3, padding=1), nn.ReLU()])
                before = factor * width
            self.stages.append(stage.append(nn.MaxPool2d(2, ceil_mode=True)))
        hidden = 64 * width
        self.hidden = nn.Sequential(
            nn.Conv2d(before, hidden, 7, padding=3), nn.ReLU(), nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
        )  # fmt: skip
        self.scores = nn.ModuleList(
            nn.Conv2d(channels, classes, 1) for channels in (4 * width, 8 * width, hidden)[-maps:]
        )
        strides = [2] * (maps - 1) + [2 ** (6 - maps)]
        self.larger = nn.ModuleList(
            nn.ConvTranspose2d(classes, classes, 2 * stride, stride, bias=False)
            for stride in strides
        )

    def forward(self, x: Tensor) -> Tensor:
        image, maps = x, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.hidden(x)
        scores = [score(x) for score, x in zip(self.scores, maps[-self.maps :], strict=True)]
        total = scores.pop()
        *doublings, last = self.larger  # made finest first, used coarsest first
        for doubling in doublings[::-1]:
            finer = scores.pop()
            total = enlarged(doubling, total, finer) + finer
        return enlarged(last, total, image)


def enlarged(larger: nn.Module, x: Tensor, like: Tensor) -> Tensor:
    """Enlarge a map, and cut out of its middle what is of another map's size."""
    cut = larger.stride[0] // 2
    height, width = like.shape[2:]
    result: Tensor = larger(x)[..., cut : cut + height, cut : cut + width]
    return result
