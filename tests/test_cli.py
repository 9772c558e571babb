"""The command line: what is printed where, and with which exit code the process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import juanji
from juanji import cli
from juanji.exporting import load_state
from juanji.study import latency

NETS = """
import torch
from torch import nn

class Tiny(nn.Sequential):
    def __init__(self, in_channels, classes):
        super().__init__(
            nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
        )

def three_classes(in_channels):
    return Tiny(in_channels, 3)

class Spoiled(Tiny):
    def forward(self, input):
        spoiled = self.training and getattr(self[2], "groups", 1) > 1
        return super().forward(input) * (torch.nan if spoiled else 1)
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """Runs `juanji` in this process, in a folder with a module of networks and one of images."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        (folder / "cli_nets.py").write_text(NETS)
        generator = np.random.default_rng(0)
        for name, low in (("dark", 0), ("light", 128)):
            (folder / "images" / name).mkdir(parents=True)
            for index in range(20):
                pixels = generator.integers(low, low + 128, (6, 5), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "images" / name / f"{index}.png")

    def __call__(self, *words: str) -> Result:
        self.monkeypatch.setattr(sys, "argv", ["juanji", *words])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        return Result(int(str(ending.value.code)), *self.capsys.readouterr())

    def compare(self, **options: str | list[str] | None) -> Result:
        """Run a study of a second; an option that is None is left out."""
        usual = {"net": "cli_nets:Tiny", "data": "images", "swap": ["grouped:4"], "out": "out"}
        usual |= {"epochs": "1", "repeats": "1", "batch": "8", "threads": "1"}
        words = []
        for name, value in (usual | options).items():
            for one in [value] if isinstance(value, str) else value or []:
                words += [f"--{name.replace('_', '-')}", *([one] if one else [])]
        return self("compare", *words)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    monkeypatch.setattr(latency, "FEWEST", 2)
    monkeypatch.setattr(latency, "TRIES", 1)
    return Command(tmp_path, monkeypatch, capsys)


def test_compare_prints_one_table_and_leaves_a_report(command: Command) -> None:
    code, out, err = command.compare()
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["variant", "unswapped", "grouped:4"]
    assert "[2/2] grouped:4, repeat 1 of 1" in err
    assert err.splitlines()[-1] == f"report: {Path('out') / 'report.html'}"
    report = (command.folder / "out" / "report.html").read_text(encoding="utf-8")
    repeat = "juanji compare --net cli_nets:Tiny --data images --swap grouped:4 --epochs 1 "
    assert repeat + "--repeats 1 --batch 8 --threads 1 --out out" in report
    assert str(command.folder) not in report

    again = command.compare()
    assert (again.code, again.out) == (0, out)
    assert "2 of 2 rows are finished already" in again.err


def test_json_is_all_that_standard_output_holds(command: Command) -> None:
    code, out, _ = command.compare(json="")
    assert code == 0
    table = json.loads(out)
    assert [entry["variant"] for entry in table] == ["unswapped", "grouped:4"]
    assert table[1]["promised"] > 1


def test_a_failed_variant_is_code_1(command: Command) -> None:
    code, out, err = command.compare(net="cli_nets:Spoiled", swap=["grouped:4", "octave:0.5"])
    assert code == 1
    assert "grouped:4 failed while training: the loss became nan" in out
    assert "[3/3] octave:0.5" in err
    assert (command.folder / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "resnet21"}, "unknown net 'resnet21'; did you mean 'resnet20'? `juanji nets` "),
        ({"net": "cli_nets:Tony"}, "'cli_nets' has no 'Tony'; did you mean 'Tiny'?"),
        ({"net": "no_such_module:net"}, "importing 'no_such_module' failed: ModuleNotFoundError"),
        ({"data": "mnist"}, "unknown data 'mnist'; did you mean 'mnist5k'? Known: digits, mnist5k"),
        ({"data": "./nowhere"}, "data folder './nowhere' does not exist"),
        ({"swap": ["octav:0.25"]}, "octave"),
        ({"swap": ["octave:2"]}, "alpha"),
        ({"swap": ["octave:x"]}, "alpha must be"),
        ({"epochs": "0"}, "epochs must be at least 1, got 0"),
        ({"epochs": "many"}, "Invalid value for '--epochs'"),
        ({"out": "images"}, "out 'images' is not empty and holds no run"),
        ({"out": "cli_nets.py"}, "out 'cli_nets.py' is a file"),
        ({"out": "cli_nets.py/below"}, "out 'cli_nets.py/below' cannot be written"),
        ({"out": "/proc/nowhere"}, "out '/proc/nowhere' cannot be written"),
        ({"net": None}, "Missing option '--net'"),
        ({"swap": None}, "Missing option '--swap'"),
        ({"speed": "9"}, "No such option"),
        ({"optimizer": "adam"}, "optimizer must be one of adamw, sgd, got 'adam'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    command: Command, options: dict[str, str | list[str] | None], message: str
) -> None:
    code, out, err = command.compare(**options)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("juanji: ")
    assert message in err
    assert not (command.folder / "out").exists()


def test_faults_of_an_image_folder_are_said_first(command: Command) -> None:
    broken = command.folder / "images" / "dark" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    code, _, err = command.compare()
    assert (code, err.count("\n")) == (2, 1)
    assert str(Path("images") / "dark" / "3.png") in err

    broken.unlink()
    (command.folder / "images" / "empty").mkdir()
    code, _, err = command.compare()
    assert (code, err.count("\n")) == (2, 1)
    assert str(Path("images") / "empty") in err
    assert not (command.folder / "out").exists()


def test_another_runs_folder_is_code_2(command: Command) -> None:
    assert command.compare().code == 0
    code, _, err = command.compare(seed="7")
    assert code == 2
    assert "out 'out' holds another run: seed was 0, is now 7" in err


def test_no_command_and_an_unknown_one(command: Command) -> None:
    assert command() == (2, "", "juanji: Missing command. Try 'juanji --help'.\n")
    code, _, err = command("compere")
    assert code == 2
    assert "compare" in err


def test_analyze(command: Command) -> None:
    code, out, _ = command("analyze", "--net", "resnet20", "--input", "1x28x28", "--no-time")
    assert code == 0
    assert "272,186" in out
    words = ["--net", "resnet20", "--input", "1x9x7", "--swap", "grouped:4", "--no-time", "--json"]
    code, out, _ = command("analyze", *words)
    assert code == 0
    assert json.loads(out)["modules"][0]["weights"]["value"] < 272_186 / 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--net", "resnet21", "--input", "1x28x28"], "did you mean 'resnet20'"),
        (["--net", "resnet20", "--input", "28"], "as in 3x224x224, got '28'"),
        (["--net", "resnet20", "--input", "1x-2x3"], "as in 3x224x224, got '1x-2x3'"),
        (["--net", "resnet20", "--input", "1x9x9", "--swap", "grouped:0"], "at least 1, got 0"),
    ],
)
def test_analyze_refuses_in_one_line(command: Command, words: list[str], message: str) -> None:
    code, out, err = command("analyze", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_convert_writes_what_the_plan_and_the_weights_rebuild(command: Command) -> None:
    net = juanji.nets.resnet20(in_channels=1)
    juanji.export(net, "trained.safetensors", torch.zeros(1, 1, 9, 7))
    words = ["--net", "resnet20", "--input", "1x9x7", "--swap", "grouped:4", "--where", "layer1.*"]
    words += ["--exclude", "*.conv2", "--weights", "trained.safetensors"]
    code, out, _ = command("convert", *words, "--out", "new.safetensors", "--plan", "plan.json")
    assert code == 0
    assert "3 of 21 layers swapped" in out
    assert out.splitlines()[-1] == "new.safetensors"
    again = juanji.Plan.load("plan.json").apply(juanji.nets.resnet20(in_channels=1))
    load_state(again, "new.safetensors")
    assert again.layer1[0].conv1.groups == 4
    assert torch.equal(again.layer2[0].conv1.weight, net.layer2[0].conv1.weight)


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2"])
def test_convert_writes_graphs(command: Command, name: str) -> None:
    words = ["--net", "cli_nets:three_classes", "--input", "1x9x7", "--swap", "octave:0.5"]
    assert command("convert", *words, "--out", name).code == 0
    assert (command.folder / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "net.txt"], "must end in one of .onnx, .pt2, .safetensors, got 'net.txt'"),
        (["--out", "nowhere/net.pt2"], "path must be in a folder that exists"),
        (["--out", "net.pt2", "--where", "layer9"], "where 'layer9' matches none"),
        (["--out", "net.pt2", "--weights", "nowhere.pt"], "nowhere.pt"),
        (["--out", "net.pt2", "--weights", "cli_nets.py"], "holds no weights of this network"),
    ],
)
def test_convert_refuses_in_one_line(command: Command, words: list[str], message: str) -> None:
    usual = ["--net", "resnet20", "--input", "1x9x7", "--swap", "grouped:4"]
    code, _, err = command("convert", *usual, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


# What only a process of its own can show


def process(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = """
import sys
from juanji.cli import main
try:
    main()
