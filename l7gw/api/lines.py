"""What one watcher is told: a line of JSON for each hold that is there, is new or has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from l7gw.api.watches import Watches, slim
from l7gw.approval.messages import Hold
from l7gw.wire.events import Body, HttpEvent

ALIVE_EVERY = 25.0  # seconds without a line, until an empty one; balancers forget a silent connection after 60 or 45
WRITTEN_AT_ONCE = 64 * 1024  # bytes of lines between two flushes
MOST_UNREAD = 1000  # changed holds that wait for a watcher who does not read; there are 500 pending ones at most


class Reader(Protocol):
    """The connection or stream of a watcher."""

    @property
    def writable(self) -> bool: ...

    def send(self, event: HttpEvent) -> None: ...

    def flush(self) -> None: ...


class Lines:
    """The lines of one watch. `sees` says which holds its caller may see, `now` is a monotonic clock in seconds."""

    __slots__ = ("_last", "_now", "_reader", "_sees", "_unread", "_unread_since", "_watches")

    def __init__(self, watches: Watches, reader: Reader, sees: Callable[[Hold], bool], now: Callable[[], float]) -> None:
        self._watches = watches
        self._reader = reader
        self._sees = sees
        self._now = now
        self._unread: dict[str, Hold] = {}  # what waits to be told, by hold
        self._unread_since = self._last = now()

    def tell(self, found: list[Hold]) -> None:
        """Tell holds that are there."""
        for hold in found:
            self._queue(slim(hold))
        self.write()

    def changed(self, hold: Hold) -> bool:
        """Tell a hold that is new or has changed, as `slim` gives it. False where more wait than may: the watcher does not read."""
        self._queue(hold)
        if len(self._unread) > MOST_UNREAD:
            return False
        self.write()
        return True

    def _queue(self, hold: Hold) -> None:
        if not self._sees(hold):
            return
        if not self._unread:
            self._unread_since = self._now()
        self._unread[hold.id] = hold  # who does not read hears of each hold only how it is now

    def write(self) -> None:
        """Write what waits, as far as the watcher takes it."""
        written = 0
        while self._unread and self._reader.writable:
            line = self._watches.line(self._unread.pop(next(iter(self._unread))))
            self._line(line)
            written += len(line)
            if written > WRITTEN_AT_ONCE:
                written = 0
                self._reader.flush()  # after it `writable` says whether the watcher takes more
        self._reader.flush()

    def _line(self, line: bytes) -> None:
        self._last = self._unread_since = self._now()
        self._reader.send(Body(line))

    @property
    def all_told(self) -> bool:
        """Whether nothing waits for the watcher."""
        return not self._unread

    def is_unread(self, seconds: float) -> bool:
        """Whether something has waited for the watcher for longer than this."""
        return bool(self._unread) and self._now() - self._unread_since > seconds

    def keep_alive(self) -> None:
        """Write an empty line where there was none for ALIVE_EVERY seconds."""
        if self._reader.writable and self._now() - self._last >= ALIVE_EVERY:
            self._line(b"\n")
            self._reader.flush()
