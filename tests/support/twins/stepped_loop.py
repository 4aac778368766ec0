"""An event loop without sockets, whose time is a clock that the test turns.

Everything that a gateway asks of its loop (callbacks, timers, tasks, futures, calls from threads) is asyncio's own. What is
missing are descriptors: connections are `wires`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from tests.support.twins.turned_clock import TurnedClock

MOST_TURNS = 10_000  # turns of the loop in one step of the traffic; more is a gateway that never comes to rest


class _NoDescriptors:
    """Stands where asyncio has its selector."""

    def select(self, timeout: float | None) -> list[object]:
        return []

    def close(self) -> None:
        pass


class SteppedLoop(asyncio.BaseEventLoop):
    """`rest` gives the loop turns until nothing is left to do before the clock is turned on."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _NoDescriptors()
        self._woken = threading.Event()
        self._told: defaultdict[str, deque[asyncio.Handle]] = defaultdict(deque)  # by kinds of threads

    def time(self) -> float:
        return self._clock.monotonic()

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        self._woken.set()

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        """What a thread tells the loop is kept until the loop has nothing else to do: when a thread is done is nobody's to say."""
        if threading.get_ident() == self._thread_id:  # type: ignore[attr-defined]  # of BaseEventLoop
            return super().call_soon_threadsafe(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._told[threading.current_thread().name.partition("-")[0]].append(handle)
        self._woken.set()
        return handle

    async def rest(self, waits: Callable[[], str]) -> None:
        """Turn until nothing is ready. `waits` names the kind of thread that works for the gateway just now, "" where none does: it is
        waited for, and what it said is taken."""
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            if self._ready:  # type: ignore[attr-defined]  # of BaseEventLoop
                continue
            if not (kind := waits()):
                return
            if self._ready:  # type: ignore[attr-defined]
                continue
            while not self._told[kind]:
                assert self._woken.wait(30), f"a thread of the {kind} does not answer"
                self._woken.clear()
            self._ready.append(self._told[kind].popleft())  # type: ignore[attr-defined]
        raise AssertionError("the gateway does not come to rest")
