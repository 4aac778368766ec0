"""Flow control of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 section 2.6.8), for peers that obey it: windows, and what waits for them.

Stream 0 is the connection, whose window no SETTINGS changes. Credit is given as a frame's header comes: its pieces are handed
on at once, so what holds a peer back is the transport, as it is without windows.
"""

from __future__ import annotations

from collections import deque

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import Headers
from l7gw.wire.spdy_frames import FLOW_CONTROL_ERROR

LARGEST_WINDOW = 0x7FFFFFFF
INITIAL_WINDOW = 64 * 1024  # bytes
MOST_QUEUED = 1024 * 1024  # bytes that wait for the peer's windows
QUEUED_FRAME = 8  # bytes that a frame counts for in that queue beside its data: empty ones are not free

Piece = tuple[bytes, bool, Headers | None]  # data, final, and for a HEADERS frame what it says


class Windows:
    """Both directions of one connection."""

    __slots__ = ("_initial_in", "_initial_out", "_queues", "queued", "receive", "send")

    def __init__(self) -> None:
        self.send: dict[int, int] = {0: INITIAL_WINDOW}
        self.receive: dict[int, int] = {0: INITIAL_WINDOW}
        self._initial_out = self._initial_in = INITIAL_WINDOW
        self._queues: dict[int, deque[Piece]] = {}
        self.queued = 0

    def open(self, stream: int) -> None:
        """A new stream's windows are what the latest SETTINGS of each side say."""
        self.send[stream], self.receive[stream] = self._initial_out, self._initial_in

    def forget(self, stream: int) -> None:
        """The stream is gone, and what it had queued."""
        self.send.pop(stream, None)
        self.receive.pop(stream, None)
        for data, _, _ in self._queues.pop(stream, ()):
            self.queued -= QUEUED_FRAME + len(data)

    # ------------------------------------------------------------------ sending

    def waits(self, stream: int) -> bool:
        """Whether frames of the stream are queued."""
        return stream in self._queues

    @property
    def waiting(self) -> list[int]:
        """The streams that have frames queued."""
        return list(self._queues)

    def queue(self, stream: int, piece: Piece) -> None:
        """Raises OurError past MOST_QUEUED."""
        size = QUEUED_FRAME + len(piece[0])
        if self.queued + size > MOST_QUEUED:
            raise OurError("the peer's window is full, and so is the queue before it")
        self.queued += size
        self._queues.setdefault(stream, deque()).append(piece)

    def ready(self, stream: int) -> list[Piece]:
        """What of a stream's queue may be written now; it is counted as written."""
        queue = self._queues[stream]
        found: list[Piece] = []
        while queue:
            data, final, headers = queue[0]
            room = max(0, min(self.send[0], self.send[stream]))
            if len(data) > room:
                if room:
                    found.append((data[:room], False, None))
                    queue[0] = (data[room:], final, headers)
                    self._written(stream, room)
                return found
            found.append(queue.popleft())
            self._written(stream, len(data))
            self.queued -= QUEUED_FRAME
        del self._queues[stream]
        return found

    def _written(self, stream: int, size: int) -> None:
        self.send[0] -= size
        self.send[stream] -= size
        self.queued -= size

    def update(self, stream: int, delta: int) -> bool:
        """A WINDOW_UPDATE of the peer's; False where a stream's window gets too large, PeerError where the connection's does."""
        if stream not in self.send:
            return True
        self.send[stream] += delta
        if self.send[stream] > LARGEST_WINDOW and not stream:
            raise PeerError(FLOW_CONTROL_ERROR, "a window larger than 2^31 - 1")
        return self.send[stream] <= LARGEST_WINDOW

    def new_initial_out(self, value: int) -> None:
        """The peer's SETTINGS change the windows of all its streams, perhaps below zero. Raises PeerError."""
        difference, self._initial_out = value - self._initial_out, value
        for stream in self.send:
            self.send[stream] += difference if stream else 0
        if value > LARGEST_WINDOW or max(self.send.values()) > LARGEST_WINDOW:
            raise PeerError(FLOW_CONTROL_ERROR, "a window larger than 2^31 - 1")

    # ------------------------------------------------------------------ receiving

    def new_initial_in(self, value: int) -> None:
        """Our SETTINGS. Raises OurError where they would make a window smaller: what is under way would overrun it."""
        if not self._initial_in <= value <= LARGEST_WINDOW:
            raise OurError("a window made smaller, or larger than 2^31 - 1")
        difference, self._initial_in = value - self._initial_in, value
        for stream in self.receive:
            self.receive[stream] += difference if stream else 0

    def fits(self, stream: int, size: int) -> bool:
        """Whether a DATA frame keeps within its stream's window."""
        return size <= self.receive.get(stream, size)

    def spend(self, stream: int, size: int) -> int:
        """Count a DATA frame; the credit to give for it, 0 where more than half of the window is left. Frames of streams that are
        not open count for the connection: the peer has counted them too. Raises PeerError past the connection's window."""
        if stream not in self.receive:
            return 0
        left = self.receive[stream] - size
        if left < 0:
            raise PeerError(FLOW_CONTROL_ERROR, "more data than the window allows")
        full = self._initial_in if stream else INITIAL_WINDOW
        credit = full - left if left < full // 2 else 0
        self.receive[stream] = left + credit
        return credit
