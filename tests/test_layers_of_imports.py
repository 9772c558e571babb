"""Imports run one way: a module imports from its own level of the library or from lower ones."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import juanji

ROOT = Path(juanji.__file__).parent
LEVELS = (
    {"spec"},
    {"bind"},
    {"relation", "cost", "ops", "draw"},
    {"functional", "compositions"},
    {"interop"},
    {"nn"},
    {"nets", "catalog"},
    {"analysis", "swaps", "conversion", "exporting", "study", "explore", "bench", "explanation"},
    {"cli", "__main__"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
FILES = sorted(file for file in ROOT.rglob("*.py") if file != ROOT / "__init__.py")


def imported(file: Path) -> set[str]:
    """Return the top names inside juanji that a file imports, wherever in it that happens."""
    package = ("juanji", *file.relative_to(ROOT).parts[:-1])
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module or "").split("."))
            module = tuple(part for part in module if part)
            found |= {(*module, alias.name) for alias in node.names}
    return {path[1] for path in found if path[0] == "juanji" and len(path) > 1}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_from_its_level_or_below(file: Path) -> None:
    own = file.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in LEVEL, f"give {own} a level"
    above = {name for name in imported(file) if LEVEL.get(name, -1) > LEVEL[own]}
    assert not above, f"{file.relative_to(ROOT)} imports {above}, which stand above {own}"
    # the lazy package itself is for users: inside, names come from where they are defined
    assert imported(file) <= set(LEVEL), f"unknown: {imported(file) - set(LEVEL)}"


def test_the_walk_sees_imports_of_every_spelling() -> None:
    file = ROOT / "ops" / "conv" / "__init__.py"
    assert {"relation", "bind", "spec", "ops"} <= imported(file)
