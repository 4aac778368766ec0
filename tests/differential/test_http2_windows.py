"""The windows of HTTP/2 that a peer changes while bodies wait for them (RFC 9113 section 6.9.2), beside an account of our own that
counts as the peer does: a change of settings holds from our acknowledgement on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import h2.exceptions
import h2.windows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import http2_frames as frames
from l7gw.wire.events import CHUNKED, Body, End, Request, Response
from l7gw.wire.http2 import ClientConnection, ServerConnection
from tests.support.http2_peers import Ours, Theirs
from tests.support.http2_reading import ACK, END_STREAM, HELLO, POST, headers, settings, window


def frames_of(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, stream and payload of each frame that we wrote."""
    at = len(frames.PREFACE) if data.startswith(frames.PREFACE) else 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        yield data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big"), data[at + 9 : at + 9 + size]
        at += 9 + size


class Account:
    """What a peer of ours lets us send, and what we sent of it."""

    def __init__(self, *, client: bool) -> None:
        """`client`: we are the client."""
        self.ours = ClientConnection() if client else ServerConnection()
        self.told: deque[int] = deque()  # first windows that we have not acknowledged yet
        self.first, self.all = frames.DEFAULT_WINDOW, frames.DEFAULT_WINDOW
        self.windows: dict[int, int] = {}  # by stream
        self.bodies: dict[int, int] = {}  # bytes that we were given to send
        self.came: dict[int, int] = {}
        self.ending: set[int] = set()
        self.ended: set[int] = set()
        self.our_settings: list[bytes] = []
        self.tell(settings() if client else HELLO, frames.DEFAULT_WINDOW)

    def tell(self, data: bytes, first: int) -> None:
        self.told.append(first)
        self.ours.receive(data)

    def open(self) -> None:
        if isinstance(self.ours, ClientConnection):
            stream = self.ours.open()
            self.ours.send(stream, Request("POST", "/", (("host", "gw"),), CHUNKED))
        else:
            stream = 2 * len(self.bodies) + 1
            self.windows[stream] = self.first
            self.ours.receive(headers(stream, *POST))
            self.ours.send(stream, Response(200, (), CHUNKED))
        self.bodies[stream] = 0

    def one_of(self, which: int) -> int:
        left = sorted(set(self.bodies) - self.ending)
        return left[which % len(left)] if left else 0

    def body(self, which: int, size: int) -> None:
        if stream := self.one_of(which):
            self.ours.send(stream, Body(b"x" * size))
            self.bodies[stream] += size

    def end(self, which: int) -> None:
        if stream := self.one_of(which):
            self.ours.send(stream, End())
            self.ending.add(stream)

    def settle(self, first: int) -> None:
        self.tell(settings((frames.INITIAL_WINDOW_SIZE, first)), first)

    def widen(self, which: int, more: int) -> None:
        if (stream := self.one_of(which)) in self.windows:
            self.windows[stream] += more
            self.ours.receive(window(stream, more))

    def widen_all(self, more: int) -> None:
        self.all += more
        self.ours.receive(window(0, more))

    def write(self, most: int) -> int:
        """Take what we write, and count it. Gives its size."""
        data = self.ours.take(most)
        for kind, flags, stream, payload in frames_of(data):
            if kind == frames.SETTINGS and flags & ACK:
                first = self.told.popleft()
                for one in self.windows:
                    self.windows[one] += first - self.first
                self.first = first
            elif kind == frames.SETTINGS:
                self.our_settings.append(payload)
            elif kind == frames.HEADERS:
                self.windows.setdefault(stream, self.first)
            elif kind == frames.DATA:
                if payload:  # a frame of nothing needs no window (section 6.9.1)
                    self.windows[stream] -= len(payload)
                    self.all -= len(payload)
                    assert self.windows[stream] >= 0 and self.all >= 0
                self.came[stream] = self.came.get(stream, 0) + len(payload)
                if flags & END_STREAM:
                    self.ended.add(stream)
        return len(data)


FIRST = st.sampled_from([0, 1, 100, 16_384, 65_535, 200_000, 2**31 - 1 - 300_000])
steps = st.one_of(
    st.tuples(st.just("open")),
    st.tuples(st.just("body"), st.integers(0, 3), st.sampled_from([1, 99, 16_384, 60_000])),
    st.tuples(st.just("body"), st.integers(0, 3), st.sampled_from([1, 99, 16_384, 60_000])),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("settle"), FIRST),
    st.tuples(st.just("widen"), st.integers(0, 3), st.sampled_from([1, 1000, 70_000])),
    st.tuples(st.just("widen_all"), st.sampled_from([1, 70_000])),
    st.tuples(st.just("write"), st.sampled_from([1, 5000, 100_000])),
    st.tuples(st.just("write"), st.sampled_from([1, 5000, 100_000])),
)


@pytest.mark.parametrize("client", [False, True])
@given(script=st.lists(steps, min_size=5, max_size=60))
def test_no_byte_is_sent_beyond_the_windows_of_a_peer_that_changes_them_and_all_are_once_they_are_wide(
    client: bool, script: list[tuple[object, ...]]
) -> None:
    talk = Account(client=client)
    talk.open()
    for kind, *arguments in script:
        getattr(talk, str(kind))(*arguments)
    talk.settle(1 << 24)
    talk.widen_all(1 << 24)
    while one := talk.one_of(0):
        talk.end(0)
        assert one in talk.ending
    while talk.write(100_000):
        pass
    assert {stream: talk.came.get(stream, 0) for stream in talk.bodies} == talk.bodies
    assert talk.ended == set(talk.bodies) and not talk.told
    assert len(talk.our_settings) == 1  # our own windows change by updates alone, and never shrink


def test_a_body_ends_while_its_window_is_below_nothing_which_h2_alone_takes_for_a_fault() -> None:
    ours, theirs = Ours(client=True), Theirs(client=False, largest_frame=16_384)
    theirs.read(ours.write())
    ours.read(theirs.write())
    theirs.read(ours.write())  # two acknowledgements
    stream = ours.open()
    ours.send(stream, Request("POST", "/", (("host", "gw"),), CHUNKED))
    ours.send(stream, Body(b"x" * 20_000))
    theirs.hold(stream, held=True)
    while data := ours.write():
        theirs.read(data)
    theirs.tune(0, 4096)
    ours.read(theirs.write())
    ours.send(stream, End())
    assert (stream, End()) in theirs.read(ours.write())
    windows = h2.windows.WindowManager(0)
    windows.window_opened(-1)  # as SETTINGS may have it (section 6.9.2)
    with pytest.raises(h2.exceptions.FlowControlError):
        windows.window_consumed(0)
