from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_study import TinyNet, tiny_pair
from torch import nn

from juanji.nets import NETS
from juanji.study.data import from_pair
from juanji.study.networks import builder, checked, fingerprint

DATA = from_pair(*tiny_pair())
OFFERED = {"in_channels": 1, "classes": 3}


def test_every_known_net_is_found() -> None:
    for name in NETS:
        assert builder(name, **OFFERED)[0] == name
    name, build = builder("resnet20", **OFFERED)
    assert checked(build, DATA, name)(torch.zeros(2, 1, 5, 6)).shape == (2, 3)


def test_any_callable_gets_what_it_takes() -> None:
    def without() -> nn.Module:
        return TinyNet()

    def channels_only(*, in_channels: int) -> nn.Module:
        return TinyNet(in_channels)

    def anything(**given: int) -> nn.Module:
        assert given == {"in_channels": 1, "classes": 3}
        return TinyNet(**given)

    for function in (
        without,
        channels_only,
        anything,
        TinyNet,
        lambda classes: TinyNet(1, classes),
    ):
        name, build = builder(function, **OFFERED)
        assert isinstance(checked(build, DATA, name), TinyNet)
        assert build() is not build()
    assert builder(TinyNet, **OFFERED)[0] == "tiny_study:TinyNet"


@pytest.mark.parametrize(
    ("net", "kind", "message"),
    [
        ("resnet21", ValueError, "unknown net 'resnet21'; did you mean 'resnet20'.*juanji nets"),
        ("", ValueError, "unknown net ''"),
        ("nowhere.at_all:net", ValueError, "importing 'nowhere.at_all' failed: ModuleNotFound"),
        (":net", ValueError, "importing '' failed"),
        ("tiny_study:TinyNte", ValueError, "has no 'TinyNte'; did you mean 'TinyNet'"),
        ("tiny_study:SETTINGS", TypeError, "must be a function that builds a network"),
        (TinyNet(), TypeError, "already built"),
        (3, TypeError, "must be a name or a callable, got int"),
        (lambda width: None, TypeError, "needs width"),
        (lambda in_channels, /: None, TypeError, "needs in_channels"),
    ],
)
def test_nets_that_cannot_be_called(net: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        builder(net, **OFFERED)


@pytest.mark.parametrize(
    ("net", "kind", "message"),
    [
        (lambda: 3, TypeError, "must build a torch.nn.Module, got int"),
        (lambda: {}["x"], ValueError, "cannot be built: KeyError"),
        (lambda: nn.Conv2d(3, 4, 3), ValueError, r"cannot take images of shape \(2, 1, 5, 6\)"),
        (lambda: nn.Flatten(), ValueError, None),
        (lambda: TinyNet(1, 2), ValueError, r"classes at least 3 .*got \(2, 2\)"),
        (lambda: nn.Identity(), ValueError, r"got \(2, 1, 5, 6\)"),
    ],
)
def test_nets_that_do_not_fit(net: Any, kind: type[Exception], message: str | None) -> None:
    name, build = builder(net, **OFFERED)
    if message is None:  # 30 numbers for 3 classes will do
        assert checked(build, DATA, name)
    else:
        with pytest.raises(kind, match=message):
            checked(build, DATA, name)


def test_the_users_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_broken_nets.py").write_text("def net(:\n")
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "class Nets:\n"
        "    @staticmethod\n"
        "    def linear(classes): return nn.Sequential(nn.Flatten(), nn.Linear(30, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    name, build = builder("my_nets:Nets.linear", **OFFERED)
    assert checked(build, DATA, name)[1].out_features == 3
    with pytest.raises(ValueError, match="importing 'my_broken_nets' failed: SyntaxError"):
        builder("my_broken_nets:net", **OFFERED)


def test_fingerprint_sees_the_parts_and_not_the_weights() -> None:
    assert fingerprint(TinyNet()) == fingerprint(TinyNet())
    assert fingerprint(TinyNet()) != fingerprint(TinyNet(1, 4))
    other = TinyNet()
    other[4] = nn.SiLU()
    assert fingerprint(TinyNet()) != fingerprint(other)
