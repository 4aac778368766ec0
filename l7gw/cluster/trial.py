"""Something that is tried step by step: what each step found, how long it took, and what to do where it failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Outcome = Literal[
    "ok",
    "warning",  # it works, and shows what is probably not meant
    "failed",
    "not tried",  # a step before it failed, without which it cannot be
    "not asked",  # it cannot be asked; `said` has the reason
]


@dataclass(frozen=True)
class Step:
    """One step. `remedy` is what to type or to change, "" for nothing. `seconds` is 0 for what was not tried."""

    name: str
    outcome: Outcome
    said: str = ""
    remedy: str = ""
    seconds: float = 0.0


class Failure(Exception):
    """A step failed: what was seen, and what to do. `ends` says that nothing behind it can be tried."""

    def __init__(self, what: str, remedy: str = "", *, ends: bool = True) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.ends = ends


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a step found: a value for later steps, words for people, and a remedy where it is probably not meant."""

    value: T
    said: str
    remedy: str = ""


class Trial:
    """The steps so far. `begun` is called with the name of each step before it is tried, `ended` with each step as it ended."""

    def __init__(self, begun: Callable[[str], None], ended: Callable[[Step], None]) -> None:
        self.steps: list[Step] = []
        self.over = False  # whether a step failed without which no other can be tried
        self._begun, self._ended = begun, ended

    def step(self, name: str, work: Callable[[], Found[T]]) -> T | None:
        """Try one step. Gives what it found; None where it failed (`work` raised Failure) or was not tried."""
        if self.over:
            self._add(Step(name, "not tried"))
            return None
        self._begun(name)
        began = time.monotonic()
        try:
            found = work()
        except Failure as failure:
            self.over = failure.ends
            self._add(Step(name, "failed", str(failure), failure.remedy, time.monotonic() - began))
            return None
        self._add(Step(name, "warning" if found.remedy else "ok", found.said, found.remedy, time.monotonic() - began))
        return found.value

    def not_asked(self, name: str, why: str) -> None:
        """Note what cannot be asked."""
        self._add(Step(name, "not asked", why))

    @property
    def failed(self) -> bool:
        return any(step.outcome == "failed" for step in self.steps)

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self._ended(step)


def sure(found: T | None) -> T:
    """What a step before found: had it failed, the trial would be over and nobody would ask."""
    assert found is not None
    return found
