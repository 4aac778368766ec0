"""How fast a client may go within a stream, pings counted by the second, terminal sizes thinned out to ten a second; and how long
one of the two sides may hear nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from l7gw.clock import Clock
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import POLICY_VIOLATION

CONTROL_A_SECOND = 100  # pings and pongs of one stream; kubectl pings once in 5 s (threats C10)
RESIZE_EVERY = 0.1  # seconds between two sizes that travel: a window being dragged sends hundreds (threats C12)
QUIET = 25.0  # seconds without a byte of ours until a ping: balancers forget a connection after 60 or 45 (threats I17)

T = TypeVar("T")


class Pace:
    """Counts, and refuses what is too much within one second."""

    __slots__ = ("_clock", "_count", "_most", "_second")

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._second = 0
        self._count = 0

    def count(self) -> None:
        """One more. Raises PeerError 1008."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > self._most:
            raise PeerError(POLICY_VIOLATION, f"more than {self._most} control frames or odd messages in a second")


class Newest(Generic[T]):
    """Hands on the first at once, then the newest of what came meanwhile, ten times a second: the last one always arrives."""

    __slots__ = ("_clock", "_hand_on", "_last", "_timer", "_waiting")

    def __init__(self, clock: Clock, hand_on: Callable[[T], None]) -> None:
        self._clock = clock
        self._hand_on = hand_on
        self._last = float("-inf")
        self._waiting: T | None = None
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, item: T) -> None:
        """One more; whatever still waits is forgotten for it."""
        now = self._clock.monotonic()
        if self._timer is None and now - self._last >= RESIZE_EVERY:
            self._last = now
            self._hand_on(item)
            return
        self._waiting = item
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RESIZE_EVERY, self._due)

    def _due(self) -> None:
        self._timer = None
        self._last = self._clock.monotonic()
        self.now()

    def now(self) -> None:
        """Hand on what waits, ahead of its time: something comes that must stay behind it."""
        item, self._waiting = self._waiting, None
        if item is not None:
            self._hand_on(item)

    def end(self) -> None:
        """Hand on no more. Whose own method is called would else be held by itself, until the collector comes by."""
        self._hand_on = _nobody


def _nobody(_: object) -> None:
    pass


class Silence:
    """How long one side has heard nothing of us. Whoever writes there sets `wrote`; the time is read once a second, not a write.

    A ping only shows a middlebox that the connection is in use; nobody is cut for not answering it. A peer answers when its
    application reads, and one that is suspended, or busy with what came before (the Python client, x/net's server, spdystream's
    queues), is no dead one. The dead ones TCP finds (`cluster/liveness.py`), as nothing acknowledges the ping.
    """

    __slots__ = ("_since", "awaited", "wrote")

    def __init__(self, now: float) -> None:
        self._since = now
        self.wrote = False
        self.awaited: object = None  # the event that answers our latest ping

    def is_due(self, now: float) -> bool:
        """Whether to ping; `now` by the monotonic clock, asked once a second. The ping itself sets `wrote`."""
        if self.wrote:
            self.wrote, self._since = False, now
        return now - self._since >= QUIET

    def is_answer(self, event: object) -> bool:
        """Whether a peer's event is the answer to a ping of ours: it is neither counted nor passed on, once for each ping."""
        if self.awaited is None or event != self.awaited:
            return False
        self.awaited = None
        return True
