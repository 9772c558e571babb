"""One training: network, data, seed -> curve. No early stop, no choice of the best epoch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset, TensorDataset, default_collate

from .data import Data
from .layout import CHANNELS_LAST, lay_out
from .settings import Settings

Tell = Callable[[int, float, float], None]  # epoch, part of it that is done, loss


@dataclass(frozen=True, slots=True)
class Epoch:
    """Means over one epoch: the training ones while the weights still moved."""

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


def train(net: nn.Module, data: Data, settings: Settings, seed: int, tell: Tell) -> list[Epoch]:
    """Train a network in place and return its curve, whose last entry is the result.

    Cross-entropy; AdamW, or SGD with Nesterov momentum; a one-cycle schedule (Smith and Topin,
    arXiv:1708.07120). Every epoch visits the items in an order that only the seed decides, and
    leaves out those that do not fill a batch. Raises FloatingPointError where the loss is not
    finite.
    """
    items = len(data.train)  # type: ignore[arg-type]
    batch = min(settings.batch, items)
    steps = items // batch
    channels_last = CHANNELS_LAST.get(2 + len(data.size), torch.contiguous_format)
    lay_out(net, channels_last)  # a tenth to a third faster, for every variant
    optimizer = make_optimizer(net, settings)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    order = torch.Generator().manual_seed(seed)
    curve = []
    for epoch in range(settings.epochs):
        start = time.perf_counter()
        net.train()
        permutation = torch.randperm(items, generator=order)[: steps * batch]
        loss_sum, correct = 0.0, 0
        for step, (images, labels) in enumerate(batches(data.train, permutation, batch)):
            scores = net(images.contiguous(memory_format=channels_last))
            loss = cross_entropy(scores, labels)
            value = finite(loss.item(), f"epoch {epoch + 1}, step {step + 1}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += value
            correct += int((scores.argmax(1) == labels).sum())
            tell(epoch, (step + 1) / steps, value)
        test_loss, test_accuracy = evaluate(net, data.test, batch)
        finite(test_loss, f"epoch {epoch + 1}, on the test part")
        curve.append(
            Epoch(
                train_loss=loss_sum / steps,
                train_accuracy=correct / (steps * batch),
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                seconds=time.perf_counter() - start,
            )
        )
    return curve


def make_optimizer(net: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Return the optimizer with its usual weight decay: 0.01 decoupled, or 0.0005."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=0.01)
    return torch.optim.SGD(
        parameters, settings.learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


@torch.no_grad()
def evaluate(net: nn.Module, dataset: Dataset[Any], batch: int) -> tuple[float, float]:
    """Return the mean loss and the accuracy, in [0, 1], over a dataset."""
    net.eval()
    items = len(dataset)  # type: ignore[arg-type]
    loss_sum, correct = 0.0, 0
    for images, labels in batches(dataset, torch.arange(items), batch):
        scores = net(images)
        loss_sum += cross_entropy(scores, labels, reduction="sum").item()
        correct += int((scores.argmax(1) == labels).sum())
    return loss_sum / items, correct / items


def batches(
    dataset: Dataset[Any], indices: torch.Tensor, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images (N, C, *spatial) and labels (N,) int64 of the items at `indices`, `size` at a time."""
    for chunk in indices.split(size):
        if type(dataset) is TensorDataset:  # one gather in place of a loop
            images, labels = (tensor[chunk] for tensor in dataset.tensors)
        else:
            images, labels = default_collate([dataset[index] for index in chunk.tolist()])
        yield images, labels.long()


def finite(loss: float, where: str) -> float:
    """Return the loss, or raise."""
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss became {loss} in {where}")
    return loss


def fingerprint(data: Data) -> str:
    """A digest of the data: of all images and labels where they are tensors.

    Another dataset may draw its images anew at each access; it counts by its labels and its shape.
    """
    digest = hashlib.sha256(f"{data.classes} {data.channels} {data.size}".encode())
    for dataset in (data.train, data.test):
        if type(dataset) is TensorDataset:
            for tensor in dataset.tensors:
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().numpy().tobytes())
        else:
            items = range(len(dataset))  # type: ignore[arg-type]
            digest.update(str([int(dataset[index][1]) for index in items]).encode())
    return digest.hexdigest()[:16]
