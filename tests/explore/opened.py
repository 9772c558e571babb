"""A page in the browser."""

from __future__ import annotations

from typing import Any


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
