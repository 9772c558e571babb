"""A browser, and a page in it."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import Any

import pytest

PATHS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the path of the browser; without one, skip the test, or fail it where CI is set."""
    path = next(filter(None, map(shutil.which, PATHS)), None)
    if path is None or find_spec("playwright") is None:
        reason = "needs chromium and the Python package playwright"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class Opened:
    """A page of the browser, and what it complained of."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        settings = {"viewport": {"width": 1400, "height": 900}, "locale": "en-US", **options}
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(5000)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def close(self) -> None:
        self.context.close()
        assert not self.errors
        assert all(url.startswith(("file:", "data:", "blob:")) for url in self.requests)


def wait_for_text(page: Any, selector: str, text: str) -> None:
    """Wait until an element holds a text. The page forbids eval, which playwright's own needs."""
    page.locator(selector).filter(has_text=text).first.wait_for(state="attached")
