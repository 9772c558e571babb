"""Promised against delivered: what a swap saves in multiply-adds, and what that is worth in time.

    make bench

For each network and swap, the unswapped and the swapped network run in interleaved pairs A B B A
on the same fresh inputs, each in the memory layout that suits it better, evaluation mode, float32.
The promise is the ratio of dense multiply-adds, the delivery the median ratio of times with its
95 % bootstrap interval. Before anything is timed, every swapped network is compared with itself in
float64. Blocks in which the machine's own speed drifted are measured again; those that stay
unsteady are marked with ~.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from rich.progress import Progress
from torch import nn

import juanji
from juanji.study.latency import interval, measure

from .figures import agree, arguments, ratio, save

SWAPS = (
    "octave:0.25",
    "octave:0.5",
    "depthwise-separable",
    "spatially-separable",
    "grouped:4",
    "shuffled:4",
    "squeeze-excite",
)


def stack(channels: int) -> Callable[[], nn.Module]:
    """Three 3x3 convolutions in a row, so that octave has a first, an inner and a last one."""

    def build() -> nn.Module:
        layers = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3)]
        return nn.Sequential(*layers)

    return build


# name: (network, image shape, batches)
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    "three 3x3, 64 channels, 56x56": (stack(64), (64, 56, 56), (1, 8)),
    "three 3x3, 128 channels, 56x56": (stack(128), (128, 56, 56), (1, 8)),
    "three 3x3, 256 channels, 14x14": (stack(256), (256, 14, 14), (1, 8)),
    "ResNet-20, 28x28": (lambda: juanji.nets.resnet20(in_channels=1), (1, 28, 28), (1, 128)),
    "ResNet-50, 224x224": (juanji.nets.resnet50, (3, 224, 224), (1, 8)),
}


def check(net: nn.Module, image: torch.Tensor) -> None:
    """Compare a network with itself in float64, before it is timed."""
    with torch.inference_mode():
        exact = net.double()(image.double())
        agree([net.float()(image)], [exact], "float32")


def row(
    case: str, swap: str, net: nn.Module, shape: tuple[int, ...], batches: tuple[int, ...]
) -> dict[str, Any]:
    """Measure one swap of one network."""
    image = torch.randn(1, *shape)
    explicit = "*" if case.startswith("three") else None
    swapped = juanji.convert(net, swap, image, where=explicit).eval()
    check(swapped, image)
    before, after = (juanji.analysis.count(m, image).multiply_adds for m in (net, swapped))
    figures: dict[str, Any] = {
        "network": case,
        "swap": swap,
        "multiply_adds_before": before.dense,
        "multiply_adds_after": after.dense,
        "promised": before.dense / after.dense,
        "delivered": {},
    }
    for batch in batches:
        latency = measure(net, swapped, shape, batch)
        median, low, high = interval(latency.ratios)
        figures["delivered"][str(batch)] = {
            "ratio": median,
            "interval": [low, high],
            "milliseconds_before": latency.unswapped_seconds * 1e3,
            "milliseconds_after": latency.variant_seconds * 1e3,
            "layouts": [latency.unswapped_layout, latency.variant_layout],
            "steady": latency.steady,
        }
    return figures


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a Markdown table."""
    lines = [
        "| network | swap | promised | batch: delivered [95 %], ms before -> after | kept |",
        "|---|---|---|---|---|",
    ]
    for figures in rows:
        for batch, d in figures["delivered"].items():
            kept = d["ratio"] / figures["promised"]
            lines.append(
                f"| {figures['network']} | {figures['swap']} | {figures['promised']:.2f} x | "
                f"{batch}: {ratio(d)}, {d['milliseconds_before']:.1f} -> "
                f"{d['milliseconds_after']:.1f} | {kept:.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure all cases and print the table; keep the figures as JSON."""
    given = arguments(__doc__, "promise", "cases whose name contains this")
    torch.manual_seed(0)
    cases = {name: case for name, case in CASES.items() if given.only in name}
    rows = []
    with Progress() as progress:
        task = progress.add_task("measuring", total=len(cases) * len(SWAPS))
        for case, (build, shape, batches) in cases.items():
            net = build().eval()
            for swap in SWAPS:
                progress.update(task, description=f"{case}, {swap}")
                rows.append(row(case, swap, net, shape, batches))
                progress.advance(task)
    print(table(rows))
    save(rows, given.out)


if __name__ == "__main__":
    main()
