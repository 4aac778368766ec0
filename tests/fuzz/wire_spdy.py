"""SPDY frames of any bytes are events, or refused with PeerError; and a cut anywhere changes nothing."""

from __future__ import annotations

from l7gw.wire.errors import PeerError
from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_events import Data, SpdyEvent, SynStream

WORDS = [b"\x80\x03\x00\x01", b"\x80\x03\x00\x03\0\0\0\x08", b"\x80\x03\x00\x04", b"\0\0\0\x01\x01\0\0\0", b"\0\0\0\x01\0\0\0\x04"]

Reading = tuple[list[SpdyEvent], int, bytes]


def one(data: bytes) -> None:
    """Either role reads the same events, the same refusal, and writes the same answers, whole, cut in two
    and byte by byte; and raises nothing but PeerError."""
    cut = data[0] % (len(data) + 1) if data else 0
    slow = [data[at : at + 1] for at in range(min(len(data), 64))] + [data[64:]]
    for role in ("client", "server"):
        reading = read(role, [data])
        assert reading == read(role, [data[:cut], data[cut:]])
        assert reading == read(role, slow)


def read(role: str, pieces: list[bytes]) -> Reading:
    """The outcome of bytes that come in pieces: the events with DATA joined, the code of a
    refusal, and the bytes written in answer.

    With a refusal there are no events, as their number before it depends on the cuts.
    """
    connection = Connection(role)  # type: ignore[arg-type]
    if role == "client":
        for stream in (1, 3, 5):
            connection.send(SynStream(stream, ()))
        connection.take()
    events: list[SpdyEvent] = []
    for piece in pieces:
        if piece:
            try:
                events += connection.receive(piece)
            except PeerError as error:
                return [], error.code, connection.take()
    return whole(events), 0, connection.take()


def whole(events: list[SpdyEvent]) -> list[SpdyEvent]:
    """The events, with neighbouring pieces of one stream's data joined, as the cuts of a frame mean nothing."""
    found: list[SpdyEvent] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Data) and isinstance(last, Data) and last.stream == event.stream and not last.final:
            found[-1] = Data(event.stream, last.data + event.data, event.final)
        else:
            found.append(event)
    return [event for event in found if not (isinstance(event, Data) and not event.data and not event.final)]
