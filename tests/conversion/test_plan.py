"""What a plan says, and what applying, saving and rebuilding it do."""

import json

import pytest
import torch
from torch import nn

import juanji
from juanji import nets, swaps
from juanji.conversion import Plan

X = torch.randn(2, 3, 17, 15, generator=torch.Generator().manual_seed(0))


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(12, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    ).eval()


def entry(plan, name):
    return next(entry for entry in plan.entries if entry.name == name)


def test_a_plan_lists_every_convolution_with_its_change():
    model = small()
    plan = juanji.plan(model, "depthwise-separable", X)
    assert [e.name for e in plan.entries] == ["0", "3", "5"]
    assert entry(plan, "0").reason == "first layer"
    assert entry(plan, "5").reason == "1x1 kernel"
    changed = entry(plan, "3")
    assert changed.before == repr(model[3])
    assert changed.after.startswith("DepthwiseSeparableConv2d(8, 12, kernel_size=(3, 3)")
    assert (changed.weights_before, changed.weights_after) == (12 * 8 * 9, 8 * 9 + 12 * 8)
    assert changed.multiply_adds_before == 2 * 9 * 8 * 12 * 8 * 9
    assert changed.multiply_adds_after == 2 * 9 * 8 * (8 * 9 + 12 * 8)
    assert 0 < changed.fit_error < 1
    text = str(plan)
    assert "stays: 1x1 kernel" in text
    assert "1 of 3 layers swapped" in text


def test_planning_changes_nothing():
    model = small().train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    layers = list(model)
    juanji.plan(model, "octave:0.5", X)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert list(model) == layers
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_planning_changes_nothing_when_forward_fails():
    model = small().train()
    with pytest.raises(RuntimeError):
        juanji.plan(model, "octave:0.5", torch.zeros(1, 4, 9, 9))
    assert all(module.training for module in model.modules())
    assert not any(m._forward_pre_hooks for m in model.modules())


