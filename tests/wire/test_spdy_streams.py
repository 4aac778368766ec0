"""The states of SPDY's streams: what the peer and we may send in each, and what is remembered of ended ones."""

from __future__ import annotations

import pytest

from l7gw.wire import spdy
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_events import (
    Data,
    HeadersFrame,
    Reset,
    SynReply,
    SynStream,
)
from l7gw.wire.spdy_frames import CANCEL, STREAM_ALREADY_CLOSED
from l7gw.wire.spdy_streams import DROP, RECEIVING, REMEMBERED_RESETS
from tests.support import spdy_frames as frames
from tests.support.spdy_frames import Peer, client_of, may_send, server_of


def in_state(state: str) -> tuple[Connection, Peer]:
    """A connection whose stream 1 is in this state, and the writer of its peer's frames."""
    if state in ("unanswered", "answered"):
        client, peer = client_of(1), Peer()
        if state == "answered":
            client.receive(peer.reply(1))
        return client, peer
    server, peer = server_of(*([] if state == "idle" else [1]))
    if state == "reset":
        server.receive(frames.reset(1))
    elif state in ("half-closed", "closed"):
        server.receive(frames.data(1, b"", spdy.FLAG_FIN))
    if state == "closed":
        server.send(SynReply(1, (), True))
    server.take()
    return server, peer


def frame_of(kind: int, peer: Peer, flags: int = 0) -> bytes:
    if kind == spdy.DATA:
        return frames.data(1, b"", flags)
    if kind == spdy.RST_STREAM:
        return frames.reset(1)
    return peer.reply(1, (), flags) if kind == spdy.SYN_REPLY else peer.headers(1, (), flags)


ROWS = [(state, kind) for state, row in RECEIVING.items() for kind in row]


@pytest.mark.parametrize(("state", "kind"), ROWS)
def test_every_row_of_what_the_peer_may_send_is_as_it_says(state: str, kind: int) -> None:
    connection, peer = in_state(state)
    outcome = RECEIVING[state][kind]
    frame = frame_of(kind, peer)
    event = {spdy.DATA: Data(1, b""), spdy.SYN_REPLY: SynReply(1), spdy.HEADERS: HeadersFrame(1, ()), spdy.RST_STREAM: Reset(1, 5)}[
        kind
    ]
    open_before = 1 in connection.streams.open
    events = connection.receive(frame)
    if isinstance(outcome, int):
        assert events == ([Reset(1, outcome)] if open_before else [])
        assert connection.take() == frames.reset(1, outcome)
        assert not may_send(connection, 1)
    else:
        assert events == ([event] if outcome == spdy.REPORT else [])
        assert connection.take() == b""
    strays = 0 if outcome in (spdy.REPORT, DROP) else 1
    rest = b"".join(frames.data(9 + (stream % 2), b"x") for stream in range(spdy.MOST_STRAYS - strays))
    connection.receive(rest)  # as many further strays as are allowed
    with pytest.raises(PeerError):
        connection.receive(frames.data(9, b"x"))


@pytest.mark.parametrize("kind", [spdy.DATA, spdy.HEADERS, spdy.SYN_REPLY])
def test_a_final_frame_of_any_kind_closes_the_peers_direction_alone(kind: int) -> None:
    client, peer = client_of(1), Peer()
    client.receive(frame_of(kind, peer, spdy.FLAG_FIN))
    assert may_send(client, 1)
    assert client.receive(frames.data(1, b"x")) == [Reset(1, STREAM_ALREADY_CLOSED)]


def test_a_half_closed_direction_stays_half_closed_and_the_other_open() -> None:
    client, server = Connection("client"), Connection("server")
    client.send(SynStream(1, ()))
    client.send(Data(1, b"last", True))
    server.receive(client.take())
    with pytest.raises(OurError):
        client.send(Data(1, b"more"))
    server.send(SynReply(1))
    server.send(Data(1, b"answer", True))
    assert client.receive(server.take()) == [SynReply(1), Data(1, b"answer", True)]
    assert not client.streams.open and not server.streams.open


@pytest.mark.parametrize(("flags", "reads", "writes"), [(0, True, True), (1, False, True), (2, True, False), (3, False, False)])
def test_a_streams_opening_says_which_directions_it_has(flags: int, reads: bool, writes: bool) -> None:
    server, peer = Connection("server"), Peer()
    server.receive(peer.syn(1, flags=flags))
    assert may_send(server, 1) == writes
    assert (server.receive(frames.data(1, b"x")) == [Data(1, b"x")]) == reads
    client = Connection("client")
    client.send(SynStream(1, (), bool(flags & 1), bool(flags & 2)))
    assert may_send(client, 1) == reads
    assert (client.receive(frames.data(1, b"x")) == [Data(1, b"x")]) == writes


REFUSED_SENDING = {
    "idle": [Data(1, b"x"), SynReply(1)],
    "reset": [],
    "closed": [Data(1, b"x"), SynReply(1)],
    "half-closed": [],
    "theirs": [],
    "unanswered": [SynReply(1)],
    "answered": [SynReply(1)],
}


@pytest.mark.parametrize("state", RECEIVING)
def test_a_frame_that_its_streams_state_forbids_us_raises_and_writes_nothing(state: str) -> None:
    for event in (Data(1, b"x"), SynReply(1)):
        connection, _ = in_state(state)
        if event in REFUSED_SENDING[state]:
            with pytest.raises(OurError):
                connection.send(event)
            assert connection.take() == b""
        else:
            connection.send(event)
            assert bool(connection.take()) == (state != "reset")  # the caller may not have heard of the reset yet


@pytest.mark.parametrize("state", RECEIVING)
def test_a_reset_of_ours_goes_out_for_an_open_stream_and_is_nothing_for_another(state: str) -> None:
    connection, _ = in_state(state)
    was_open = 1 in connection.streams.open
    connection.send(Reset(1, CANCEL))
    assert connection.take() == (frames.reset(1) if was_open else b"")
    assert not may_send(connection, 1)


def test_more_resets_than_are_remembered_are_forgotten_oldest_first() -> None:
    server, peer = Connection("server"), Peer()
    for number in range(REMEMBERED_RESETS + 1):
        server.receive(peer.syn(2 * number + 1) + frames.reset(2 * number + 1))
    server.receive(frames.data(3, b"x"))
    assert server.take() == b""
    server.receive(frames.data(1, b"x"))
    assert server.take() == frames.reset(1, STREAM_ALREADY_CLOSED)


def test_ten_thousand_streams_opened_and_closed_leave_nothing_behind() -> None:
    server, _ = server_of()
    client = Connection("client")
    for number in range(10_000):
        client.send(SynStream(2 * number + 1, ()))
        client.send(Data(2 * number + 1, b"x", True))
        server.receive(client.take())
        server.send(Reset(2 * number + 1, 5) if number % 2 else Data(2 * number + 1, b"", True))
        client.receive(server.take())
    for side in (client, server):
        assert not side.streams.open
        assert len(side.streams.resets) <= REMEMBERED_RESETS
