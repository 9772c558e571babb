from __future__ import annotations

from itertools import count

import pytest
import torch
from tiny_study import TinyNet
from torch import nn

from juanji.study import latency
from juanji.study.latency import alternate, at_its_best, interval, measure, timed
from juanji.study.layout import layouts


def test_networks_take_turns_on_the_same_fresh_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "FEWEST", 3)
    calls: list[tuple[str, int]] = []
    inputs = (torch.tensor(number) for number in count())

    def call(name: str, seconds: float) -> latency.Call:
        def run(images: torch.Tensor) -> float:
            calls.append((name, int(images)))
            return seconds

        return run

    a, b = alternate(call("A", 3.0), call("B", 2.0), lambda: next(inputs))
    assert (a, b) == ([3.0] * 3, [2.0] * 3)
    turns = calls[2:]  # behind the warm-up
    assert [name for name, _ in turns] == list("ABBA" * 3)
    assert [number for _, number in turns] == [2] * 4 + [3] * 4 + [4] * 4


def test_a_steady_drift_cancels() -> None:
    clock = count(1)  # every call takes longer than the one before

    def call(images: torch.Tensor) -> float:
        return float(next(clock))

    a, b = alternate(call, call, lambda: torch.zeros(1))
    assert [x / y for x, y in zip(a, b, strict=True)] == [1.0, 1.0]


def test_each_network_runs_in_its_better_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(net: nn.Module, layout: torch.memory_format) -> latency.Call:
        return lambda images: 1.0 if layout is torch.channels_last else 2.0

    monkeypatch.setattr(latency, "timed", fake)
    assert at_its_best(TinyNet(), lambda: torch.zeros(1, 1, 5, 6))[0] == "channels_last"
    assert at_its_best(TinyNet(), lambda: torch.zeros(1, 1, 5))[0] == "contiguous"


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_layouts_keep_the_answer_and_the_network(dimensions: int) -> None:
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dimensions](3, 4, 3)
    outputs: list[torch.Tensor] = []
    net = nn.Sequential(conv)
    strides = conv.weight.stride()
    shape = (2, 3, 7, 6, 5)[: dimensions + 2]
    images = torch.randn(shape)
    for layout in layouts(dimensions + 2).values():
        net.register_forward_hook(
            lambda module, args, output: outputs.append(output), always_call=True
        )
        assert timed(net, layout)(images) > 0
    assert len(layouts(dimensions + 2)) == (1 if dimensions == 1 else 2)
    for output in outputs:
        torch.testing.assert_close(output, conv(images))
    assert conv.weight.stride() == strides


def test_measure_leaves_both_networks_as_they_are() -> None:
    a, b = TinyNet().train(), TinyNet().train()
    before = {key: value.clone() for key, value in b.state_dict().items()}
    result = measure(a, b, (1, 5, 6), 3)
    assert result.batch == 3
    assert len(result.ratios) == 2
    assert all(ratio > 0 for ratio in result.ratios)
    assert a.training
    assert b.training
    assert all(torch.equal(value, before[key]) for key, value in b.state_dict().items())


def test_unsteady_blocks_are_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(speeds: list[float], blocks: list[list[float]]) -> latency.Latency:
        """Measure with the machine's speed, and the seconds of A where B takes 1, as given."""
        a, probes = iter(blocks), iter(speeds)
        monkeypatch.setattr(latency, "machine_seconds", lambda: next(probes))
        monkeypatch.setattr(latency, "alternate", lambda *_: (block := next(a), [1.0] * len(block)))
        result = measure(TinyNet(), TinyNet(), (1, 5, 6), 1)
        assert next(a, None) is None  # all blocks were asked for, and no more
        return result

    monkeypatch.setattr(latency, "TRIES", 3)
    steady, wide, wider = [2.0] * 5, [1.0, 1.0, 2.0, 3.0, 3.0], [0.5, 0.5, 2.0, 9.0, 9.0]
    first = run([1, 1.02], [steady])
    assert (first.ratios, first.steady) == ((2.0,) * 5, True)
    second = run([1, 1.5, 1, 1.02], [steady, steady])
    assert (second.drift, second.steady) == (pytest.approx(0.02), True)
    third = run([1, 1, 1, 1, 1, 1.04], [wider, wide, steady])
    assert (third.ratios, third.steady) == ((2.0,) * 5, True)
    none = run([1, 1, 1, 1, 1, 1], [wider, wide, wider])
    assert (none.ratios, none.steady) == (tuple(wide), False)


def test_interval_holds_the_median_and_repeats() -> None:
    ratios = [1.0, 1.1, 1.2, 1.3, 9.0]
    median, low, high = interval(ratios)
    assert median == 1.2  # one outlier does not move it
    assert 1.0 <= low < median < high <= 9.0
    assert interval(ratios) == (median, low, high)
    narrow = interval(ratios * 20)
    assert narrow[2] - narrow[1] < high - low
