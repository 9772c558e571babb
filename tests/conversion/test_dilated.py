"""Dilation in place of strides: the larger map holds the original one."""

import pytest
import torch
from small_networks import X, entry, mobile, reason
from torch import nn

import juanji
from juanji import nets, swaps


class Last(nn.Module):
    """A resnet20 up to its last map."""

    def __init__(self):
        super().__init__()
        net = nets.resnet20(width=4)
        self.features = nn.Sequential(
            *(module for name, module in net.named_children() if name not in ("avgpool", "fc"))
        )

    def forward(self, x):
        for module in self.features:
            if not isinstance(module, nn.Flatten):
                x = module(x)
        return x


def pooled() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, padding=1),
        nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 4, 3), nn.MaxPool2d(3, 1, 1),
        nn.AvgPool2d(2, 1, count_include_pad=False), nn.Conv2d(4, 2, (3, 1), padding=(1, 0)),
    )  # fmt: skip


def unpadded() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 2, 2), nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, 3, 1, 2, 2),
    )  # fmt: skip


def modes() -> nn.Sequential:
    return nn.Sequential(
        juanji.nn.Conv2d(3, 4, 4, 2, ((0, 2), (1, 2))), juanji.nn.Conv2d(4, 4, 4, padding="same"),
        juanji.nn.Conv2d(4, 4, 2, padding="full"), juanji.nn.Conv2d(4, 4, 3, 2, "full"),
        juanji.nn.Conv2d(4, 4, 4, padding="same"),
    )  # fmt: skip


LAST = {"resnet20": Last, "mobile": mobile, "pooled": pooled, "unpadded": unpadded, "modes": modes}


def scrambled(model):
    """Give every BatchNorm statistics of its own."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.bias)
    return model.double().eval()


@pytest.mark.parametrize("rate", [2, 4])
@pytest.mark.parametrize("name", LAST)
def test_the_dilated_map_holds_the_original_one(name, rate):
    """For inputs of every size, also others than the plan was made with."""
    torch.manual_seed(0)
    model = scrambled(LAST[name]())
    x = torch.randn(1, 3, 50, 50, dtype=torch.float64)
    plan = juanji.plan(model, swaps.Dilated(rate), x, where="*")
    changed = plan.apply(model)
    for size in ((50, 50), (49, 51), (47, 48), (64, 45), (46, 53)):
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            coarse, fine = model(x), changed(x)
        torch.testing.assert_close(fine[..., ::rate, ::rate], coarse, rtol=1e-9, atol=1e-10)
        for large, small in zip(fine.shape[2:], coarse.shape[2:], strict=True):
            assert rate * (small - 1) < large <= rate * small
    assert {e.fit_error for e in plan.converted} == {0.0}
    before, after = (sum(p.numel() for p in net.parameters()) for net in (model, changed))
    assert before == after


def test_only_what_the_strides_reach_is_dilated():
    model = nets.resnet20(width=8)
    plan = juanji.plan(model, "dilated:2", torch.zeros(1, 3, 32, 32))
    changed = plan.converted
    assert all(e.name.startswith("layer3.") for e in changed)
    assert len(changed) == 7
    (shortcut,) = (e for e in changed if "kernel_size=(1, 1)" in e.after)
    assert shortcut.after == "Conv2d(16, 32, kernel_size=(1, 1), bias=False)"
    first, *others = (e for e in changed if e is not shortcut)
    assert first.after == "Conv2d(16, 32, kernel_size=(3, 3), padding=(1, 1), bias=False)"
    assert all(e.after.endswith("padding=(2, 2), dilation=(2, 2), bias=False)") for e in others)
    assert all(e.multiply_adds_after == 4 * e.multiply_adds_before for e in changed)
    reasons = {e.name: e.reason for e in plan.entries if e.reason}
    assert reasons.pop("conv1") == "first layer"
    assert set(reasons.values()) == {"before the strides that go"}


def test_one_axis_alone_has_strides():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv3d(3, 4, 3, (1, 2, 2), 1), nn.Conv3d(4, 4, 3, (1, 2, 1), 1), nn.Conv3d(4, 2, 3)
    ).double()
    x = torch.randn(1, 3, 5, 21, 22, dtype=torch.float64)
    changed = juanji.convert(model, "dilated:2", x, where="*")
    assert [layer.stride for layer in changed] == [(1, 2, 1), (1, 1, 1), (1, 1, 1)]
    assert changed[2].dilation == (1, 2, 2)
    fine, coarse = changed(x), model(x)
    torch.testing.assert_close(fine[..., ::2, ::2], coarse, rtol=1e-9, atol=1e-10)


def test_a_rate_that_the_strides_do_not_give_is_told():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 3))
    x = torch.zeros(1, 3, 48, 48)
    told = "the strides, from the last: {}, do not multiply to {}"

    def reasons(rate):
        return {e.reason for e in juanji.plan(model, swaps.Dilated(rate), x, where="*").entries}

    assert reasons(2) == {told.format("3, 2", 2)}
    assert reasons(4) == {told.format("3, 2", 4)}
    assert reasons(12) == {told.format("3, 2", 12)}
    assert reasons(1) == {"before the strides that go"}
    assert len(juanji.plan(model, "dilated:6", x, where="*").converted) == 2
    assert reason(nn.Conv2d(8, 8, 3), "dilated:2") == told.format("none", 2)


@pytest.mark.parametrize("size", [17, 18, 20, 24, 31, 32])
def test_maps_of_two_cells_tell_how_fine_they_are(size):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 4, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1),
        nn.Conv2d(4, 4, 3, padding=1),
    ).double()  # fmt: skip
    x = torch.randn(1, 3, size, size, dtype=torch.float64)
    assert model(x).shape[2:] == (2, 2)
    changed = juanji.convert(model, "dilated:4", x)
    assert [layer.dilation[0] for layer in changed] == [1, 1, 2, 4]
    torch.testing.assert_close(changed(x)[..., ::4, ::4], model(x), rtol=1e-9, atol=1e-10)


def test_a_last_map_of_one_cell_is_too_small_to_plan_with():
    plan = juanji.plan(nets.resnet20(width=4), "dilated:2", torch.zeros(1, 3, 4, 4))
    told = {e.reason for e in plan.entries}
    single = "the last stride leads to a single cell: plan with larger inputs"
    assert told == {"first layer", single}


@pytest.mark.parametrize("head", [nn.AdaptiveAvgPool2d(1), nn.AvgPool2d(8, 1), nn.MaxPool2d(8)])
def test_heads_pool_over_the_larger_map(head):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), head, nn.Flatten(), nn.Linear(4, 5)
    )
    x = torch.randn(2, 3, 32, 32)
    changed = juanji.convert(model, "dilated:2", x)
    with torch.no_grad():
        features = changed[1](changed[0](x))
        assert features.shape[2:] == (16, 16)
        pooled = features.amax((2, 3)) if isinstance(head, nn.MaxPool2d) else features.mean((2, 3))
        torch.testing.assert_close(changed(x), model[4](pooled))


def test_a_pool_that_cannot_be_dilated_stays():
    for pool, told in (
        (nn.MaxPool2d(3, 2, ceil_mode=True), "ceil_mode"),
        (nn.MaxPool2d(3, 2, return_indices=True), "its indices are used"),
    ):

        class Net(nn.Module):
            def __init__(self, pool=pool):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3, 2, 1)
                self.pool = pool

            def forward(self, x):
                return self.pool(self.conv(x))[0]

        plan = juanji.plan(Net(), "dilated:2", X, where="*")
        assert entry(plan, "pool").reason == told
