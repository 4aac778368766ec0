"""HTTP/2 against h2 in both roles, and against itself. Conversations of any shape, cut anywhere, are read as they were sent. Bytes
with a fault anywhere are read alike by both, or refused by us."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.exceptions
import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Informational, Refused, Request, Reset, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_frames import PREFACE
from tests.differential.test_http1 import cuts, pieces, requests, responses
from tests.fuzz.run import mutations
from tests.fuzz.wire_http1 import meaning
from tests.fuzz.wire_http2 import WORDS
from tests.support.http2_peers import Ours, Theirs, in_our_words
from tests.support.http2_reading import END_STREAM, GET, HELLO, POST, Pair, data, frame, head_of, ping, reset, settings, window
from tests.support.vector_files import vectors

# ---------------------------------------------------------------------- conversations


@dataclass
class Said:
    """What one side has sent on a stream, or read."""

    heads: list[HttpEvent] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: bool = False


class Conversation:
    """A client and a server, what each has sent, and what each has read."""

    def __init__(self, client: Ours | Theirs, server: Ours | Theirs) -> None:
        self.ends = (client, server)
        self.said: tuple[dict[int, Said], dict[int, Said]] = ({}, {})
        self.heard: tuple[dict[int, Said], dict[int, Said]] = ({}, {})
        self.left: tuple[dict[int, list[bytes]], dict[int, list[bytes]]] = ({}, {})  # the pieces of each body still to be sent
        self.quiet = 0

    def ask(self, request: Request, body: list[bytes]) -> None:
        stream = self.ends[0].open()
        self._head(0, stream, request, body)

    def answer(self, which: int, response: Response, body: list[bytes], interim: bool) -> None:
        asked = [stream for stream, heard in self.heard[1].items() if heard.heads and stream not in self.said[1]]
        if not asked or asked[which % len(asked)] in self.ends[1].gone:
            return
        stream = asked[which % len(asked)]
        if interim and stream not in self.ends[0].gone:  # h2 fails on an interim answer to a stream that is gone
            self.ends[1].send(stream, Informational(103))
            self.said[1].setdefault(stream, Said()).heads.append(Informational(103))
            self.carry(1)
        self._head(1, stream, response, [] if self._asked(stream).method == "HEAD" else body)

    def _asked(self, stream: int) -> Request:
        head = self.heard[1][stream].heads[0]
        assert isinstance(head, Request)
        return head

    def _head(self, side: int, stream: int, head: Request | Response, body: list[bytes]) -> None:
        self.ends[side].send(stream, head)
        said = self.said[side].setdefault(stream, Said())
        said.heads.append(head)
        said.ended = head.length in (0, NO_BODY) or (isinstance(head, Response) and self._asked(stream).method == "HEAD")
        self.left[side][stream] = list(body)

    def go_on(self, side: int, which: int, trailers: bool = False) -> None:
        """Send the next piece of one of a side's bodies, or its end."""
        if not self.left[side]:
            return
        stream = sorted(self.left[side])[which % len(self.left[side])]
        said, end = self.said[side][stream], self.ends[side]
        if self.left[side][stream]:
            piece = self.left[side][stream].pop(0)
            end.send(stream, Body(piece))
            said.body += piece
            return
        del self.left[side][stream]
        if trailers and isinstance(end, Theirs) and end.waiting.get(stream) == b"":
            end.trailers(stream)
        else:
            end.send(stream, End())
        said.ended = True

    def reset(self, side: int, which: int) -> None:
        streams = sorted(self.said[0])
        if not streams:
            return
        stream = streams[which % len(streams)]
        if side == 1 and stream not in self.heard[1]:
            return
        self.ends[side].reset(stream)
        self.said[side].setdefault(stream, Said()).reset = True
        self.left[side].pop(stream, None)

    def hold(self, side: int, which: int, held: bool) -> None:
        if streams := sorted(self.said[0]):
            self.ends[side].hold(streams[which % len(streams)], held=held)

    def tune(self, *settings: int) -> None:
        for end in self.ends:
            if isinstance(end, Theirs):
                end.tune(*settings)

    def carry(self, side: int, marks: Sequence[int] = ()) -> bool:
        """Carry the bytes that one side writes now to the other, cut at these places."""
        data = self.ends[side].write()
        for piece in pieces(data, marks):
            for stream, event in self.ends[1 - side].read(piece):
                heard = self.heard[1 - side].setdefault(stream, Said())
                if isinstance(event, Body):
                    heard.body += event.data
                elif isinstance(event, End):
                    heard.ended = True
                elif isinstance(event, Reset):
                    heard.reset = True
                else:
                    heard.heads.append(event)
        return bool(data)

    def finish(self) -> None:
        """Send all that is still to be sent, and let it be read."""
        for side in (0, 1):
            while self.left[side]:
                self.go_on(side, 0)
        for end in self.ends:
            end.let_go()
        busy = True
        while busy:
            unanswered = [stream for stream, heard in self.heard[1].items() if heard.heads and stream not in self.said[1]]
            for stream in unanswered:
                self._head(1, stream, Response(200, (), 0), [])
                self.go_on(1, sorted(self.left[1]).index(stream))
            busy = any([self.carry(0), self.carry(1)])

    def check(self) -> None:
        for stream, said in self.said[0].items():
            answer = self.said[1].get(stream, Said())
            early = answer.ended and not self.heard[1].get(stream, Said()).ended  # the server did not want the rest
            broken = said.reset or answer.reset
            self._check(said, self.heard[1].get(stream, Said()), broken or early)
            self._check(answer, self.heard[0].get(stream, Said()), broken)
        assert all(end.idle for end in self.ends)

    @staticmethod
    def _check(said: Said, heard: Said, broken: bool) -> None:
        assert [_told(head) for head in heard.heads] == [_told(head) for head in said.heads][: len(heard.heads)]
        assert said.body.startswith(heard.body)
        assert not heard.ended or (said.ended and heard.body == said.body)
        if not broken:
            assert heard.ended and len(heard.heads) == len(said.heads) and heard.body == said.body


