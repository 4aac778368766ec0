"""An event loop without sockets, whose time is a clock that the test turns.

Everything that a gateway asks of its loop (callbacks, timers, tasks, futures, calls from threads) is asyncio's own. What is
missing are descriptors: connections are `wires`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.twins.turned_clock import TurnedClock

MOST_TURNS = 10_000  # turns of the loop in one step of the traffic; more is a gateway that never comes to rest
RESOLUTION = 1e-9  # seconds by which a timer may be early


class _NoDescriptors:
    """Stands where asyncio has its selector."""

    def close(self) -> None:
        pass


class _Soon(asyncio.Handle):
    """A callback of the next turn. Nothing in the gateway has a context of its own, so that none is made for each: a call has thirty
    of these."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., object], args: Any, loop: Any, context: Any) -> None:
        self._context = context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None

    def _run(self) -> None:
        try:
            self._callback(*self._args)
        except Exception as error:
            self._loop.call_exception_handler({"message": f"in {self._callback!r}", "exception": error, "handle": self})


class SteppedLoop(asyncio.BaseEventLoop):
    """`rest` gives the loop turns until nothing is left to do before the clock is turned on."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _NoDescriptors()
        self._context = contextvars.copy_context()
        self._woken = threading.Event()
        self._told: defaultdict[str, deque[asyncio.Handle]] = defaultdict(deque)  # by kinds of threads

    def time(self) -> float:
        return self._clock.monotonic()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = _Soon(callback, args, self, context or self._context)
        self._ready.append(handle)  # type: ignore[attr-defined]  # of BaseEventLoop
        return handle

    def _write_to_self(self) -> None:
        self._woken.set()

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        """What a thread tells the loop is kept until the loop has nothing else to do: when a thread is done is nobody's to say."""
        if threading.get_ident() == self._thread_id:  # type: ignore[attr-defined]  # of BaseEventLoop
            return self.call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._told[threading.current_thread().name.partition("-")[0]].append(handle)
        self._woken.set()
        return handle

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends, this is the loop of its thread."""
        self._thread_id = threading.get_ident()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None

    def rest(self, waits: Callable[[], str]) -> None:
        """Turn until nothing is ready. `waits` names the kind of thread that works for the gateway just now, "" where none does: it is
        waited for, and what it said is taken."""
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # of BaseEventLoop
        for _ in range(MOST_TURNS):
            self._ring()
            if not ready:
                if not (kind := waits()):
                    return
                if ready:
                    continue
                while not self._told[kind]:
                    assert self._woken.wait(30), f"a thread of the {kind} does not answer"
                    self._woken.clear()
                ready.append(self._told[kind].popleft())
            for _ in range(len(ready)):  # and no callback that comes meanwhile
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
        raise AssertionError("the gateway does not come to rest")

    def _ring(self) -> None:
        """Have the timers called whose time has come."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # of BaseEventLoop
        now = self._clock.monotonic() + RESOLUTION
        while timers and (timers[0]._when < now or timers[0]._cancelled):  # type: ignore[attr-defined]
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)  # type: ignore[attr-defined]
