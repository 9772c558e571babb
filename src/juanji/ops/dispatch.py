"""Several ways to compute one operator: the first that does not decline does it.

A candidate says in words why it does not apply, so that a user can ask why a call is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .follow import followed, following, take

__all__ = ["Candidate", "dispatch", "why"]


def _nothing(*_: object) -> None:
    """Decline nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to compute an operator.

    `declines` gets the arguments of `run` and returns None, or the reason why `run` must not be
    called with them; if not given, it serves everything.
    """

    name: str
    run: Callable[..., Any]
    declines: Callable[..., str | None] = _nothing


class Decisions(str):
    """Which kernels computed something and why: text that a prompt shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def dispatch(operator: str, candidates: Sequence[Candidate], *arguments: Any) -> Any:
    """Call the first candidate that does not decline; the last one has to serve everything."""
    declined: list[tuple[str, str]] = []
    for candidate in candidates:
        reason = candidate.declines(*arguments)
        if reason is None:
            if not followed():
                return candidate.run(*arguments)
            told = _told(operator, declined, f"  {candidate.name}: taken")
            return take(candidate.run, arguments, told)
        declined.append((candidate.name, reason))
    raise AssertionError(_told(f"no candidate serves {operator}:", declined))


def _told(title: str, declined: Sequence[tuple[str, str]], *last: str) -> str:
    """Word who declined and why, a line for each."""
    return "\n".join([title, *(f"  {name}: declined, {why}" for name, why in declined), *last])


def why(operator: Callable[..., Any], *args: Any, **kwargs: Any) -> Decisions:
    """Call an operator or a layer and tell which kernels computed it, and why others did not.

    Args:
        operator: a function of `juanji.functional`, a layer, a model: anything that is called.
        args: what it is called with.
        kwargs: the same, by name.

    Returns:
        the decisions in their order, one paragraph for each; its gradients take their own when
        they are computed.

    >>> import torch
    >>> from juanji import functional as F
    >>> print(why(F.conv, torch.ones(1, 64, 5), torch.ones(64, 64, 3)))
    conv
      native: declined, ...
      torch: taken
    """
    told: list[str] = []
    with following(lambda step: told.append(step.told)):
        operator(*args, **kwargs)
    return Decisions("\n".join(filter(None, told)) or NOTHING)


NOTHING = "no operator of juanji with several kernels was called"
