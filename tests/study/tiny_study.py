"""A network, data and settings so small that a whole study takes a second."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import TensorDataset

from juanji.study.settings import Settings

SETTINGS = Settings(
    net="tiny",
    net_fingerprint="1",
    data="digits",
    data_fingerprint="2",
    swaps=("octave:0.25", "grouped:4"),
    epochs=2,
    repeats=2,
    batch=16,
    optimizer="adamw",
    learning_rate=0.01,
    seed=0,
    threads=1,
)


class TinyNet(nn.Sequential):
    """Two convolutions and a head; the first is never swapped, the second is."""

    def __init__(self, in_channels: int = 1, classes: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, classes),
        )


def tiny_pair() -> tuple[TensorDataset, TensorDataset]:
    """Three classes of 5 x 6 images that differ in brightness; 48 to train on and 15 to test on."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(63) % 3
    images = torch.randn(63, 1, 5, 6, generator=generator) + 2 * labels[:, None, None, None]
    return TensorDataset(images[:48], labels[:48]), TensorDataset(images[48:], labels[48:])
