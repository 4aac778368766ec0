"""WebSocket frames of any bytes are messages, or refused with PeerError behind them; and a cut anywhere changes nothing."""

from __future__ import annotations

from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Frame

WORDS = [
    b"\x82\x7e",
    b"\x82\x7f",
    b"\x01\x00",
    b"\x00\x02\x80\xf0",
    b"\x80\x00",
    b"\x89\x00",
    b"\x88\x02\x03\xe8",
    b"\x81\x02\xc3\xa4",
]


def one(data: bytes) -> None:
    """Either role gives the same events, and the same refusal, whole, cut in two and in bytes; and raises nothing but PeerError."""
    cut = data[0] % (len(data) + 1) if data else 0
    for role in ("client", "server"):
        whole = read(role, [data])
        assert whole == read(role, [data[:cut], data[cut:]])
        assert whole == read(role, [data[at : at + 1] for at in range(len(data))])


def read(role: str, pieces: list[bytes]) -> tuple[list[Frame], int]:
    """The events of bytes that come in pieces, and the code of the refusal that ended them, 0 for none."""
    connection = Connection(role, limit=4096)  # type: ignore[arg-type]
    events: list[Frame] = []
    for piece in pieces:
        if piece:
            try:
                events.extend(connection.receive(piece))  # the events before a refusal too
            except PeerError as error:
                return events, error.code
    return events, 0
