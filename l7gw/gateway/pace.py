"""The pace within a stream: how many pings a client may send in a second, how often a terminal size travels, and after how long a
silence the gateway sends a ping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from l7gw.clock import Clock
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Ping, Pong
from l7gw.wire.websocket_frames import POLICY_VIOLATION

CLIENT_CONTROL_A_SECOND = 100  # pings and pongs of one stream; kubectl pings once in 5 s (threats C10)
RESIZE_EVERY = 0.1  # seconds between two sizes that travel; a window that is dragged sends hundreds (threats C12)

T = TypeVar("T")


class Pace:
    """Counts events within one second, and refuses those beyond `most`."""

    __slots__ = ("_clock", "_count", "_most", "_second")

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._second = 0
        self._count = 0

    def count(self) -> None:
        """Count one event. Raises PeerError 1008 where it is one too many."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > self._most:
            raise PeerError(POLICY_VIOLATION, f"more than {self._most} control frames or odd messages in a second")


class Newest(Generic[T]):
    """Thins out items to one every RESIZE_EVERY seconds. The first is handed on at once, later ones wait; of those that wait only
    the newest is kept. So the last item always arrives."""

    __slots__ = ("_clock", "_hand_on", "_last", "_timer", "_waiting")

    def __init__(self, clock: Clock, hand_on: Callable[[T], None]) -> None:
        self._clock = clock
        self._hand_on = hand_on
        self._last = float("-inf")
        self._waiting: T | None = None
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, item: T) -> None:
        """Take one more item. It replaces the one that still waits."""
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
        """Hand on the item that waits before its time, because something follows that must not overtake it."""
        item, self._waiting = self._waiting, None
        if item is not None:
            self._hand_on(item)

    def end(self) -> None:
        """Hand on no more. This drops the reference to the callback: where that is a method of this object's owner, the two would
        else keep each other in memory until the garbage collector runs."""
        self._hand_on = _nobody


def _nobody(_: object) -> None:
    pass


class Silence:
    """Measures how long we have sent nothing to one side. Code that writes to this side sets `wrote`; the clock is read once a
    second, not for each write.

    A ping only shows a middlebox that the connection is in use. Nobody is cut for not answering: a peer answers when its
    application reads, and an application that is suspended or busy (the Python client, x/net's server, spdystream's queues) is not
    dead. Dead peers are found by TCP (`cluster/liveness.py`), because nothing acknowledges the ping.
    """

    __slots__ = ("_ping_after", "_since", "awaited", "wrote")

    def __init__(self, now: float, ping_after: float) -> None:
        """`now` by the monotonic clock, `ping_after` in seconds of silence."""
        self._since = now
        self._ping_after = ping_after
        self.wrote = False
        self.awaited: object = None  # the event that answers our latest ping

    def is_due(self, now: float) -> bool:
        """Whether to ping now. Called once a second; `now` is in seconds by the monotonic clock. Writing the ping sets `wrote`."""
        if self.wrote:
            self.wrote, self._since = False, now
        return now - self._since >= self._ping_after

    def is_answer(self, event: object) -> bool:
        """Whether a peer's event answers our latest ping. True once for each ping; such an event is neither counted nor passed
        on."""
        if self.awaited is None or event != self.awaited:
            return False
        self.awaited = None
        return True


def ping(leg: Connection) -> Pong | None:
    """Put a ping into a WebSocket. Returns the Pong that will answer it; None where the leg takes no more.

    A peer answers while it reads: gorilla's code (kubectl, the API server's tunnel), x/net's (the API server, the kubelet) and
    Python's websocket-client. The answers of the longest stream are a thirteenth of the control frames in a row that the codec
    accepts."""
    if leg.close_sent or leg.close_received:
        return None
    leg.send(Ping())
    return Pong()
