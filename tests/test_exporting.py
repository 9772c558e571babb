"""Every swap's network leaves as ONNX and as a torch.export program, with the same numbers."""

import pytest
import torch
from torch import nn

import juanji

X = torch.randn(2, 1, 19, 17, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
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
    with pytest.raises(ValueError, match=r"path must end in one of .onnx, .pt2, got 'net.txt'"):
        juanji.export(nn.ReLU(), tmp_path / "net.txt", X)
    with pytest.raises(ValueError, match="inputs must be what the model is called with"):
        juanji.export(nn.ReLU(), tmp_path / "net.onnx")
