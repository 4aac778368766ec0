"""Every fault for which a client's stream or connection of HTTP/2 ends early: which are answered first, and which cannot be.

A stream is answered and then reset, wherever no answer has begun (RFC 9113 section 8.1.1). A connection ends with a GOAWAY where
frames, windows or the header table are no longer known, or where the client costs too much. Nobody then knows which request should
be answered. Go's client sends a request again, on a new connection and without end, when its stream was reset with PROTOCOL_ERROR.
After a GOAWAY with an error it gives up (golang.org/x/net/http2/transport.go; tests/real/test_honest_clients.py shows it).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import l7gw.wire
from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, Refused, Request, Reset, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_limits import CONTROL_A_SECOND, MOST_SETTINGS, MOST_STREAMS, RESETS
from l7gw.wire.http2_stream import MOST_EMPTY
from l7gw.wire.semantics import LARGEST_HEAD, LONGEST_TARGET, MOST_FIELDS
from tests.support.http2_reading import (
    END_HEADERS,
    GET,
    HELLO,
    PADDED,
    PRIORITIZED,
    block,
    data,
    frame,
    get,
    head_of,
    headers,
    literal,
    ping,
    post,
    reset,
    seen,
    settings,
    window,
)  # fmt: skip

MOST_WINDOW = (1 << 31) - 1
EVERY_FLOOD = [*range(1, 2 * RESETS + 20, 2)]


def without(name: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (*(pair for pair in GET if pair[0] != name), *more)


def long_head(fields: bytes, stream: int = 1) -> bytes:
    """A header block in as many frames as it needs."""
    pieces = [fields[at : at + 16384] for at in range(0, len(fields), 16384)]
    whole = head_of(stream, pieces[0], rest=True)
    for number, piece in enumerate(pieces[1:], 2):
        whole += frame(frames.CONTINUATION, END_HEADERS if number == len(pieces) else 0, stream, piece)
    return whole


# The reason, and the bytes behind a client's opening. The stream is answered with the
# status, then reset with the code (0: no reset).
ANSWERED: list[tuple[str, bytes, int, int]] = [
    ("this method is not served", headers(1, *without(":method", (":method", "TRACE"))), 405, 0),
    ("the request target is not an absolute path", headers(1, *without(":path", (":path", "*"))), 400, 0),
    (
        f"the request target is longer than {LONGEST_TARGET // 1024} KiB; pipe a long script into the command by `exec -i`",
        long_head(block(*without(":path", (":path", "/" + "a" * LONGEST_TARGET)))),
        414,
        0,
    ),
    ("Host is missing or malformed", headers(1, *without(":authority")), 400, 0),
    ("Host and :authority differ", get(1, ("host", "other")), 400, 0),
    ("a Content-Length that is no plain number", post(1, ("content-length", "+1")), 400, 0),
    ("a body with GET or HEAD", headers(1, *GET, ("content-length", "1"), end=False), 400, 0),
    ("encoded request bodies are not taken; send it plain", post(1, ("content-encoding", "gzip")), 415, 0),
    ("only 100-continue can be expected", post(1, ("expect", "x")), 417, 0),
    ("the header accept is not ASCII", get(1, ("accept", "\xe9")), 400, 0),
    ("the header user-agent stands twice", get(1, ("user-agent", "a"), ("user-agent", "b")), 400, 0),
    (
        f"more than {MOST_FIELDS} header fields, or {LARGEST_HEAD} bytes of them",
        get(1, *((f"x-{number}", "") for number in range(MOST_FIELDS + 1))),
        431,
        0,
    ),
    ("a request without method, path or scheme", headers(1, *without(":method")), 400, 1),
    ("a path with bytes that no path has", headers(1, *without(":path", (":path", "/a b"))), 400, 1),
    ("a Content-Length without a body", get(1, ("content-length", "1")), 400, 1),
    ("a field's value with a byte that none may hold", get(1, ("a", "b\0")), 400, 1),
    ("a field's name that HTTP/2 does not allow", get(1, ("te", "gzip")), 400, 1),
    ("a pseudo-field that is unknown, stands twice, or stands behind a field", get(1, (":path", "/")), 400, 1),
    ("a stream that depends on itself", frame(frames.HEADERS, PRIORITIZED | 5, 1, b"\0\0\0\1\0" + block(*GET)), 400, 1),
    ("a stream that depends on itself", get() + frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\0"), 400, 1),
    ("a PRIORITY of another size", get() + frame(frames.PRIORITY, 0, 1, b"\0"), 400, 6),
    ("a window update of nothing", get() + window(1, 0), 400, 1),
    ("a window that is too large", get() + window(1, MOST_WINDOW), 400, 3),
    ("HEADERS behind the end of a stream", get() + headers(1, ("a", "b")), 400, 5),
    ("DATA behind the end of a stream", get() + data(1, b"x"), 400, 5),
    ("trailers that do not end the stream", post() + headers(1, ("a", "b"), end=False), 400, 1),
    ("less body than was announced", post(1, ("content-length", "2")) + data(1, b"x", end=True), 400, 1),
    ("more body than was announced", post(1, ("content-length", "2")) + data(1, b"xyz"), 400, 1),
    ("the DATA frames are too small", post() + data(1) * (MOST_EMPTY + 1), 400, 11),
]
# The stream is reset without an answer, with this code.
RESET: list[tuple[str, bytes, int]] = [
    # The client may send the request again, as it was not acted upon (section 8.7). No
    # honest client opens more streams than allowed.
    ("too many streams", b"".join(get(stream) for stream in range(1, 2 * MOST_STREAMS + 2, 2)), 7),
    ("DATA on a stream that is closed", post() + reset(1) + data(1, b"x"), 5),  # no client waits for an answer
]
# The connection ends with a GOAWAY of this code.
ENDS: list[tuple[str, bytes, int]] = [
    ("a stream of a number that clients do not have", get(2), 1),
    ("HEADERS on a stream that is no more", get(5) + get(3), 1),
    ("more padding than frame", frame(frames.HEADERS, PADDED | 5, 1, b"\x09"), 1),
    ("a frame on a stream that cannot have it", data(0), 1),
    ("a frame of another size than its kind has", frame(frames.PING, 0, 0, b"x"), 6),
    ("a SETTINGS of another size than it can have", frame(frames.SETTINGS, payload=b"x"), 6),
    (f"more than {MOST_SETTINGS} settings in a frame", settings(*[(9, 1)] * (MOST_SETTINGS + 1)), 11),
    ("an ENABLE_PUSH that cannot be", settings((2, 2)), 1),
    ("a MAX_FRAME_SIZE that cannot be", settings((5, 1)), 1),
    ("a window that is too large", window(0, MOST_WINDOW), 3),
    ("a window update of nothing", window(0, 0), 1),
    ("more window updates than there was data", window(0, 1) * (CONTROL_A_SECOND + 1), 11),
    ("too many streams were reset", b"".join(post(stream) + reset(stream) for stream in EVERY_FLOOD), 11),
    (f"more than {CONTROL_A_SECOND} control frames in a second, or answers not read", ping() * (CONTROL_A_SECOND + 1), 11),
    ("a frame on a stream that was never opened", data(1, b"x"), 1),
    ("a CONTINUATION of nothing", frame(frames.CONTINUATION, END_HEADERS, 1), 1),
    ("a header block that is too large, or in too many frames", long_head(b"x" * 16384 * 6), 11),
    ("a header block that another frame cuts in two", head_of(1, b"", rest=True) + ping(), 1),
    ("a header block that cannot be unpacked", head_of(1, b"\xff\xff\x7f"), 9),
    ("a header block that unpacks to too much", head_of(1, literal("a", "b", 0x40) + b"\xbe" * 1000), 11),
    ("a number in a header block that is too long", head_of(1, b"\xff\xff\xff\xff\xff\x7f"), 9),
    ("a string that leaves its header block", head_of(1, b"\0\x7fa"), 9),
    ("a table size update that is not allowed", head_of(1, b"\x3f\xff\x7f"), 9),
    ("a HEADERS that is too short", frame(frames.HEADERS, PRIORITIZED | 5, 1, b"\0"), 6),
    ("a frame larger than we said", data(1, b"x" * 16385), 6),
    ("a GOAWAY that is too short", frame(frames.GOAWAY, payload=b"x"), 6),
    ("a push that nobody allowed", post() + frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2"), 1),
    ("DATA on a stream that is complete", get() + b"answer" + data(1, b"x"), 5),
]
OPENINGS: list[tuple[str, bytes, int]] = [
    ("a connection that does not begin as HTTP/2", b"GET / HTTP/1.1\r\n", 1),
    ("a connection begins with SETTINGS", frames.PREFACE + ping(), 1),
]
# Windows are kept open while bytes are taken. A peer that exceeds a window that is held back: see wire/test_http2_sender.py.
OF_WINDOWS = {"more than the stream's window", "more than the connection's window"}
OF_ANSWERS = {  # faults that only a cluster can commit
    "more than {} interim answers", "DATA before HEADERS", "an answer without a status", "a length on an answer that has no body",
    "an interim answer that ends, or a 101",
}  # fmt: skip


@pytest.mark.parametrize(("why", "came", "status", "code"), ANSWERED, ids=[row[0][:40] for row in ANSWERED])
def test_a_fault_of_one_stream_is_answered_before_its_reset(why: str, came: bytes, status: int, code: int) -> None:
    connection = ServerConnection()
    events = connection.receive(HELLO + came)
    told = next(event for _, event in events if isinstance(event, Refused))
    assert told == Refused(status, why, code) and connection.answerable(1)
    connection.take()
    for event in (Response(status, (), 2), Body(b"no"), End()):
        connection.send(1, event)
    written = seen(connection.take())
    assert written[0].startswith("headers 1") and (written[-1] == f"reset 1 {code}" or not code)
    if connection.streams:  # the rest of the request is read and dropped
        assert not code and connection.receive(data(1, b"x" * 5, end=True)) == []
    assert not connection.streams and not connection.over


@pytest.mark.parametrize(("why", "came", "code"), RESET, ids=[row[0] for row in RESET])
def test_a_stream_is_reset_without_an_answer_where_nobody_waits_or_everybody_may_ask_again(
    why: str, came: bytes, code: int
) -> None:
    connection = ServerConnection()
    events = connection.receive(HELLO + came)
    assert all(isinstance(event, Request | End | Reset) for _, event in events), why
    assert re.fullmatch(rf"reset [0-9]+ {code}", seen(connection.take())[-1]) and not connection.over


@pytest.mark.parametrize(("why", "came", "code"), [*ENDS, *OPENINGS], ids=[row[0][:40] for row in [*ENDS, *OPENINGS]])
def test_a_connection_ends_with_a_goaway_that_says_why(why: str, came: bytes, code: int) -> None:
    connection = ServerConnection()
    opening = b"" if (why, came, code) in OPENINGS else HELLO
    first, answer, rest = came.partition(b"answer")
    with pytest.raises(PeerError) as ended:
        connection.receive(opening + first)
        if answer:
            connection.send(1, Response(200, (), 0))
            connection.send(1, End())
            connection.receive(rest)
    assert (ended.value.code, ended.value.reason) == (code, why)
    assert seen(connection.take())[-1].startswith("goaway 0 ") and connection.over


# ---------------------------------------------------------------------- the tables are complete


def reasons(path: Path) -> Iterator[str]:
    """Every reason that a module gives to PeerError, Malformed, a reset or a refusal. Values in a reason are {}."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            yield from (_text(a) for a in node.args if name in ("PeerError", "Malformed", "_reset", "_refuse"))
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            yield from (_text(element) for element in node.value.elts)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join("{}" if isinstance(piece, ast.FormattedValue) else _text(piece) for piece in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_reason_of_the_codec_stands_in_a_table() -> None:
    folder = Path(l7gw.wire.__file__).parent
    found = {reason for path in [*folder.glob("http2*.py"), folder / "semantics.py"] for reason in reasons(path) if reason}
    assert len(found) > 50
    told = [row[0] for row in (*ANSWERED, *RESET, *ENDS, *OPENINGS)]
    missing = {
        one
        for one in found - OF_ANSWERS - OF_WINDOWS
        if not any(re.fullmatch(re.escape(one).replace(r"\{\}", ".+"), t) for t in told)
    }
    assert not missing
