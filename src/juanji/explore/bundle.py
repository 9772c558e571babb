"""Joins the page's modules, style and data into one HTML file.

Each module becomes a function that returns what it exports, in the order of imports; so names of
different modules never meet. Only the forms that the modules use are understood, the rest is an
error: `import { a, b } from "./other.js"` and `export` before function, async function, class or
const.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("page")

_IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^\s*(?:import|export)\b.*", re.MULTILINE)


def html(data: Any) -> str:
    """Return the page as one file, with `data` (what JSON holds) in it.

    >>> html({"scenes": []}).startswith("<!doctype html>")
    True
    """
    text = _read("page.html")
    for mark, content in (
        ("/* style.css */", _read("style.css")),
        ("/* modules */", modules("main")),
        ('<script type="application/json" id="data">{}', _data(data)),
    ):
        assert text.count(mark) == 1, mark
        text = text.replace(mark, content)
    return text


def _data(data: Any) -> str:
    """Write JSON that no HTML parser takes for a tag: every < is escaped inside its string."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escaped = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'<script type="application/json" id="data">{escaped}'


@cache
def modules(entry: str) -> str:
    """Return the module `entry` and all it imports as one script.

    Raises:
        ValueError: imports go in a circle, name what is not exported, or are written otherwise.
    """
    found: dict[str, str] = {}
    exported: dict[str, list[str]] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"modules import each other in a circle: {' -> '.join((*path, name))}")
        if name in found:
            return
        text = _read(f"{name}.js")
        head = []
        for names, source in _IMPORT.findall(text):
            visit(source, (*path, name))
            wanted = [word for word in re.split(r"[\s,]+", names) if word]
            missing = set(wanted) - set(exported[source])
            if missing:
                raise ValueError(f"{source}.js does not export {sorted(missing)}, see {name}.js")
            head.append(f"const {{ {', '.join(wanted)} }} = {_variable(source)};\n")
        text = _IMPORT.sub("", text)
        exported[name] = _EXPORT.findall(text)
        text = _EXPORT.sub("", text)
        left = _LEFT.search(text)
        if left:
            raise ValueError(f"{name}.js has a form that is not understood: {left.group().strip()}")
        found[name] = (
            f"const {_variable(name)} = (() => {{\n{''.join(head)}{text}"
            f"return {{ {', '.join(exported[name])} }};\n}})();\n"
        )

    visit(entry, ())
    script = "".join(found.values())
    assert "</script" not in script
    return script


def _variable(name: str) -> str:
    return f"module_{name.replace('-', '_')}"


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")
