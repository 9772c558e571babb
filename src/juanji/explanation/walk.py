"""A whole model, layer by layer: one page on which each has its picture, cost and view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from threading import get_ident
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from .. import interop
from ..analysis import analyze
from ..analysis.report import COLUMNS, cells
from ..analysis.watch import tensors, untouched
from ..draw import svg
from ..draw.scene import Scene
from ..draw.texts import shape
from ..ops.octave import OctavePair
from . import table
from .crop import View
from .explanation import Target, written

BYTES = 6 << 20  # of all pictures on a page; what comes after has none, and says so
FIGURES = ("weights", "multiply-adds", "view")
MANY = 2000  # layers on a page


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a model, as it ran.

    Attributes:
        name: as in `named_modules`.
        kind: name of its class.
        scene: its picture; None where there is none, and `reason` says why if it should have one.
        output: the shape of what it returned; None if it was not run.
        figures: weights, multiply-adds and view.
    """

    name: str
    kind: str
    scene: Scene | None = None
    reason: str = ""
    output: tuple[int, ...] | None = None
    figures: tuple[str, ...] = ("–",) * len(FIGURES)


@dataclass(frozen=True, slots=True, repr=False)
class Walk:
    """A model explained: its layers in the order in which they run."""

    model: str
    layers: tuple[Layer, ...]
    given: bool  # whether the numbers are those of an input

    def html(self, path: Target | None = None) -> str:
        """Write one page that needs nothing else, and return it.

        Raises:
            ImportError: Jinja2 is not installed.
        """
        try:
            from jinja2 import Environment
            from markupsafe import Markup
        except ImportError:
            raise ImportError('the page needs Jinja2: pip install "juanji[study]"') from None
        template = Path(__file__).with_name("walk.html.jinja").read_text(encoding="utf-8")
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        room, rows = BYTES, []
        for number, layer in enumerate(self.layers, start=1):
            picture, reason = "", layer.reason
            if layer.scene is not None:
                picture = _still(layer.scene)
                room -= len(picture)
                if room < 0:
                    picture, reason = "", "the page would be too large"
            rows.append(
                {
                    "number": number,
                    "name": layer.name or "(model)",
                    "kind": layer.kind,
                    "cells": ("–" if layer.output is None else shape(layer.output), *layer.figures),
                    "picture": Markup(picture),
                    "reason": reason,
                    "code": self._code(layer),
                }
            )
        page = environment.from_string(template).render(
            model=self.model, layers=rows, columns=("output", *FIGURES), given=self.given
        )
        return written(path, page)

    def save(self, path: Target, *, step: int | None = None) -> None:
        """Write the page.

        Raises:
            ValueError: the path's suffix is not .html, or a step is given.
        """
        if Path(path).suffix.lower() != ".html" or step is not None:
            raise ValueError(f"a model is explained by an .html page, got {str(path)!r}")
        self.html(path)

    def _code(self, layer: Layer) -> str:
        """Return what shows a layer moving."""
        found = f"model.get_submodule({layer.name!r})"
        return f'juanji.explain({found}, x).html("layer.html")  # x: what this layer reads'

    def __repr__(self) -> str:
        pictures = sum(layer.scene is not None for layer in self.layers)
        return f"Walk({self.model!r}, {len(self.layers)} layers, {pictures} pictures)"

    def _repr_html_(self) -> str:
        page = escape(self.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:900px;border:0"></iframe>'


def walk_through(model: nn.Module, input: Any, view: View) -> Walk:
    """Run a model once in evaluation mode and explain its layers; None: without running it.

    The model is left as it was.

    Args:
        model: any module.
        input: what its forward pass takes, a tensor or a tuple of arguments.
        view: the channel and position that layers show, where they have them.

    Raises:
        ValueError: the model has more layers than a page shows.
    """
    names = {module: name for name, module in model.named_modules()}
    leaves = [module for module in _leaves(model) if module is not model]
    if len(leaves) > MANY:
        raise ValueError(f"a page shows at most {MANY} layers, this model has {len(leaves)}")
    if input is None:
        layers = tuple(_explained(names[leaf], leaf, None, view) for leaf in leaves)
        return Walk(type(model).__name__, layers, given=False)
    arguments = tuple(input) if isinstance(input, (tuple, list)) else (input,)
    ran: dict[nn.Module, tuple[Any, tuple[int, ...] | None]] = {}
    with untouched(model, arguments), _recording(leaves, ran):
        model(*arguments)
    report = analyze(model, *arguments, time=False)
    rows = {row.name: dict(zip(COLUMNS, cells(row), strict=True)) for row in report.modules}
    layers = tuple(
        replace(
            _explained(names[leaf], leaf, given, view),
            output=output,
            figures=tuple(rows[names[leaf]][figure] for figure in FIGURES),
        )
        for leaf, (given, output) in ran.items()
    )
    return Walk(type(model).__name__, layers, given=True)


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield what has a picture of its own, and what has nothing inside."""
    if table.find(module) is not None or not list(module.children()):
        yield module
        return
    for child in module.children():
        yield from _leaves(child)


@contextmanager
def _recording(
    leaves: list[nn.Module], ran: dict[nn.Module, tuple[Any, tuple[int, ...] | None]]
) -> Iterator[None]:
    """Take down, in order, what every layer reads when it first runs, and the shape it returns."""
    known, thread = {id(leaf) for leaf in leaves}, get_ident()

    def before(module: nn.Module, args: Any) -> None:
        if id(module) in known and get_ident() == thread and module not in ran:
            ran[module] = (_kept(args), None)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        if module in ran and ran[module][1] is None and get_ident() == thread:
            found = next(iter(tensors(output)), None)
            ran[module] = (ran[module][0], None if found is None else tuple(found.shape))

    handles = [register_module_forward_pre_hook(before), register_module_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _kept(args: tuple[Any, ...]) -> Any:
    """Copy the first example of what a layer reads: later layers may work in place."""
    kept = tuple(map(_first, args))
    return kept[0] if len(kept) == 1 else kept


def _first(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value[:1].detach().clone() if value.ndim else value.detach().clone()
    if isinstance(value, OctavePair):
        halves = (None if half is None else _first(half) for half in value)
        return OctavePair(*halves, size=value.spatial, parts=value.parts)
    if isinstance(value, (tuple, list)):
        return tuple(map(_first, value))
    return value


def _explained(name: str, layer: nn.Module, input: Any, view: View) -> Layer:
    """Return a layer with its picture, if it has one."""
    kind = type(layer).__name__
    row = table.find(layer)
    if row is None:
        return Layer(name, kind)
    if isinstance(input, OctavePair) and interop.has_window(layer):
        # a window slides over each half; whatever else reads a pair reads the merged map
        half = input.low if input.high is None else input.high
        input = half if interop.is_pool(layer) else input.merge()
    try:
        return Layer(name, kind, row.build(layer, input, _within(layer, view)))
    except (
        ValueError,
        TypeError,
        IndexError,
    ) as error:  # what cannot be drawn is said in its place
        return Layer(name, kind, reason=str(error))


def _within(layer: Any, view: View) -> View:
    """Return the view where the layer has that channel; position is each layer's own matter."""
    channels = getattr(layer, "out_channels", None)
    return View(min(view.channel, channels - 1) if channels else 0)


def _still(scene: Scene) -> str:
    """Return the picture in the middle of its steps."""
    return svg.svg(scene, len(scene.steps) // 2 if scene.steps else None)
