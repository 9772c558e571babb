"""One Hypothesis profile for the suite: the same examples on every run, no deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("juanji", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("juanji")