def _told(head: HttpEvent) -> HttpEvent:
    """A head without the fields that HTTP/2 does not carry, or carries in another way."""
    if isinstance(head, Request):
        length = 0 if head.length == NO_BODY and head.method in ("POST", "PUT", "PATCH") else head.length
        return Request(head.method, head.target, head.headers, max(length, CHUNKED))
    if isinstance(head, Response):
        return Response(head.status, head.headers, max(head.length, CHUNKED))
    return head


whole = st.integers(0, 3)
bodies = st.lists(st.sampled_from([b"a", b"b" * 100, b"c" * 16_384, b"d" * 60_000]), max_size=4)


@st.composite
def asking(draw: st.DrawFn) -> tuple[Request, list[bytes]]:
    head, _ = draw(requests())
    if head.method in ("GET", "HEAD"):
        return Request(head.method, head.target, head.headers), []
    body = draw(bodies)
    return Request(head.method, head.target, head.headers, draw(st.sampled_from([CHUNKED, sum(map(len, body))]))), body


@st.composite
def answering(draw: st.DrawFn) -> tuple[Response, list[bytes]]:
    head, _ = draw(responses())
    if head.status in (204, 304):
        return Response(head.status, head.headers), []
    body = draw(bodies)
    return Response(head.status, head.headers, draw(st.sampled_from([CHUNKED, sum(map(len, body))]))), body


steps = st.one_of(
    st.tuples(st.just("ask"), asking()),
    st.tuples(st.just("answer"), whole, answering(), st.booleans()),
    st.tuples(st.just("go_on"), st.integers(0, 1), whole, st.booleans()),
    st.tuples(st.just("carry"), st.integers(0, 1), cuts),
    st.tuples(st.just("carry"), st.integers(0, 1), cuts),
    st.tuples(st.just("reset"), st.integers(0, 1), whole),
    st.tuples(st.just("hold"), st.integers(0, 1), whole, st.booleans()),
    st.tuples(st.just("tune"), st.sampled_from([0, 1, 10_000, 200_000]), st.sampled_from([0, 4096])),
    st.tuples(st.just("ping"), st.integers(0, 1)),
)


@pytest.mark.parametrize("pair", ["h2 asks", "h2 answers", "both are ours"])
@given(script=st.lists(steps, min_size=10, max_size=60), frame=st.sampled_from([16_384, 100_000]))
def test_a_conversation_is_heard_as_it_was_said(pair: str, script: list[tuple[object, ...]], frame: int) -> None:
    talk = Conversation(
        Theirs(client=True, largest_frame=frame) if pair == "h2 asks" else Ours(client=True),
        Theirs(client=False, largest_frame=frame) if pair == "h2 answers" else Ours(client=False),
    )
    for side in (0, 1, 0, 1):
        talk.carry(side)
    for kind, *arguments in script:
        if kind == "ask":
            talk.ask(*arguments[0])  # type: ignore[misc]
        elif kind == "answer":
            which, (head, body), interim = arguments  # type: ignore[misc]
            talk.answer(which, head, body, interim)
        elif kind == "ping":
            talk.ends[arguments[0]].ping()  # type: ignore[index]
        else:
            getattr(talk, str(kind))(*arguments)
    talk.finish()
    talk.check()


# ---------------------------------------------------------------------- any byte in any place

