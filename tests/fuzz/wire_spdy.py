"""SPDY frames of any bytes are events, or refused with PeerError; and a cut anywhere changes nothing."""

from __future__ import annotations

from l7gw.wire.errors import PeerError
from l7gw.wire.spdy import Connection, Data, SpdyEvent

WORDS = [b"\x80\x03\x00\x01", b"\x80\x03\x00\x03\0\0\0\x08", b"\x80\x03\x00\x04", b"\0\0\0\x01\x01\0\0\0"]


def one(data: bytes) -> None:
    """Either role gives the same events, or the same refusal, whole and cut in two; and raises nothing but PeerError."""
    cut = data[0] % (len(data) + 1) if data else 0
    for role in ("client", "server"):
        assert read(role, [data]) == read(role, [data[:cut], data[cut:]])


def read(role: str, pieces: list[bytes]) -> tuple[list[SpdyEvent], int]:
    """The events of bytes that come in pieces, DATA frames put together, and the code of the refusal that ended them."""
    connection = Connection(role)  # type: ignore[arg-type]
    events: list[SpdyEvent] = []
    for piece in pieces:
        if piece:
            try:
                events += connection.receive(piece)
            except PeerError as error:
                return [], error.code
    return whole(events), 0


def whole(events: list[SpdyEvent]) -> list[SpdyEvent]:
    """Neighbouring pieces of one stream's data as one: where a frame was cut is nobody's matter."""
    found: list[SpdyEvent] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Data) and isinstance(last, Data) and last.stream == event.stream and not last.final:
            found[-1] = Data(event.stream, last.data + event.data, event.final)
        else:
            found.append(event)
    return [event for event in found if not (isinstance(event, Data) and not event.data and not event.final)]
