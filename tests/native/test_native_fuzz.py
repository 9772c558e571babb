"""A bounded run of the fuzz; `python -m tests.native.fuzz` goes on for as long as one likes."""

from __future__ import annotations

import pytest
from fuzz import run_case

from juanji import native_status

pytestmark = pytest.mark.skipif(native_status().isa is None, reason="no native kernels")

BLOCK = 100


@pytest.mark.parametrize("first", range(0, 10 * BLOCK, BLOCK))
def test_random_calls_are_exact_and_nonsense_is_refused(first: int) -> None:
    for number in range(first, first + BLOCK):
        run_case(number)
