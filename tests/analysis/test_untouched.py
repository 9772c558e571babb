"""An analysis leaves the model, its inputs and the random numbers as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as torch_functional
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from juanji.analysis import analyze, count

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Careless(nn.Module):
    """Changes all it can in its forward pass, and may fail at its end."""

    def __init__(self, fail: bool) -> None:
        super().__init__()
        self.fail = fail
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.drop = nn.Dropout()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("late", None)

    def forward(self, x: Tensor) -> Tensor:
        if self.calls == 0:
            assert not any(module.training for module in self.modules())
        assert not torch.is_grad_enabled()
        self.calls += 1
        self.late = torch.ones(1)
        self.conv.weight.mul_(2)
        self.conv.bias.requires_grad_(False)
        self.norm.train()
        x = torch.relu_(self.drop.train()(self.norm(self.conv(x.mul_(3)))))
        x = torch_functional.dropout(x, 0.5, training=True) + torch.rand(1)
        if self.fail:
            raise RuntimeError("as told")
        return x


def state(model: nn.Module) -> dict[str, Any]:
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "same": [id(x) for x in (*model.parameters(), *model.buffers())],
        "training": [module.training for module in model.modules()],
        "gradients": [p.requires_grad for p in model.parameters()],
        "hooks": [len(getattr(m, hooks)) for m in model.modules() for hooks in HOOKS],
        "global": [
            len(torch_module._global_forward_hooks),
            len(torch_module._global_forward_pre_hooks),
            len(torch_module._global_forward_hooks_always_called),
        ],
        "random": torch.get_rng_state(),
        "attention": torch.backends.mha.get_fastpath_enabled(),
        "grad": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("verb", [lambda m, x: analyze(m, x, repeats=1), count])
def test_everything_is_as_before(verb: Callable[..., Any], fail: bool) -> None:
    model, x = Careless(fail), torch.randn(2, 2, 5, 5)
    model.norm.eval()
    model.conv.weight.requires_grad_(False)
    model.conv.register_forward_hook(lambda *args: None)
    before, input = state(model), x.clone()
    if fail:
        with pytest.raises(RuntimeError, match="as told"):
            verb(model, x)
    else:
        verb(model, x)
    after = state(model)
    assert before["values"].keys() == after["values"].keys()
    for name, value in before.pop("values").items():
        assert torch.equal(value, after["values"][name]), name
    del after["values"]
    assert torch.equal(before.pop("random"), after.pop("random"))
    assert after == before
    assert before["training"] == [True, True, False, True]
    assert torch.equal(x, input)


def test_a_pending_backward_pass_still_works() -> None:
    model, x = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2)), torch.randn(3, 1, 7)
    loss = model(x).square().sum()
    analyze(model, x, repeats=1)
    loss.backward()
    assert model[0].weight.grad is not None


def test_train_methods_are_not_called() -> None:
    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> Merging:
            raise AssertionError("this would merge weights")

    count(Merging(2, 2), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.relu, torch.ones(1)), TypeError, "model must be a torch.nn.Module"),
        ((nn.LazyLinear(3), torch.ones(1, 2)), ValueError, "weight waits for a first forward"),
    ],
)
def test_what_is_not_a_finished_model_is_refused(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    for verb in (analyze, count):
        with pytest.raises(error, match=message):
            verb(*arguments)


def test_repeats_must_be_positive() -> None:
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        analyze(nn.ReLU(), torch.ones(1), repeats=0)