class Odd(nn.Module):
    """One of every kind of layer that stays."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.also_shared = self.shared
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.never = nn.Conv2d(8, 8, 3)
        self.reflect = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1))
        self.hooked = nn.Conv2d(8, 8, 1)
        self.hooked.register_forward_hook(lambda *_: None)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)

        class Own(nn.Conv2d):
            def forward(self, x):
                return super().forward(x) + 1

        self.own = Own(8, 8, 1)
        self.last = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        x = self.also_shared(self.shared(self.first(x)))
        x = self.twice(self.twice(x))
        x = self.own(self.hooked(self.normed(self.reflect(x))))
        return self.last(self.up(x))


def test_every_reason_to_stay_is_told():
    plan = juanji.plan(Odd(), "grouped:2", X)
    assert {e.name: e.reason for e in plan.entries} == {
        "first": "first layer",
        "shared": "shared module",
        "also_shared": "shared module",
        "twice": "called 2 times",
        "never": "never called",
        "reflect": "padding_mode 'reflect'",
        "normed": "weight is parametrized",
        "hooked": "hooks are attached to it",
        "up": "transposed",
        "own": "Own has a forward of its own",
        "last": None,
    }
    reasons = {e.name: e.reason for e in juanji.plan(small(), "grouped:5", X).entries}
    assert reasons["3"] == "5 groups do not divide 8 input channels"


def test_an_explicit_choice_takes_the_first_layer_too():
    names = {e.name for e in juanji.plan(small(), "octave:0.5", X, where="*").converted}
    assert names == {"0", "3", "5"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("layer1.*", 6),
        ("re:layer[12]\\.0\\.conv1", 2),
        (nn.Conv2d, 21),
        (lambda module, name: module.stride == (2, 2), 4),
        (["conv1", "layer3.2.*"], 3),
    ],
)
def test_where_selects(where, expected):
    plan = juanji.plan(nets.resnet20(), "octave:0.5", X, where=where)
    assert len(plan.converted) == expected


def test_exclude_and_mappings():
    model = nets.resnet20()
    some = juanji.plan(model, "octave:0.5", X, exclude="layer1.*")
    assert len(some.converted) == 15
    mapping = {"layer1.0.*": None, "layer1.*": swaps.Grouped(2), "layer3.*": "octave:0.5"}
    mixed = juanji.plan(model, mapping, X)
    used = {e.name: e.swap for e in mixed.converted}
    assert used["layer1.1.conv1"] == "grouped:2"
    assert used["layer3.0.conv1"] == "octave:0.5"
    assert not any(name.startswith(("layer1.0", "layer2")) for name in used)


@pytest.mark.parametrize("argument", ["where", "exclude", "swap"])
def test_a_pattern_that_matches_nothing_is_an_error(argument):
    given = {argument: "layer9.*"} if argument != "swap" else {}
    swap = {"layer9.*": "octave:0.5"} if argument == "swap" else "octave:0.5"
    with pytest.raises(ValueError, match=rf"{argument} 'layer9\.\*' matches none of the 21"):
        juanji.plan(nets.resnet20(), swap, X, **given)


def test_bad_arguments():
    with pytest.raises(ValueError, match="inputs must be what the model is called with"):
        juanji.plan(small(), "octave:0.5")
    with pytest.raises(TypeError, match="swap must be a record"):
        juanji.plan(small(), 0.5, X)
    with pytest.raises(TypeError, match="where must be a glob"):
        juanji.plan(small(), "octave:0.5", X, where=3)


@pytest.mark.parametrize("swap", ["octave:0.25", "spatially-separable", "shuffled:4"])
def test_a_saved_plan_and_a_state_dict_rebuild_the_network(tmp_path, swap):
    model = nets.resnet20().eval()
    plan = juanji.plan(model, swap, X)
    changed = plan.apply(model)
    plan.save(tmp_path / "plan.json")
    rebuilt = Plan.load(tmp_path / "plan.json").apply(nets.resnet20())
    rebuilt.load_state_dict(changed.state_dict())
    assert torch.equal(rebuilt.eval()(X), changed(X))
    assert Plan.load(tmp_path / "plan.json") == plan


def test_a_plan_says_what_it_cannot_be_applied_to(tmp_path):
    plan = juanji.plan(nets.resnet20(), "octave:0.25", X)
    with pytest.raises(ValueError, match=r"layer 'conv1' must be Conv2d\(3, 16"):
        plan.apply(nets.resnet20(width=8))
    with pytest.raises(ValueError, match=r"no layer 'conv1'"):
        plan.apply(small())
    (tmp_path / "bad.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=r"bad.json is not a plan"):
        Plan.load(tmp_path / "bad.json")


def test_a_failing_apply_leaves_the_model_whole():
    model = nets.resnet20()
    model.layer3[2].conv2 = nn.Conv2d(64, 64, 5, padding=2, bias=False)
    layers = list(model.modules())
    plan = juanji.plan(nets.resnet20(), "octave:0.25", X)
    with pytest.raises(ValueError, match=r"layer3\.2\.conv2"):
        plan.apply_(model)
    assert list(model.modules()) == layers


def test_frozen_layers_stay_frozen_and_modes_are_kept():
    model = small()
    model[3].requires_grad_(False)
    model[3].train()
    changed = juanji.convert(model, "depthwise-separable", X)
    assert not any(p.requires_grad for p in changed[3].parameters())
    assert changed[3].training
    assert not changed[0].training


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("octav:0.25", "swap 'octav' is unknown; known are .*did you mean octave"),
        ("octave", "needs alpha, written octave:ALPHA"),
        ("octave:x", "alpha must be of type float, got 'x'"),
        ("octave:1.5", r"alpha must be a number in \[0, 1\], got 1.5"),
        ("grouped:0", "groups must be at least 1, got 0"),
        ("grouped:2,3", "has no value '3'; grouped takes groups"),
        ("octave:0.5,down=stride", "has no value 'down=stride'"),
        ("octave:0.5,downsample=skip", 'downsample must be "pool" or "stride"'),
        ("squeeze-excite:-1", "reduction must be at least 1"),
    ],
)
def test_swap_texts_that_are_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        swaps.parse(text)


@pytest.mark.parametrize("name", swaps.SWAPS)
def test_swap_texts_round_trip(name):
    needs = {"octave": "0.125", "grouped": "2", "shuffled": "8", "interleaved": "4"}
    text = f"{name}:{needs[name]}" if name in needs else name
    assert swaps.spelled(swaps.parse(text)) == text
