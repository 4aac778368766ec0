"""A few threads for calls that block. They end with the process, whatever they wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 8  # calls to one place; an AssumeRole takes 0.1 s, so that 80 people can be new in one second


class Threads:
    """Runs works in threads, which are begun as they are needed. `run` is for the loop's thread alone."""

    def __init__(self, name: str, most: int = AT_ONCE) -> None:
        self._name = name
        self._most = most
        self._works: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._begun = 0
        self._busy = 0  # works that are under way or wait

    def run(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call `work` in a thread, and `then` with its result on the loop. `work` must not raise."""
        loop = asyncio.get_running_loop()

        def done(result: T) -> None:
            self._busy -= 1
            then(result)

        def do() -> None:
            result = work()
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(done, result)

        self._busy += 1
        if self._begun < min(self._busy, self._most):
            self._begun += 1
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        self._works.put(do)

    def close(self) -> None:
        """End the threads that have nothing to do."""
        for _ in range(self._begun):
            self._works.put(None)
        self._begun = self._most  # no more are begun

    def _serve(self) -> None:
        while (work := self._works.get()) is not None:
            work()
            del work


class Lanes:
    """Threads for each place that is asked, so that one that does not answer keeps nobody from another."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: dict[Hashable, Threads] = {}

    def run(self, place: Hashable, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """As `Threads.run`, in those of this place."""
        threads = self._threads.get(place)
        if threads is None:
            threads = self._threads[place] = Threads(self._name)
        threads.run(work, then)

    def close(self) -> None:
        for threads in self._threads.values():
            threads.close()
