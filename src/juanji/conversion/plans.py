"""The plan of a conversion: what becomes of each layer; applied, saved, and rebuilt from."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import nn

from ..swaps import parse

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What becomes of one layer.

    `reason` tells why it stays; then `swap` and `after` are None and the figures do not change.
    Multiply-adds are dense, for the plan's inputs. `fit_error` is the relative error with which the
    new layer's weight stands for the old one's, ||W - W'|| / ||W||: 0 where it was kept whole, None
    where the new layer computes something else.
    """

    name: str
    before: str
    after: str | None = None
    swap: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    weights_before: int = 0
    weights_after: int = 0
    multiply_adds_before: int = 0
    multiply_adds_after: int = 0
    fit_error: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a swap does to a model, layer by layer, in the order in which layers are called.

    A plan does not hold the model or any weights: saved beside a state dict, it rebuilds the
    converted network from the code of the original one.
    """

    entries: tuple[Entry, ...]

    @property
    def converted(self) -> tuple[Entry, ...]:
        """The entries that change a layer."""
        return tuple(entry for entry in self.entries if entry.reason is None)

    def apply(self, model: nn.Module) -> nn.Module:
        """Return a changed copy of a model.

        Raises:
            ValueError: the model's layers are not those that the plan was made for.
        """
        changed = copy.deepcopy(model)
        self.apply_(changed)
        return changed

    def apply_(self, model: nn.Module) -> None:
        """Change a model in place; it stays whole if a layer does not match."""
        layers = {}
        for entry in self.converted:
            try:
                layer = model.get_submodule(entry.name)
            except AttributeError:
                raise ValueError(f"the model has no layer {entry.name!r}, the plan has") from None
            if repr(layer) != entry.before:
                raise ValueError(
                    f"layer {entry.name!r} must be {entry.before} as in the plan, got {layer!r}"
                )
            layers[entry.name] = build(layer, entry.swap or "", entry.arguments)
        for name, layer in layers.items():
            replace(model, name, layer)

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a saved plan.

        Raises:
            ValueError: the file is not a plan.

        >>> import juanji, tempfile, torch
        >>> x, path = torch.zeros(1, 3, 32, 32), tempfile.mktemp()
        >>> juanji.plan(juanji.nets.resnet20(), "octave:0.5", x).save(path)
        >>> again = Plan.load(path).apply(juanji.nets.resnet20())
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}")
            return cls(tuple(Entry(**entry) for entry in content["entries"]))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not a plan of this version of juanji: {error}") from None

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        content = {"format": FORMAT, "entries": [asdict(entry) for entry in self.entries]}
        return json.dumps(content, indent=1)

    @property
    def summary(self) -> str:
        """One line: how many layers change, weights and multiply-adds before and after."""
        totals = [
            sum(getattr(entry, name) for entry in self.entries)
            for name in (
                "weights_before", "weights_after", "multiply_adds_before", "multiply_adds_after",
            )
        ]  # fmt: skip
        return (
            f"{len(self.converted)} of {len(self.entries)} layers swapped, "
            f"weights {totals[0]:,} -> {totals[1]:,}, "
            f"multiply-adds {totals[2]:,} -> {totals[3]:,}"
        )

    def __str__(self) -> str:
        header = ("layer", "before", "after", "weights", "multiply-adds", "fit error")
        rows: list[Sequence[str]] = [header]
        for entry in self.entries:
            if entry.reason is not None:
                rows.append((entry.name, entry.before, f"stays: {entry.reason}", "", "", ""))
                continue
            rows.append(
                (
                    entry.name,
                    entry.before,
                    (entry.after or "").replace("\n", " "),
                    change(entry.weights_before, entry.weights_after),
                    change(entry.multiply_adds_before, entry.multiply_adds_after),
                    "" if entry.fit_error is None else f"{entry.fit_error:.3f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, self.summary])


def change(before: int, after: int) -> str:
    """Show a count and by what part it changes."""
    if not before:
        return f"{after:,}"
    return f"{after:,} ({after / before - 1:+.0%})"


def build(layer: nn.Module, swap: str, arguments: dict[str, Any]) -> nn.Module:
    """Build the layer that replaces `layer`; frozen weights stay frozen."""
    new = parse(swap).build(layer, **arguments).train(layer.training)
    if not any(parameter.requires_grad for parameter in layer.parameters()):
        new.requires_grad_(False)
    return new


def replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` where `model` has the submodule `name`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)
