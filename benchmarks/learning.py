"""Every network of the table learns a small real task: `python -m benchmarks.learning`.

The tasks are described at the top of the page that it writes. The run ends with an error where a
network stays below its threshold. Results are kept; the same command continues.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from juanji.nets import NETS, Net
from juanji.study.data import Data, load
from juanji.study.settings import deterministic, isolated
from juanji.study.train import evaluate, train
from juanji.study.units import count, percent

from .claims.accuracy import THREADS, quiet, settings
from .claims.page import markdown
from .claims.record import Cell, Result
from .claims.store import Store

HEAD = """# Every network learns

`python -m benchmarks.learning` lets every network of `juanji nets` learn a small task made of real
digits, in a form for small images and, if not said otherwise, at an eighth of the paper's width;
one thread, one seed. It shows that a network can be trained, not how good it is. Seconds depend on
the machine and on what else it does.

- **Classification**: scikit-learn's 1,797 digits, 8x8, or enlarged for networks that are deep,
  thin, or have a large stem; accuracy on the fifth that was not learnt from.
- **Segmentation**: two of these digits, enlarged, on a noisy canvas; for each pixel, in which
  digit's square it lies, if any. Mean over the 11 classes of intersection over union, on canvases
  of other digits.
- **Generation**: 5,000 digits of MNIST, each from its first 32 principal components; how many of
  the fifth that was not learnt from a nearest-neighbour classifier reads right, which knows the
  real digits of the other part.
"""

SEED = 0
CODE = 32  # numbers that a digit is generated from

# What a network needs that differs from the rest, an eighth of the paper's width among it. Where
# maps shrink to one cell early, or layers are thin, 8x8 cells are too few to learn from.
DEEP = {"extent": 16}
THIN = {"extent": 16, "epochs": 15, "width": 8}
NEEDS: dict[str, dict[str, int]] = {
    "alexnet_grouped": {"extent": 80},  # the stem is the paper's, of stride 4
    "vgg13": {"epochs": 20},  # deep, without normalization
    "vgg16": {"epochs": 20},
    "vgg19": {"epochs": 20},
    "resnet101": DEEP,
    "resnet152": DEEP | {"epochs": 20},
    "resnet110": DEEP,
    "bl_resnet50": DEEP,
    "elastic_resnet50": DEEP,
    "resnext50": {"width": 16},  # 32 groups
    "elastic_resnext50": DEEP | {"width": 16},
    "deformable_resnet50": DEEP,
    "octresnet101": DEEP,
    "mobilenet1": THIN,
    "mobilenet2": THIN,
    "octmobilenet1": THIN,
    "octmobilenet2": THIN,
    "shufflenet_g1": THIN | {"width": 6},
    "shufflenet_g2": THIN | {"width": 6},
    "shufflenet_g3": THIN | {"width": 6},
    "shufflenet_g4": THIN | {"width": 6},
    "fcn32s": {"epochs": 30},  # sees the squares only coarsely
    "deeplab3_resnet50": {"epochs": 20},
    "factorized18": THIN,
    "combined29": THIN,
}


@dataclass(frozen=True)
class Task:
    """How a network learns and is judged: `learn` gives a score in [0, 1]."""

    learn: Callable[[nn.Module, int, int], float]  # network, epochs, extent
    offered: dict[str, int]  # arguments of the network
    extent: int  # of a digit
    epochs: int
    score: str
    threshold: float

    name = "learning"  # of the folder that keeps the results


def classify(net: nn.Module, epochs: int, extent: int) -> float:
    """Learn digits; return the accuracy on others."""
    data = load("digits", size=(extent, extent))
    train(net, data, settings(epochs, 0.005, SEED), SEED, quiet)
    return evaluate(net, data.test, 500)[1]


def segment(net: nn.Module, epochs: int, extent: int) -> float:
    """Learn which pixels are which digit; return the mean intersection over union of 11 classes."""
    data = canvases(extent)
    train(net, data, settings(epochs, 0.005, SEED), SEED, quiet)
    assert isinstance(data.test, TensorDataset)
    images, labels = data.test.tensors
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in images.split(50)])
    overlaps = [
        ((found == label) & (labels == label)).sum() / ((found == label) | (labels == label)).sum()
        for label in range(11)
    ]
    return float(torch.stack(overlaps).mean())


@lru_cache(maxsize=1)
def canvases(digit: int) -> Data:
    """Two digits on a noisy canvas; label 0 is the ground, 1 + d the square around digit d."""
    digits = load("digits", size=(digit, digit))
    side = 2 * digit
    draw = torch.Generator().manual_seed(SEED)

    def canvas(source: Any, number: int) -> TensorDataset:
        images, labels = source.tensors
        pictures = torch.randn(number, 1, side, side, generator=draw) / 2
        classes = torch.zeros(number, side, side, dtype=torch.int64)
        for index in range(number):
            for left in (0, digit):  # one digit in each half, at any height
                which = int(torch.randint(len(images), (), generator=draw))
                top = int(torch.randint(side - digit + 1, (), generator=draw))
                place = (slice(top, top + digit), slice(left, left + digit))
                pictures[index, 0][place] += images[which, 0] - images[which, 0].min()
                classes[index][place] = 1 + labels[which]
        return TensorDataset(pictures, classes)

    return Data(
        name="canvases",
        train=canvas(digits.train, 1000),
        test=canvas(digits.test, 200),
        classes=11,
        channels=1,
        size=(side, side),
    )


def generate(net: nn.Module, epochs: int, extent: int) -> float:
    """Learn to draw digits from their codes; return how many of the unseen ones are read right."""
    from sklearn.neighbors import KNeighborsClassifier

    codes, images, labels, unseen_codes, unseen_labels = coded(extent)
    optimizer = torch.optim.AdamW(net.parameters(), 0.005)
    order = torch.Generator().manual_seed(SEED)
    net.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(codes), generator=order).split(50):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.mse_loss(net(codes[batch]), images[batch]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        drawn = net(unseen_codes)
    reader = KNeighborsClassifier(1).fit(images.flatten(1).numpy(), labels.numpy())
    return float(reader.score(drawn.flatten(1).numpy(), unseen_labels.numpy()))


@lru_cache(maxsize=1)
def coded(extent: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """MNIST's digits in [-1, 1], and their whitened principal components, (N, CODE), as codes."""
    from sklearn.decomposition import PCA

    data = load("mnist5k", size=(extent, extent))
    assert isinstance(data.train, TensorDataset)
    assert isinstance(data.test, TensorDataset)
    (images, labels), (unseen, unseen_labels) = data.train.tensors, data.test.tensors
    low, high = images.min(), images.max()
    images, unseen = (2 * (part - low) / (high - low) - 1 for part in (images, unseen))
    components = PCA(CODE, whiten=True, random_state=SEED).fit(images.flatten(1).numpy())
    codes, unseen_codes = (
        torch.from_numpy(components.transform(part.flatten(1).numpy())).float()
        for part in (images, unseen)
    )
    return codes, images, labels, unseen_codes, unseen_labels


