"""Programs that leave Python: exported, and compiled ahead of time into a package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from juanji import functional as F
from juanji import native_status, nn

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")


class Net(torch.nn.Module):
    """Native operators in a row: depthwise convolution, pooling, a shuffled convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.shuffled = torch.nn.Parameter(torch.randn(8, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool(self.depthwise(x).relu(), (2, 2))
        return F.avg_pool(F.shuffled_group_conv(x, self.shuffled, groups=2), (2, 2))


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval().requires_grad_(False)


def test_exported_saved_and_loaded_with_open_sizes(net: Net, tmp_path: Path) -> None:
    batch, size = torch.export.Dim("batch", min=2), torch.export.Dim("size", min=2)
    program = torch.export.export(
        net, (torch.randn(3, 8, 12, 16),), dynamic_shapes=({0: batch, 2: 4 * size},)
    )
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert {"juanji.conv.default", "juanji.max_pool.default"} <= targets
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    for shape in ((3, 8, 12, 16), (5, 8, 24, 16)):
        x = torch.randn(shape)
        assert loaded(x).equal(net(x))


@pytest.mark.once
def test_compiled_ahead_of_time(net: Net, tmp_path: Path) -> None:
    x = torch.randn(3, 8, 12, 16)
    with torch.no_grad():
        program = torch.export.export(net, (x,))
        package = torch._inductor.aoti_compile_and_package(
            program, package_path=str(tmp_path / "net.pt2")
        )
        loaded = torch._inductor.aoti_load_package(package)
        for _ in range(2):
            torch.testing.assert_close(loaded(x), net(x))
