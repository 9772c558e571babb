"""ONNX's own node cases: all that apply, and a reason for each that does not."""

from __future__ import annotations

import pytest
import torch
from onnx_cases import ADAPTERS, NOT_APPLICABLE, NodeCase, applicable, node_cases, run


@pytest.mark.parametrize("case", applicable(), ids=lambda case: case.name)
def test_the_outputs_are_those_of_onnx(case: NodeCase) -> None:
    found = run(case)
    assert len(found) >= len(case.outputs)  # indices are not always asked for
    for y, expected in zip(found, case.outputs, strict=False):
        torch.testing.assert_close(y, torch.tensor(expected), rtol=case.rtol, atol=case.atol)


def test_every_case_is_run_or_has_a_reason() -> None:
    names = [case.name for case in node_cases()]
    assert set(NOT_APPLICABLE) <= set(names), "the reason is for a case that is not there"
    assert len(applicable()) + len(NOT_APPLICABLE) == len(names)
    assert {case.kind for case in applicable()} == set(ADAPTERS)


def test_cases_of_integers_are_refused_as_documented() -> None:
    (case,) = [case for case in node_cases() if case.name == "test_maxpool_2d_uint8"]
    with pytest.raises(TypeError, match=r"input must be floating-point, got torch\.uint8"):
        run(case)