# The faults for which h2 ends the connection and we do not: the words of h2, and why.
STRICTER = {
    "Received frame with non-compliant data": "the reserved bit of a WINDOW_UPDATE is to be ignored (section 6.9)",
    "Setting 8 has invalid value": "extended CONNECT (RFC 8441) is nothing to us",
    "in state ConnectionState.CLOSED": "behind a GOAWAY the streams that run go on (B13)",
    "StreamIDTooLowError": "late on a stream that was passed over and had DATA, which we reset",
    "may not depend on itself": "of a stream that was passed over, which we reset",
    "May not increment flow control window past": "by the first window of settings, of a stream that we reset",
    "header value surrounded by whitespace": "it is trimmed, as HTTP/1.1 has it",
    "FrameDataMissingError": "a malformed ALTSVC is a frame that we do not know",
}
NEXT = "a frame is judged once it is whole"
ONE_STREAM = "a fault of one stream, which we reset or refuse, or had reset before"


def frames_one_by_one(data: bytes) -> list[bytes]:
    """The opening, each frame by the length in its head, and the rest."""
    found, at = [data[:24]], 24
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "big") + 9
        found.append(data[at : at + size])
        at += size
    return found


def both_read(data: bytes) -> str:
    """How a connection of these bytes goes: "ours ends", "both read on", or why h2 alone
    ends it. Asserts that both read the same."""
    ours = ServerConnection()
    theirs = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=False))
    theirs.initiate_connection()
    ended: set[int] = set()  # streams that we have refused or ended
    for piece in frames_one_by_one(data):
        try:
            came = ours.receive(piece)
        except PeerError:
            return "ours ends"
        ended |= {stream for stream, event in came if isinstance(event, Reset | Refused)}
        content = [(stream, plain(event)) for stream, event in came if stream not in ended]
        try:
            told = theirs.receive_data(piece)
        except h2.exceptions.ProtocolError as error:
            if ours.unfinished:
                return NEXT
            if not content and int.from_bytes(piece[5:9], "big") & 0x7FFF_FFFF in ended:
                return ONE_STREAM
            why = f"{type(error).__name__}: {error}"
            return next((words for words in STRICTER if words in why), f"h2 alone ends it, by {why}, {piece!r}")
        served = [event for event in told if getattr(event, "stream_id", 0) not in ended]
        assert content == [one for event in served for one in in_our_words(event) if not isinstance(one[1], Reset)]
    return "both read on"


def plain(event: HttpEvent) -> HttpEvent:
    return meaning(event) if isinstance(event, Request) else event


def traffic() -> bytes:
    """Bytes that a client may send: header tables, bodies, trailers, padding, a reset, a change of settings."""
    encoder = hpack.Encoder()

    def head(stream: int, *fields: Pair, end: bool = True) -> bytes:
        return head_of(stream, encoder.encode(fields), end=end)

    found = HELLO + head(1, *GET, ("accept", "a")) + head(3, *POST, ("accept", "a"), ("content-length", "5"), end=False)
    found += data(3, b"he") + window(0, 9) + data(3, b"llo", end=True) + ping() + head(5, *GET, ("accept", "a")) + reset(5)
    found += head(7, *POST, end=False) + frame(0, 9 - END_STREAM, 7, b"\2ab\0\0") + head(7, ("a", "b"))
    return found + settings((4, 100), (5, 20_000)) + window(1, 7) + head(9, *GET)


def test_a_connection_with_any_byte_anywhere_is_read_alike_by_h2_or_refused_by_us() -> None:
    base = traffic()
    assert both_read(base) == "both read on"
    found = Counter[str]()
    for at in range(24, len(base)):
        for byte in {0, 1, 4, 8, 0x7F, 0x80, 0xFF, *(base[at] ^ 1 << bit for bit in range(8))}:
            found[both_read(base[:at] + bytes((byte,)) + base[at + 1 :])] += 1
    assert set(found) <= {"ours ends", "both read on", NEXT, ONE_STREAM, *STRICTER}
    assert found["both read on"] > 500 and found["ours ends"] > 500 and found[ONE_STREAM] > 50


def test_a_connection_made_of_changed_vectors_is_read_alike_by_h2_or_refused_by_us() -> None:
    starts = [traffic(), *(vector.data for vector in vectors("wire_http2") if vector.data.startswith(PREFACE))]
    found = Counter(both_read(one) for one in mutations(starts, WORDS, 4000) if one.startswith(PREFACE))
    assert set(found) <= {"ours ends", "both read on", NEXT, ONE_STREAM, *STRICTER}
    assert found["both read on"] > 200 and found["ours ends"] > 300 and found[ONE_STREAM] > 50