TASKS = {
    "classification": Task(classify, {"in_channels": 1, "classes": 10}, 8, 10, "accuracy", 0.9),
    "segmentation": Task(segment, {"in_channels": 1, "classes": 11}, 16, 10, "mean overlap", 0.5),
    "generation": Task(generate, {"latent": CODE, "out_channels": 1}, 28, 2, "read right", 0.8),
}


def arguments(net: Net) -> dict[str, Any]:
    """Return the arguments that make a network small and fit its task."""
    taken = inspect.signature(net.build).parameters
    width = NEEDS.get(net.name, {}).get("width", max(4, taken["width"].default // 8))
    small = {"small": True} if "small" in taken else {}
    return TASKS[net.task].offered | {"width": width} | small


def cell(net: Net) -> Cell:
    """Return the piece of work that one network is."""
    task = TASKS[net.task]
    options = arguments(net)
    needs = NEEDS.get(net.name, {})
    epochs, extent = needs.get("epochs", task.epochs), needs.get("extent", task.extent)

    def work() -> Result:
        with isolated(SEED, THREADS), deterministic():
            built = net(**options)
            start = time.perf_counter()
            score = task.learn(built, epochs, extent)
            seconds = time.perf_counter() - start
        weights = sum(parameter.numel() for parameter in built.parameters())
        return {"score": score, "seconds": seconds, "weights": weights, "threads": THREADS}

    settings = {"arguments": options, "epochs": epochs, "extent": extent, "seed": SEED}
    return Cell(net.name, settings, work)


def table(store: Store) -> list[list[str]]:
    """Return a row for each network, the titles first."""
    rows = [
        ["network", "task", "width", "digit", "epochs", "weights", "seconds", "score", "above",
         "verdict"]
    ]  # fmt: skip
    for net in NETS.values():
        task, piece = TASKS[net.task], cell(net)
        extent, epochs = piece.settings["extent"], piece.settings["epochs"]
        width = piece.settings["arguments"]["width"]
        row = [net.name, net.task, str(width), f"{extent}x{extent}", str(epochs)]
        result = store.get(task, piece)
        if result is None:
            rows.append([*row, *["–"] * 4, "not tried"])
            continue
        rows.append(
            [
                *row,
                count(result["weights"]),
                f"{result['seconds']:.1f}",
                f"{percent(result['score'])} {task.score}",
                percent(task.threshold),
                "learns" if result["score"] > task.threshold else "**does not learn**",
            ]
        )
    return rows


def main() -> None:
    """Let every network learn that has not yet; write the table down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="keeps the results")
    parser.add_argument("--page", type=Path, default=Path("docs/learning.md"), help="is written")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    given = parser.parse_args()
    store = Store(given.out)
    nets = [net for net in NETS.values() if given.only in net.name]
    pieces = [(TASKS[net.task], cell(net)) for net in nets]
    missing = [(task, piece) for task, piece in pieces if store.get(task, piece) is None]
    failed, start = [], time.monotonic()
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()
    ) as bar:
        shown = bar.add_task("learning", total=len(missing))
        for task, piece in missing:
            if time.monotonic() - start > given.seconds:
                break
            bar.update(shown, description=piece.name)
            try:
                store.work(task, piece)
            except (RuntimeError, ValueError, TypeError, FloatingPointError) as error:
                failed.append(f"{piece.name}: {error}")
            bar.advance(shown)
    rows = table(store)
    given.page.write_text("\n".join([HEAD, *markdown(rows), ""]), encoding="utf-8")
    print(f"{given.page}: written")
    sys.exit("\n".join(failed) or int(any(row[-1] != "learns" for row in rows[1:])))


if __name__ == "__main__":
    main()
