"""One browser for all tests of the page; without one they are skipped, and fail where CI is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opened import Opened, chromium

from juanji import explore

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def explorer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the explorer to a file."""
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    path.write_text(explore.page(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser: Any, explorer_file: Path) -> Iterator[Opened]:
    """The explorer, opened once for all tests of a module."""
    one = Opened(browser, explorer_file.as_uri())
    yield one
    one.close()


@pytest.fixture
def explorer(opened: Opened) -> Any:
    """The explorer as it is when it is opened."""
    opened.page.evaluate("juanji.open('')")
    return opened.page
