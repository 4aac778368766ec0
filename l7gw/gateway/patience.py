"""How long the gateway waits for a client, and for a drain. Read as `patience.X`, so that one place says it for both HTTPs."""

from __future__ import annotations

from typing import Protocol

HEAD_WITHIN = 10.0  # seconds for a request's head, or a frame, to be complete (threats I1)
SLOWEST_BODY = 1024  # bytes a second, after the first ten
IDLE_FOR = 120.0  # seconds between requests; Go's client ends an idle connection at 90
LINGER = 2.0  # seconds that a refused client's bytes are read and dropped, so that no reset eats the refusal
FAREWELL = 1.0  # seconds for a GOAWAY to be read before its connection is cut
STALLED_FOR = 60.0  # seconds that a finite answer may wait for a client that grants no window (threats B9)
UNREAD = "the client did not read the answer"  # for the record
FIRST_CALL = 2.0  # seconds in which a connection that was just let in, or just used, may ask once more before a drain ends it
SHORT_CALLS = 30.0  # seconds that a drain gives to short calls
STREAMS = 60.0  # and to streams, from the same start


class Call(Protocol):
    """A call that is waited for."""

    @property
    def is_stream(self) -> bool:
        """It may last for hours."""

    @property
    def waits_for_body(self) -> bool:
        """The client owes the rest of its request."""


def time_is_up(call: Call, waited: float) -> bool:
    """Whether a drain has waited long enough for this call."""
    return waited >= (STREAMS if call.is_stream else SHORT_CALLS)


def too_slow(call: Call, waited: float, received: int) -> bool:
    """Whether a request's body arrives more slowly than it may (threats I1)."""
    return call.waits_for_body and waited > HEAD_WITHIN + received / SLOWEST_BODY
