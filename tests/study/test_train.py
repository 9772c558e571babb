from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_study import SETTINGS, TinyNet, tiny_pair
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from juanji.study.data import from_pair
from juanji.study.settings import isolated
from juanji.study.train import batches, evaluate, fingerprint, train


class Items(Dataset[Any]):
    """The same items as a TensorDataset, handed out one by one, with labels of another type."""

    def __init__(self, tensors: TensorDataset, dtype: torch.dtype) -> None:
        self.tensors, self.dtype = tensors, dtype

    def __len__(self) -> int:
        return len(self.tensors)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, label = self.tensors[index]
        return image, label.to(self.dtype)


def run(data: Any, seed: int = 0, **change: Any) -> Any:
    told: list[Any] = []
    with isolated(seed, 1):
        net = TinyNet()
        settings = replace(SETTINGS, **change)
        curve = train(net, data, settings, seed, lambda *what: told.append(what))
    return (
        net,
        [(e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy) for e in curve],
        told,
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_learns_and_repeats_exactly(optimizer: str) -> None:
    data = from_pair(*tiny_pair())
    net, curve, told = run(data, epochs=12, optimizer=optimizer, learning_rate=0.05)
    assert len(curve) == 12
    assert curve[-1][0] < 0.5 * curve[0][0]
    assert curve[-1][3] >= 0.8  # the classes differ in brightness
    assert curve[-1][2:] == pytest.approx(evaluate(net, data.test, 7))
    assert run(data, epochs=12, optimizer=optimizer, learning_rate=0.05)[1] == curve
    assert run(data, 1, epochs=12, optimizer=optimizer, learning_rate=0.05)[1] != curve
    assert [epoch for epoch, part, _ in told if part == 1] == list(range(12))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_any_dataset_trains_like_tensors(dtype: torch.dtype) -> None:
    train_part, test_part = tiny_pair()
    expected = run(from_pair(train_part, test_part))[1]
    assert run(from_pair(Items(train_part, dtype), Items(test_part, dtype)))[1] == expected


def test_python_labels() -> None:
    train_part, test_part = tiny_pair()
    pair = [[(image, int(label)) for image, label in part] for part in (train_part, test_part)]
    with pytest.raises(TypeError):
        from_pair(iter(pair[0]), pair[1])  # type: ignore[arg-type]
    assert run(from_pair(*pair))[1] == run(from_pair(train_part, test_part))[1]  # type: ignore[arg-type]


def test_a_batch_larger_than_the_data_is_the_data() -> None:
    data = from_pair(*tiny_pair())
    assert len(run(data, batch=1000)[2]) == SETTINGS.epochs  # one step per epoch


def test_items_that_fill_no_batch_are_left_out() -> None:
    data = from_pair(*tiny_pair())
    assert len(run(data, batch=47)[2]) == SETTINGS.epochs  # the 48th would be a batch of one


def test_batches_cover_every_index_once() -> None:
    train_part, _ = tiny_pair()
    indices = torch.randperm(48)
    parts = list(batches(train_part, indices, 13))
    assert [len(labels) for _, labels in parts] == [13, 13, 13, 9]
    assert torch.equal(torch.cat([images for images, _ in parts]), train_part.tensors[0][indices])
    assert all(labels.dtype == torch.int64 for _, labels in parts)


def test_a_loss_that_is_not_finite_is_found_at_once() -> None:
    class Diverging(TinyNet):
        steps = 0

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return super().forward(input) * (torch.nan if self.steps == 5 else 1)

    data = from_pair(*tiny_pair())
    with isolated(0, 1), pytest.raises(FloatingPointError, match="nan in epoch 2, step 2"):
        train(Diverging(), data, SETTINGS, 0, lambda *_: None)  # 3 steps per epoch

    class NanInEvaluation(TinyNet):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input) * (1 if self.training else torch.inf)

    with isolated(0, 1), pytest.raises(FloatingPointError, match="epoch 1, on the test part"):
        train(NanInEvaluation(), data, SETTINGS, 0, lambda *_: None)


def test_frozen_weights_stay() -> None:
    data = from_pair(*tiny_pair())
    with isolated(0, 1):
        net = TinyNet()
        net[0].requires_grad_(False)
        before = net[0].weight.clone()
        train(net, data, SETTINGS, 0, lambda *_: None)
    assert torch.equal(net[0].weight, before)


def test_fingerprint_changes_with_the_data_only() -> None:
    train_part, test_part = tiny_pair()
    data = from_pair(train_part, test_part)
    assert fingerprint(data) == fingerprint(from_pair(*tiny_pair()))
    images, labels = (tensor.clone() for tensor in test_part.tensors)
    images[3, 0, 2, 2] += 1e-3
    assert fingerprint(from_pair(train_part, TensorDataset(images, labels))) != fingerprint(data)

    items = from_pair(Items(train_part, torch.int64), Items(test_part, torch.int64))
    swapped = labels.roll(1)
    other = from_pair(
        Items(train_part, torch.int64), Items(TensorDataset(images, swapped), torch.int64)
    )
    assert fingerprint(items) != fingerprint(other)


def test_evaluate_counts_the_right_ones() -> None:
    class Constant(nn.Module):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return torch.tensor([0.0, 1.0, 0.0]).expand(len(input), 3)

    _, test_part = tiny_pair()
    loss, accuracy = evaluate(Constant(), test_part, 4)
    assert accuracy == 5 / 15
    scores = torch.tensor([0.0, 1.0, 0.0]).expand(15, 3)
    expected = nn.functional.cross_entropy(scores, test_part.tensors[1])
    assert loss == pytest.approx(expected.item())
