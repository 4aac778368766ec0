"""SPDY/3.1 against npm's spdy-transport, in both roles and with its windows. The bytes go
over the stdin and stdout of its process."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from l7gw.wire.spdy_events import (
    Data,
    GoAway,
    HeadersFrame,
    Ping,
    Reset,
    SpdyEvent,
    SynReply,
    SynStream,
)
from l7gw.wire.spdy_frames import CANCEL
from tests.npm.install import MissingNode, node_modules
from tests.support.spdy_peer import WindowedConnection

SEEDS = range(3)


class Peer:
    """The process of spdy-transport, and our side of the connection to it."""

    def __init__(self, process: subprocess.Popen[bytes], connection: WindowedConnection) -> None:
        self._process = process
        self.connection = connection
        self.heard: list[SpdyEvent] = []

    def flush(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(self.connection.take())

    def read(self) -> list[SpdyEvent]:
        """The events of one read. Where the process has ended, fails with its stderr."""
        assert self._process.stdout and self._process.stderr
        data = self._process.stdout.read(65536)
        assert data, self._process.stderr.read().decode()
        events = self.connection.receive(data)
        self.heard += events
        return events

    def until(self, enough: Callable[[list[SpdyEvent]], bool]) -> None:
        """Write and read until `enough` is true of all events so far."""
        self.flush()
        while not enough(self.heard):
            self.read()
            self.flush()

    def told(self, lines: int) -> list[str]:
        """The next `lines` lines of the process's stderr."""
        assert self._process.stderr
        return [self._process.stderr.readline().decode().strip() for _ in range(lines)]

    def data(self, stream: int) -> tuple[bytes, bool]:
        """All bytes that came on a stream, and whether it has ended."""
        found = [event for event in self.heard if isinstance(event, Data) and event.stream == stream]
        return b"".join(event.data for event in found), any(event.final for event in found)


@contextmanager
def spdy_transport(role: str, *arguments: object) -> Iterator[Peer]:
    """A peer in this role; our side has the other."""
    try:
        modules = node_modules()
    except MissingNode as missing:
        if os.environ.get("L7GW_NO_SKIP") == "1":
            raise
        pytest.skip(str(missing))
    driver = Path(__file__).parent.parent / "npm" / "spdy-peer.js"
    command = ["node", str(driver), str(modules), role, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    try:
        yield Peer(process, WindowedConnection("client" if role == "server" else "server"))
    finally:
        process.kill()
        process.communicate()


def opening(stream: int, path: str) -> SynStream:
    headers = ((":method", "POST"), (":path", path), (":scheme", "https"), (":host", "x"), (":version", "HTTP/1.1"))
    return SynStream(stream, headers)


def test_spdy_transport_answers_our_streams_within_its_windows() -> None:
    text = b"the quick brown fox " * 10_000  # 200 KB need three windows
    with spdy_transport("server") as peer:
        for stream in (1, 3):
            peer.connection.send(opening(stream, f"/{stream}"))
            peer.connection.send(Data(stream, text, True))
        assert peer.connection.queued > 200_000
        peer.until(lambda heard: sum(isinstance(event, Data) and event.final for event in heard) == 2)
        assert peer.data(1) == peer.data(3) == (text.upper(), True)
        paths = [dict(event.headers)["x-path"] for event in peer.heard if isinstance(event, SynReply)]
        assert paths == ["/1", "/3"]
        assert not peer.connection.queued and not peer.connection.codec.streams.open


def test_streams_of_spdy_transport_are_answered_within_our_windows() -> None:
    count, size = 5, 150_000
    with spdy_transport("client", count, size) as peer:
        ended, heard = 0, dict.fromkeys(range(1, 2 * count, 2), 0)
        while ended < count:
            for event in peer.read():
                if isinstance(event, SynStream):
                    assert dict(event.headers)["streamtype"] == "data"
                    peer.connection.send(SynReply(event.stream, ((":status", "200"), (":version", "HTTP/1.1"))))
                elif isinstance(event, Data):
                    heard[event.stream] += len(event.data)
                    peer.connection.send(Data(event.stream, event.data, event.final))
                    ended += event.final
            peer.flush()
        assert sorted(peer.told(count)) == [f"{number} {size}" for number in range(count)]
        assert set(heard.values()) == {size}


def test_a_reset_ping_headers_and_goaway_of_one_side_are_read_by_the_other() -> None:
    with spdy_transport("server") as peer:
        peer.connection.send(opening(1, "/abort"))
        peer.connection.send(opening(3, "/trailers"))
        peer.connection.send(Data(3, b"x", True))
        peer.connection.send(Ping(1))
        peer.until(lambda heard: Ping(1) in heard and any(isinstance(event, Data) and event.final for event in heard))
        assert Reset(1, CANCEL) in peer.heard
        assert HeadersFrame(3, (("x-sum", "1"),)) in peer.heard
        assert peer.data(3) == (b"X", True)
        peer.connection.send(opening(5, "/told"))
        peer.connection.send(Reset(5, CANCEL))
        peer.flush()
        assert peer.told(1) == ["gone /told"]
        peer.connection.send(opening(7, "/leave"))
        peer.until(lambda heard: any(isinstance(event, GoAway) for event in heard))
        assert GoAway(7, 0) in peer.heard


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_opened_fed_half_closed_and_reset_at_random_keep_their_bytes_apart(seed: int) -> None:
    """Four hundred acts on open streams. Each stream that was not reset gets its whole echo, and nothing else."""
    dice = random.Random(seed)
    sent: dict[int, bytes] = {}
    ended: set[int] = set()
    gone: set[int] = set()
    with spdy_transport("server") as peer:
        ours, stream = peer.connection, -1
        for act in range(400):
            live = [one for one in sent if ours.may_send(one)]
            kind = dice.randrange(10)
            if not live or (kind == 0 and len(live) < 20):
                stream += 2
                ours.send(opening(stream, "/echo"))
                sent[stream] = b""
            elif kind == 1:
                one = dice.choice(live)
                ours.send(Data(one, b"", True))
                ended.add(one)
            elif kind == 2:
                one = dice.choice(live)
                ours.send(Reset(one, CANCEL))
                gone.add(one)
            else:
                one, data = dice.choice(live), b"abcdefghij" * dice.randrange(400)
                ours.send(Data(one, data))
                sent[one] += data
            if act % 20 == 19:
                ours.send(Ping(act))
                peer.until(lambda heard, act=act: Ping(act) in heard)
        for one in [one for one in sent if ours.may_send(one)]:
            ours.send(Data(one, b"", True))
        kept = [one for one in sent if one not in gone]
        peer.until(lambda heard: all(peer.data(one)[1] for one in kept))
        assert gone and ended
        assert {one: peer.data(one) for one in kept} == {one: (sent[one].upper(), True) for one in kept}
        assert all(sent[one].upper().startswith(peer.data(one)[0]) for one in gone)
        assert not ours.codec.streams.open
