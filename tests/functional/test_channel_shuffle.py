"""Channel shuffle against torch's layer and against its definition."""

from __future__ import annotations

import pytest
import torch

from juanji import functional as F


@pytest.mark.parametrize("size", [(7,), (5, 6), (3, 4, 5)])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("batch", [0, 2])
def test_shuffle_is_torchs(size: tuple[int, ...], groups: int, batch: int) -> None:
    x = torch.randn(batch, 12, *size)
    assert torch.equal(F.channel_shuffle(x, groups), torch.nn.ChannelShuffle(groups)(x))


@pytest.mark.parametrize("size", [(), (7,), (5, 6), (3, 4, 5), (2, 3, 2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 3, 12])
def test_shuffle_by_its_definition(size: tuple[int, ...], groups: int) -> None:
    x, per_group = torch.randn(2, 12, *size), 12 // groups
    shuffled = F.channel_shuffle(x, groups)
    assert shuffled.shape == x.shape
    for g in range(groups):
        for i in range(per_group):
            assert torch.equal(shuffled[:, i * groups + g], x[:, g * per_group + i])
    assert torch.equal(F.channel_shuffle(shuffled, per_group), x)


@pytest.mark.parametrize(
    ("size", "layout"),
    [((5, 6), torch.channels_last), ((3, 4, 5), torch.channels_last_3d)],
)
def test_shuffle_keeps_the_memory_format(
    size: tuple[int, ...], layout: torch.memory_format
) -> None:
    x = torch.randn(2, 6, *size)
    last = F.channel_shuffle(x.to(memory_format=layout), 3)
    assert last.is_contiguous(memory_format=layout)
    assert torch.equal(last, F.channel_shuffle(x, 3))
    assert F.channel_shuffle(x, 3).is_contiguous()


@pytest.mark.parametrize("groups", [0, -2, 5])
def test_shuffle_refuses_groups_that_do_not_divide(groups: int) -> None:
    with pytest.raises(ValueError, match=f"divide the channels, got {groups} for 12 channels"):
        F.channel_shuffle(torch.zeros(1, 12, 3), groups)


def test_shuffle_refuses_input_without_channels() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, \*spatial\), got \(12,\)"):
        F.channel_shuffle(torch.zeros(12), 3)


def test_shuffle_differentiates_twice() -> None:
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: F.channel_shuffle(x, 3), x)
    assert torch.autograd.gradgradcheck(lambda x: F.channel_shuffle(x, 3), x)
