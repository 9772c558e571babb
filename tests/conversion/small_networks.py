"""Small networks of every shape, and what the tests of the swaps ask of a plan."""

import torch
from torch import nn

import juanji
from juanji import nets

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
X = torch.randn(2, 3, 17, 15, generator=torch.Generator().manual_seed(0))


class Depthwise(nn.Module):
    """An inverted residual, as in MobileNetV2: 1x1, depthwise, 1x1, and a connection past them."""

    def __init__(self, channels, stride=1, kernel=3):
        super().__init__()
        wide = 2 * channels
        self.expand = nn.Conv2d(channels, wide, 1, bias=False)
        self.norm = nn.BatchNorm2d(wide)
        self.filter = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        self.project = nn.Conv2d(wide, channels, 1)
        self.past = stride == 1

    def forward(self, x):
        y = nn.functional.relu6(self.norm(self.expand(x)))
        y = self.project(nn.functional.relu6(self.filter(y)))
        return x + y if self.past else y


class Concatenating(nn.Module):
    """A dense connection between two 3x3 convolutions."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.c = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        x = self.a(x)
        return self.c(torch.cat([x, torch.relu(self.b(x))], 1))


def mobile() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), Depthwise(8), Depthwise(8, stride=2, kernel=5), Depthwise(8)
    )


def volume() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 8, (3, 5, 1), 2, (1, 2, 0)),
        nn.MaxPool3d(2), nn.Conv3d(8, 4, 3, padding=1),
    )  # fmt: skip


def sequence() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 5, 2, 2),
        nn.Conv1d(8, 4, 7, padding=3),
    )  # fmt: skip


NETWORKS = {
    "resnet20": (lambda: nets.resnet20(width=8), X),
    "mobile": (mobile, X),
    "concatenating": (Concatenating, X),
    "volume": (volume, X.view(2, 3, 17, 5, 3)),
    "sequence": (sequence, X.flatten(2)[..., :41]),
}

EVERY = [
    "octave:0.25", "depthwise-separable", "spatially-separable", "flattened", "grouped:2",
    "shuffled:2", "interleaved:2", "bottleneck:2", "stacked-3x3", "stacked-3x3:relu", "dilated",
    "deformable", "deformable:1", "squeeze-excite:2", "stochastic-pool",
]  # fmt: skip


def entry(plan, name):
    return next(entry for entry in plan.entries if entry.name == name)


def reason(layer, swap, x=None):
    """Why a layer alone stays, which is convertible as far as the network goes."""
    dimensions = len(layer.kernel_size)
    x = torch.rand(1, layer.in_channels, *(9,) * dimensions) if x is None else x
    (only,) = juanji.plan(nn.Sequential(layer), swap, x, where="*").entries
    return only.reason
