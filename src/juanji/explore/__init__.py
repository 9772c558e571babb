"""The explorer, one HTML file without network, and the player of exported scenes.

`page()` is the explorer: choose an operator, move sliders, step through its arithmetic.
`player(scene)` is a page that plays scenes made in Python. `widget()` shows either in a notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..draw.operators import OPERATORS
from ..draw.scene import Scene, to_data
from . import bundle

if TYPE_CHECKING:
    from .notebook import Explorer

__all__ = ["page", "player", "widget"]


def page() -> str:
    """Return the explorer as one HTML file that needs nothing else.

    >>> text = page()
    >>> len(text.encode()) < 400_000, "://" in text.split("<script")[0]
    (True, False)
    """
    return bundle.html({"operators": operators()})


def player(scene: Scene | Sequence[Scene], title: str | None = None) -> str:
    """Return a page that plays one scene, or several to choose from, as one HTML file.

    Texts of the scene are shown as text, whatever is in them.

    Raises:
        ValueError: there is no scene.

    >>> from juanji.draw.operators import find
    >>> "conv 3 x 3" in player(find("conv").scene())
    True
    """
    scenes = [scene] if isinstance(scene, Scene) else list(scene)
    if not scenes:
        raise ValueError("a player needs at least one scene, got none")
    return bundle.html({"scenes": [to_data(one) for one in scenes], "title": title})


def widget(scene: Scene | Sequence[Scene] | None = None, *, height: int = 900) -> Explorer:
    """Return the explorer, or a player of scenes, as a widget for notebooks.

    Its `state` is what stands behind the # of the page's link: read it, or set it.

    Raises:
        ImportError: anywidget is not installed (extra "explore").
    """
    from .notebook import Explorer

    return Explorer(page() if scene is None else player(scene), height)


def operators() -> list[dict[str, Any]]:
    """Return the table of pictures as the page reads it.

    >>> operators()[0]["name"]
    'conv'
    """
    return [
        {
            "name": one.name,
            "title": one.title,
            "kind": one.kind,
            "arguments": dict(one.arguments),
            "numbers": list(one.numbers),
        }
        for one in OPERATORS
    ]
