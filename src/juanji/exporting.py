"""Take a model away: ONNX, torch.export or a state dict, checked against its own numbers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from .ops.deform.onnx import translations


def export(model: nn.Module, path: str | Path, *inputs: Tensor) -> Path:
    """Write a model: ONNX (`.onnx`), torch.export (`.pt2`) or a state dict (`.safetensors`).

    The model is exported in evaluation mode, for inputs of the sizes given; its own mode does not
    change. What was written is read back, run on the inputs, and compared with the model.

    Args:
        model: any module whose outputs are tensors, or nested containers of tensors.
        path: where to; the suffix tells the form. A state dict needs the model's own code, and
            where it was converted, the plan, to be of use again.
        inputs: what the model is called with.

    Returns:
        the path.

    Raises:
        ValueError: the suffix is another one, or no inputs are given.
        FileNotFoundError: the path's folder does not exist.
        ImportError: the `onnx` extra is not installed, or of a state dict, the `study` extra.
        RuntimeError: the file's numbers differ from the model's by more than 1e-4 of the largest.

    >>> import tempfile, juanji
    >>> net = juanji.convert(juanji.nets.resnet20(), "octave:0.5", torch.zeros(1, 3, 32, 32))
    >>> path = Path(tempfile.mkdtemp()) / "net.pt2"
    >>> export(net, path, torch.randn(1, 3, 32, 32)).name
    'net.pt2'
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise ValueError(f"path must end in one of {', '.join(WRITERS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {str(path)!r}")
    if not inputs:
        raise ValueError("inputs must be what the model is called with, got none")
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            expected = tensors(model(*inputs))
            found = WRITERS[path.suffix](model, path, inputs)
    finally:
        for module in training:
            module.training = True
    for one, other in zip(expected, found, strict=True):
        largest = float(one.abs().max()) if one.numel() else 0.0
        error = float((one - other).abs().max()) if one.numel() else 0.0
        if not error <= 1e-4 * max(largest, 1.0):
            raise RuntimeError(f"{path} differs from the model by {error:.1e} (of {largest:.1e})")
    return path


def tensors(output: Any) -> list[Tensor]:
    """Return the tensors of an output, in order."""
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]


def write_onnx(model: nn.Module, path: Path, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Write ONNX and return what onnxruntime computes from it."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  what torch.onnx exports with
    except ImportError as error:
        raise ImportError(f'{error}: pip install "juanji[onnx]"') from error
    torch.onnx.export(
        model, inputs, path, dynamo=True, external_data=False, verbose=False,
        custom_translation_table=translations(),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    values = (x.detach().cpu().numpy() for x in inputs)
    found = session.run(None, dict(zip(names, values, strict=True)))
    return [torch.from_numpy(array) for array in found]


def write_program(model: nn.Module, path: Path, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Write an exported program and return what it computes when read back."""
    torch.export.save(torch.export.export(model, inputs), path)
    return tensors(torch.export.load(path).module()(*inputs))


def write_state(model: nn.Module, path: Path, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Write a state dict and return what a copy of the model computes that has read it."""
    _safetensors().save_model(model, path)
    again = copy.deepcopy(model)
    with torch.no_grad():
        for value in again.state_dict().values():
            value.zero_()
    load_state(again, path)
    return tensors(again(*inputs))


WRITERS = {".onnx": write_onnx, ".pt2": write_program, ".safetensors": write_state}


def load_state(model: nn.Module, path: str | Path) -> None:
    """Read a model's state dict: `.safetensors`, or saved with torch (`.pt`, `.pth`).

    Raises:
        ValueError: the file is none, or its names and shapes are not the model's.
        OSError: it cannot be read.
        ImportError: the `study` extra is not installed.
    """
    path = Path(path)
    with path.open("rb"):  # says in Python's words why it cannot be read
        pass
    safetensors = _safetensors() if path.suffix == ".safetensors" else None
    try:
        if safetensors is not None:
            safetensors.load_model(model, path)
        else:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # each format has its own
        raise ValueError(f"{path} holds no weights of this network: {error}") from error


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(f'{error}: pip install "juanji[study]"') from error
    return safetensors.torch
