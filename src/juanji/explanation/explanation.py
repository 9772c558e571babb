"""What `explain` returns: a scene that writes itself to files and shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..draw import gif, svg
from ..draw.scene import Scene

Target = str | Path


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """How an operator works. `scene` holds all of it as plain data."""

    scene: Scene

    def svg(self, path: Target | None = None, *, step: int | Sequence[int] | None = None) -> str:
        """Write a still, and return it: after `step`, or several side by side; None: all done.

        Raises:
            ValueError: there is no such step, or there are too many for one picture.
        """
        if step is None or isinstance(step, int):
            text = svg.svg(self.scene, step)
        else:
            text = svg.steps_svg(self.scene, step)
        return written(path, text)

    def gif(self, path: Target, *, milliseconds: int = 700) -> None:
        """Write an animation with one frame for each step.

        Raises:
            ImportError: Pillow is not installed.
            ValueError: there are too many steps for an animation.
        """
        Path(path).write_bytes(gif.gif(self.scene, milliseconds=milliseconds))

    def html(self, path: Target | None = None) -> str:
        """Write one page with a player that needs nothing else, and return it."""
        from ..explore import player

        return written(path, player(self.scene))

    def save(self, path: Target, *, step: int | None = None) -> None:
        """Write what the path's suffix says: .svg (after `step`), .gif or .html.

        Raises:
            ValueError: the suffix is another one, or there is no such step.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".svg", ".gif", ".html"):
            raise ValueError(f"path must end with .svg, .gif or .html, got {str(path)!r}")
        if suffix == ".svg":
            self.svg(path, step=step)
        elif step is not None:
            raise ValueError(f"step must not be given for a {suffix} file, got {step}")
        elif suffix == ".gif":
            self.gif(path)
        else:
            self.html(path)

    def __repr__(self) -> str:
        return f"Explanation({self.scene.title!r}, {len(self.scene.steps)} steps)"

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        # a frame of its own: styles and scripts of the page stay inside it
        page = escape(self.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:900px;border:0"></iframe>'

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Offer the player, and the still where scripts do not run."""
        return {
            "text/html": self._repr_html_(),
            "image/svg+xml": self._repr_svg_(),
            "text/plain": repr(self),
        }


def written(path: Target | None, text: str) -> str:
    """Write a text where a path is given, and return it."""
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text
