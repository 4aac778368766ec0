"""The dials of one cluster, over all pools of its connections: so many at once, and pools that want more take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from l7gw.clock import Clock
from l7gw.cluster.outage import Outage

AT_ONCE = 64  # dials under way; a flood of resets must not become a flood of handshakes (threats B1)


class Waiting(Protocol):
    """A pool that wants to dial and may not yet."""

    def take_turn(self) -> bool:
        """Start one dial. Returns whether the pool wants another."""


class Dials:
    """Counts the dials to one cluster. A pool asks `free` before it starts one, and otherwise waits for its turn. `outage` hears of
    those that failed."""

    __slots__ = ("_running", "_waiting", "outage")

    def __init__(self, clock: Clock) -> None:
        self.outage = Outage(clock)
        self._running = 0
        self._waiting: dict[Waiting, None] = {}  # the pool that waits longest comes first

    @property
    def free(self) -> bool:
        return self._running < AT_ONCE

    def start(self, dial: Coroutine[Any, Any, None], done: Callable[[asyncio.Task[None]], None]) -> asyncio.Task[None]:
        """Run a dial. `done` is called at its end, before others take their turn."""
        self._running += 1
        task = asyncio.get_running_loop().create_task(dial)
        task.add_done_callback(done)
        task.add_done_callback(self._ended)
        return task

    def wait(self, pool: Waiting) -> None:
        """Call the pool's `take_turn` when a dial may start. A pool waits once, however often it asks."""
        self._waiting[pool] = None

    def tick(self) -> None:
        """Once a second."""
        self.outage.tick()

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._running -= 1
        while self._waiting and self.free:
            pool = next(iter(self._waiting))
            del self._waiting[pool]
            if pool.take_turn():
                self._waiting[pool] = None
