"""An optimizer follows its model through a conversion, or the conversion says that it cannot."""

import copy

import pytest
import torch
from torch import nn

import juanji

X = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def model_and_optimizer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 3))
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in model.named_parameters() if not name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    return model, torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def step(model, optimizer):
    optimizer.zero_grad()
    model(X).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("swap", ["octave:0.5", "depthwise-separable", "squeeze-excite:2"])
def test_new_parameters_join_the_groups_of_the_old_ones(swap):
    model, optimizer = model_and_optimizer()
    step(model, optimizer)
    juanji.convert_(model, swap, X, optimizer=optimizer)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}
    assert len(held) == len(list(model.parameters()))
    weights = {id(p) for p in optimizer.param_groups[0]["params"]}
    names = {name for name, p in model.named_parameters() if id(p) in weights}
    assert not any(name.endswith("bias") for name in names)
    before = copy.deepcopy(model.state_dict())
    step(model, optimizer)
    moved = [name for name, p in model.state_dict().items() if not torch.equal(p, before[name])]
    assert set(before) - set(moved) <= {name for name in before if ".reduce." in name}


def test_momentum_goes_along_with_a_weight_that_is_kept():
    model, optimizer = model_and_optimizer()
    step(model, optimizer)
    momentum = optimizer.state[model[1].weight]["momentum_buffer"].clone()
    juanji.convert_(model, "octave:0.5", X, optimizer=optimizer)
    assert torch.equal(optimizer.state[model[1].weight]["momentum_buffer"], momentum)
    assert len(optimizer.state) == 6


def test_a_weight_that_is_fitted_starts_without_momentum():
    model, optimizer = model_and_optimizer()
    step(model, optimizer)
    juanji.convert_(model, "depthwise-separable", X, optimizer=optimizer)
    assert all(optimizer.state.get(p) is None for p in model[1].weights())


def test_a_weight_without_bias_hands_its_group_to_all_new_parameters():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False))
    optimizer = torch.optim.AdamW(model.parameters())
    juanji.convert_(model, "squeeze-excite:2", X, optimizer=optimizer)
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert held == {id(p) for p in model.parameters()}


def test_a_stale_optimizer_is_refused_before_anything_changes():
    model, optimizer = model_and_optimizer()
    juanji.convert_(model, "grouped:2", X)  # the optimizer is not told
    layers = list(model)
    with pytest.raises(ValueError, match="optimizer must hold parameters of the model"):
        juanji.convert_(model, "octave:0.5", X, optimizer=optimizer)
    assert list(model) == layers
