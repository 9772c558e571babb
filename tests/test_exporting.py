"""A swapped network leaves as ONNX, torch.export program or state dict, with the same numbers."""

import pytest
import torch
from torch import nn

import juanji
from juanji.exporting import load_state

X = torch.randn(2, 1, 19, 17, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".safetensors"])
@pytest.mark.parametrize("swap", ["octave:0.5", "shuffled:2", "deformable"])
def test_a_converted_network_is_exported(tmp_path, swap, suffix):
    net = juanji.convert(juanji.nets.resnet20(in_channels=1, width=4), swap, X).train()
    path = juanji.export(net, tmp_path / f"net{suffix}", X)
    assert path.stat().st_size > 10_000
    assert all(module.training for module in net.modules())


def test_a_file_that_computes_something_else_is_told(tmp_path):
    class Random(nn.Module):
        def forward(self, x):
            return torch.rand_like(x)

    with pytest.raises(RuntimeError, match="differs from the model by"):
        juanji.export(Random(), tmp_path / "net.pt2", X)


def test_bad_arguments(tmp_path):
    with pytest.raises(
        ValueError, match=r"path must end in one of .onnx, .pt2, .safetensors, got 'net.txt'"
    ):
        juanji.export(nn.ReLU(), tmp_path / "net.txt", X)
    with pytest.raises(ValueError, match="inputs must be what the model is called with"):
        juanji.export(nn.ReLU(), tmp_path / "net.onnx")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_are_read_back(tmp_path, suffix):
    net, other = juanji.nets.resnet20(width=4), juanji.nets.resnet20(width=4)
    path = tmp_path / f"net{suffix}"
    if suffix == ".pt":
        torch.save(net.state_dict(), path)
    else:
        juanji.export(net, path, torch.zeros(1, 3, 9, 7))
    load_state(other, path)
    for key, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_a_state_that_is_not_whole_is_told(tmp_path):
    class Forgetful(nn.Linear):
        def state_dict(self, *args, **kwargs):
            state = super().state_dict(*args, **kwargs)
            return {key: value for key, value in state.items() if key != "bias"}

    with pytest.raises((ValueError, RuntimeError), match=r"bias|differs"):
        juanji.export(Forgetful(17, 2), tmp_path / "net.safetensors", X)


def test_weights_of_another_network_are_refused(tmp_path):
    (tmp_path / "net.pt").write_text("no weights")
    path = juanji.export(nn.Conv2d(1, 2, 3), tmp_path / "conv.safetensors", X)
    with pytest.raises(ValueError, match="weight"):
        load_state(nn.Linear(2, 3), path)
    with pytest.raises(ValueError, match="holds no weights of this network"):
        load_state(nn.Linear(2, 3), tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError):
        load_state(nn.Linear(2, 3), tmp_path / "nowhere.pt")
