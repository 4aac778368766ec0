"""Work that is done in steps, so that the event loop turns in between.

What masking does with one object of a megabyte may take seconds: a ConfigMap may hold 30,000 passwords. It is plain code that calls
plain code, many levels deep. So it runs in a thread, but never beside the loop: the loop lends it the process for STEP units of
work, and waits that long. Nothing that both touch needs a lock, and what the work touches between two calls of `spent` nobody else
touches meanwhile.

Each turn of the loop has one step, of whoever waits longest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from l7gw.errors import Refusal

STEP = 100  # units of work in one turn of the loop: a value that is masked, a text or object that is looked into; 10 to 100 us each
MOST_WORKS = 256  # that are under way at once; each has a thread, and some 100 KiB

T = TypeVar("T")


class _Abandoned(BaseException):
    """Nobody wants the work any more."""


class _Here(threading.local):
    work: InSteps[Any] | None = None  # what this thread works at


_here = _Here()


def spent(units: int = 1) -> None:
    """Note that so many units of work were done here. Work that has done STEP of them waits for the next turn. It costs 0.1 us."""
    work = _here.work
    if work is not None:
        work.spend(units)


class InSteps(Generic[T]):
    """One work. `over` is true once it is done; `result` then gives what it returned, or raises what it raised."""

    __slots__ = ("over", "steps", "_abandoned", "_back", "_failed", "_left", "_result", "_then", "_turn", "_work")

    def __init__(self, work: Callable[[], T], then: Callable[[], None]) -> None:
        self.over = False
        self.steps = 0  # that it has taken
        self._work: Callable[[], T] | None = work
        self._then = then
        self._result: list[T] = []
        self._failed: BaseException | None = None
        self._left = 0  # units in this step
        self._abandoned = False
        self._turn, self._back = threading.Lock(), threading.Lock()  # released to the work, and to the loop
        self._turn.acquire()
        self._back.acquire()

    def go_on(self) -> None:
        """Take one step. Called by the loop."""
        if self.over:
            return
        if not self.steps:
            (_idle.pop() if _idle else _Worker()).take(self)
        self.steps += 1
        self._left = STEP
        self._turn.release()
        self._back.acquire()

    def spend(self, units: int) -> None:
        """Called by the work."""
        self._left -= units
        if self._left <= 0 and not self._abandoned:
            self._back.release()
            self._turn.acquire()
        if self._abandoned:
            raise _Abandoned

    def run(self, idle: Callable[[], None]) -> None:
        """Do the work, and call `idle` before the loop is told. Called by a thread."""
        self._turn.acquire()
        _here.work = self
        try:
            if self._work is not None:
                self._result.append(self._work())
        except BaseException as error:
            self._failed = error
        self._work = _here.work = None
        self.over = True
        idle()
        self._back.release()

    def result(self) -> T:
        """What the work gave. Raises what it raised."""
        if self._failed is not None:
            raise self._failed
        return self._result[0]

    def tell(self) -> None:
        """Tell whoever began the work that it is over."""
        self._then()

    def abandon(self) -> None:
        """End the work where it stands: nobody wants it any more."""
        self._then = _nothing
        self._abandoned = True
        if not self.over and self.steps:
            self.go_on()
        self.over = True


class _Worker:
    """A thread that works, and waits for the next work."""

    __slots__ = ("_given", "_work")

    def __init__(self) -> None:
        self._work: InSteps[Any] | None = None
        self._given = threading.Lock()
        self._given.acquire()
        threading.Thread(target=self._run, name="l7gw-step", daemon=True).start()

    def take(self, work: InSteps[Any]) -> None:
        self._work = work
        self._given.release()

    def _run(self) -> None:
        while True:
            self._given.acquire()
            work, self._work = self._work, None
            if work is not None:
                work.run(self._rest)
            del work

    def _rest(self) -> None:
        _idle.append(self)


_idle: list[_Worker] = []  # a thread costs 100 us to begin, and nothing while it waits


class Steps:
    """All works of a worker that are under way."""

    __slots__ = ("_asked", "_most", "_waiting")

    def __init__(self, most: int = MOST_WORKS) -> None:
        self._most = most
        self._waiting: deque[InSteps[Any]] = deque()
        self._asked = False

    def begin(self, work: Callable[[], T], then: Callable[[], None]) -> InSteps[T]:
        """Begin a work, and take its first step. Where it is not over with that, `then` is called on the loop once it is. Raises
        Refusal 503 where too many are under way."""
        begun = InSteps(work, then)
        begun.go_on()
        if not begun.over:
            if len(self._waiting) >= self._most:
                begun.abandon()
                raise Refusal(503, "ServiceUnavailable", "too many large objects are being masked at once; run the command again")
            self._waiting.append(begun)
            self._ask()
        return begun

    def _ask(self) -> None:
        if self._waiting and not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._asked = False
        work = self._waiting.popleft()
        work.go_on()
        if not work.over:
            self._waiting.append(work)
        self._ask()
        if work.over:
            work.tell()


def _nothing() -> None:
    pass
