"""One pass over a journal, oldest first, session by session: for whoever looks at the calls of many sessions.

It knows which session a block belongs to, when a session is over, and counts what cannot be read. Which events are decoded, and
what is made of them, is left to its callers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from l7gw.recording import reader
from l7gw.recording.events import SegmentStarted, SessionEnded, SessionStarted
from l7gw.recording.layout import HEADER_SIZE, HOLDS_SESSION_EVENTS, NO_SESSION


class WalkedSession(msgspec.Struct, kw_only=True):
    """A session as far as it was read. Of one that is not `wanted` no more blocks are decoded. `next` is the number of its next
    block."""

    wanted: bool
    next: int = 2


Walked = TypeVar("Walked", bound=WalkedSession)


class SessionWalk(Generic[Walked]):
    """Gives the wanted sessions of a journal with their events, block by block, and with None when they are over: by their end, by
    that of the process that wrote them, or by that of the journal.

    `decode` makes events of a block, those of SessionStarted and SessionEnded among them. `begin` makes what is kept of a session,
    from its first event and the bytes of its id. Blocks that were made before `since`, in microseconds since 1970, are passed over;
    so are sessions that are not in `only`. `read` is told how many bytes were read since it was told last.

    `unreadable` counts blocks that are changed, missing, or of a session whose beginning is gone. `oldest` is when the journal
    begins, 0 for none. Iterating raises OSError."""

    def __init__(
        self,
        state: Path,
        decode: Callable[[bytes, int], list[Any]],
        begin: Callable[[SessionStarted, bytes], Walked],
        *,
        since: int = 0,
        only: Container[bytes] | None = None,
        read: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.unreadable = self.oldest = 0
        self.sessions: dict[bytes, Walked] = {}  # those that run
        self._state, self._decode, self._begin = state, decode, begin
        self._since, self._only, self._read = since, only, read
        self._writer = ""

    def __iter__(self) -> Iterator[tuple[Walked, list[Any] | None]]:
        for path in reader.segments(self._state):
            end = 0
            for place in reader.places(path):
                if place.header.session == NO_SESSION:
                    yield from self._segment(place)
                else:
                    yield from self._block(place)
                size = HEADER_SIZE + place.header.stored
                end += size
                self._read(size)
            self.unreadable += reader.damaged(path, end)
        yield from self._over()

    def _segment(self, place: reader.Place) -> Iterator[tuple[Walked, None]]:
        """A segment begins. Where another process writes it, the sessions of the former one are over."""
        with suppress(reader.Unreadable):
            for event in reader.events_at(place):
                if isinstance(event, SegmentStarted):
                    self.oldest = min(self.oldest or event.time, event.time)
                    if event.writer != self._writer:
                        self._writer = event.writer
                        yield from self._over()

    def _over(self) -> Iterator[tuple[Walked, None]]:
        former, self.sessions = self.sessions, {}
        for session in former.values():
            if session.wanted:
                yield session, None

    def _block(self, place: reader.Place) -> Iterator[tuple[Walked, list[Any] | None]]:
        header = place.header
        session = self.sessions.get(header.session)
        if session is not None:
            self.unreadable += max(0, header.session_sequence - session.next)
            session.next = header.session_sequence + 1
        if self._only is not None and header.session not in self._only:
            return
        if not header.flags & HOLDS_SESSION_EVENTS:
            if header.last < self._since or (session is not None and not session.wanted):
                return
            if session is None:
                self.unreadable += 1
                return
        try:
            events = reader.decoded_at(place, self._decode)
        except reader.Unreadable:
            self.unreadable += 1
            return
        if events and type(events[0]) is SessionStarted:
            session = self.sessions[header.session] = self._begin(events[0], header.session)
            session.next = header.session_sequence + 1
        if session is None:
            self.unreadable += 1
            return
        if session.wanted:
            yield session, events
        if events and type(events[-1]) is SessionEnded:
            self.sessions.pop(header.session, None)
            if session.wanted:
                yield session, None
