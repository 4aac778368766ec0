"""How long the gateway waits for a client, and for a drain. Both HTTPs use these values, written as `patience.X`."""

from __future__ import annotations

from typing import Protocol

HEAD_WITHIN = 10.0  # seconds for a request's head, or a frame, to be complete (threats I1)
SLOWEST_BODY = 1024  # bytes a second that a request's body must reach, after the first ten seconds
IDLE_FOR = 120.0  # seconds between requests; Go's client ends an idle connection at 90
LINGER = 2.0  # seconds that a refused client's bytes are read and dropped, so that no reset eats the refusal
FAREWELL = 1.0  # seconds for a GOAWAY to be read before its connection is cut
STALLED_FOR = 60.0  # seconds that a finite answer may wait for a client that grants no window (threats B9)
UNREAD = "the client did not read the answer"  # reason in the record
FIRST_CALL = 2.0  # seconds that a drain leaves a connection that was just let in, or just used, for one more request
SHORT_CALLS = 30.0  # seconds that a drain gives to short calls
STREAMS = 60.0  # seconds that a drain gives to streams, counted from its beginning too


class Call(Protocol):
    """What these functions ask of a call."""

    @property
    def is_stream(self) -> bool:
        """Whether the call may last for hours."""

    @property
    def waits_for_body(self) -> bool:
        """Whether the client has not sent its whole request yet."""


def time_is_up(call: Call, waited: float) -> bool:
    """Whether a drain that began `waited` seconds ago has waited long enough for this call."""
    return waited >= (STREAMS if call.is_stream else SHORT_CALLS)


def too_slow(call: Call, waited: float, received: int) -> bool:
    """Whether a request's body, of which `received` bytes came within `waited` seconds, arrives too slowly (threats I1)."""
    return call.waits_for_body and waited > HEAD_WITHIN + received / SLOWEST_BODY