finally:
    print(sorted({"torch", "numpy", "matplotlib", "sklearn"} & sys.modules.keys()))
"""
    result = process(code, *words)
    assert result.returncode == 0, result.stderr
    assert "compare" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from juanji.cli import main; main()"
    result = process(code)
    assert result.returncode == 2
    assert result.stderr == 'the juanji command needs: pip install "juanji[study]"\n'

    code = """
import sys
sys.modules["matplotlib"] = None
from juanji.cli import main
main()
"""
    words = ["compare", "--net", "resnet20", "--data", "digits", "--swap", "octave:0.5"]
    result = process(code, *words, "--out", "/proc/nowhere")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert 'pip install "juanji[study]"' in result.stderr


def test_control_c_keeps_what_is_finished(command: Command) -> None:
    words = ["compare", "--net", "cli_nets:Tiny", "--data", "images", "--swap", "grouped:4"]
    words += ["--epochs", "1", "--repeats", "500", "--batch", "8", "--out", "out"]
    # a shell that starts the tests in the background has the signal ignored
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from juanji.cli import main
from juanji.study import latency
latency.SECONDS, latency.FEWEST, latency.TRIES = 0, 2, 1
main()
"""
    rows = command.folder / "out" / "rows"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True, env=os.environ
    ) as running:
        while running.poll() is None and len(list(rows.glob("*.json"))) < 2:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last == "juanji: stopped; what is finished is kept, and the same command continues"
    finished = list(rows.iterdir())
    assert len(finished) >= 2
    for path in finished:
        assert json.loads(path.read_text())["status"] == "finished"
