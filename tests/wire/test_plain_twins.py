"""What reads heads in few steps, beside its plain twin: the same events, and the same refusals in the same words."""

from __future__ import annotations

from collections.abc import Callable

from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import example, given
from hypothesis import strategies as st

from l7gw.wire import http1, http1_message, http2, http2_fields, http2_hpack
from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import End, Request, Response
from l7gw.wire.http2_fields import Malformed
from l7gw.wire.http2_hpack import BlockReader
from l7gw.wire.http2_stream import Stream
from l7gw.wire.semantics import DECIDING, LISTS, SINGLE, SINGLE_IN_ANSWER, UNTOLD
from tests.support import plain_http1, plain_http2
from tests.support.http2_reading import headers, settings
from tests.support.plain_http2 import PlainReader


def said(read: Callable[[], object]) -> object:
    try:
        return read()
    except PeerError as error:
        return error.code, error.reason
    except (Malformed, OurError) as error:
        return str(error)


# ---------------------------------------------------------------------- HTTP/1.1

NAMES = sorted({*SINGLE, *SINGLE_IN_ANSWER, *LISTS, *UNTOLD, *DECIDING, "x", "audit-id", "warning", "cookie", "impersonate-group"})
VALUES = ["", "a", "gw:6443", "0", "5", "05", "chunked", "Chunked", "close", "keep-alive, Upgrade", "TE", "audit-id, x", "websocket",
          "SPDY/3.1", "100-continue", "gzip, br", "\xe9", "a\tb", "trailers", "\u20ac".encode().decode("latin-1")]  # fmt: skip
SPELLED = st.sampled_from(NAMES).flatmap(
    lambda name: st.sampled_from([name, name.title(), name.upper(), f" {name}", f"{name} ", ""])
)
SPACE = st.sampled_from(["", " ", "  ", "\t", " \t "])
LINE = st.one_of(
    SPELLED,
    st.builds("{}:{}{}{}".format, SPELLED, SPACE, st.sampled_from(VALUES), SPACE),
    st.sampled_from(["Host: gw", "Content-Length: 5", "Transfer-Encoding: chunked", "Connection: Upgrade", "Upgrade: websocket"]),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
REQUEST_LINES = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["GET", "HEAD", "POST", "DELETE", "CONNECT", "get", "", "G\xc9T"]),
        st.sampled_from(["/", "/a?b=c%0D", "*", "http://a/", "/a#b", "/\xe9", "/" + "a" * 32_768, ""]),
        st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.10", ""]),
    ),
    st.sampled_from(["GET /a HTTP/1.1", "POST /a HTTP/1.1", "GET  /a HTTP/1.1", "GET /a HTTP/1.1 "]),
)
STATUS_LINES = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 204 No", "HTTP/1.1 304 \xe9", "HTTP/1.1 101 S",
     "HTTP/1.1 103 Early", "HTTP/1.1 600 X", "HTTP/1.1 20 X", "HTTP/2 200", "HTTP/1.1  200", "HTTP/1.1 200 \x7f", "HTTP/1.1 200OK"]
)  # fmt: skip
END = st.sampled_from(["\r\n"] * 20 + ["\n", "\r", "\r\n "])


@st.composite
def heads(draw: st.DrawFn, first: st.SearchStrategy[str]) -> bytes:
    lines = [draw(first), *draw(st.lists(LINE, max_size=6)), *draw(st.sampled_from([[], [], [], ["x: y"] * 100]))]
    text = lines[0]
    for line in lines[1:]:
        text += draw(END) + line
    return text.encode("latin-1")


@given(heads(REQUEST_LINES))
@example(b"GET /a HTTP/1.1\r\nHost: gw\r\nUser-Agent: \xe9\r\nAccept: a\r\nX: y\r\nAccept: b")
def test_a_requests_head_over_http1_is_read_as_by_its_plain_twin(head: bytes) -> None:
    assert said(lambda: http1_message.parse_request(head)) == said(lambda: plain_http1.parse_request(head))


@given(heads(STATUS_LINES), st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from(["", "websocket"]))
def test_an_answers_head_over_http1_is_read_as_by_its_plain_twin(head: bytes, method: str, upgrade: str) -> None:
    ours = said(lambda: http1_message.parse_response(head, method, upgrade))
    assert ours == said(lambda: plain_http1.parse_response(head, method, upgrade))


SETS_OF_LINES = st.sampled_from(
    ["Host: gw", "Host: gw\r\nAccept: a\r\nUser-Agent: \xe9", "Host: gw\r\nConnection: keep-alive", "Host: gw\r\nConnection: close",
     "Host: gw\r\nContent-Length: 0", "Host: gw\r\nTE: trailers\r\nKeep-Alive: x", "Host: gw\r\nExpect: 100-continue", "X: y",
     "Host: gw\r\nUpgrade: websocket\r\nConnection: Upgrade", "Host: gw\r\nContent-Encoding: gzip", "Host: gw\r\nAccept: \xe9", ""]
)  # fmt: skip


@given(st.lists(st.tuples(REQUEST_LINES, SETS_OF_LINES), min_size=1, max_size=8))
@example(
    [
        (f"{method} {target} HTTP/{version}", lines)
        for lines in ("Host: gw", "Host: gw\r\nConnection: keep-alive")
        for method in ("GET", "POST", "HEAD", "get")
        for target in ("/a", "/b", "/\t", "/ ", "//#", "b")
        for version in ("1.1", "1.0", "1.2")
    ]
)
def test_a_connection_that_remembers_reads_each_head_as_one_that_does_not(heads: list[tuple[str, str]]) -> None:
    knowing = http1.ServerConnection(32_768)
    for line, lines in heads:
        head = f"{line}\r\n{lines}".encode("latin-1")
        expected = said(lambda head=head: plain_http1.parse_request(head))  # type: ignore[misc]
        assert said(lambda head=head: knowing._parsed(head)) == expected  # type: ignore[misc]


def test_requests_with_the_same_header_lines_share_them_and_those_that_others_frame_do_not() -> None:
    connection = http1.ServerConnection()
    came = []
    for line in ("GET /a", "GET /b", "DELETE /c", "GET /a"):
        for lines in ("Host: gw\r\nX: y", "Host: gw\r\nX: z", "Host: gw\r\nContent-Length: 0"):
            (one, _) = connection.receive(f"{line} HTTP/1.1\r\n{lines}\r\n\r\n".encode())
            assert isinstance(one, Request)
            came.append(one)
            connection.send(Response(200, (), 0))
            connection.send(End())
    for at, told in ((0, True), (1, True), (2, False)):
        alike = came[at::3]
        assert alike[0] is alike[3] and all((one.headers is alike[0].headers) is told for one in alike[1:3])


# ---------------------------------------------------------------------- HTTP/2

NAMES_2 = st.one_of(
    st.sampled_from([*NAMES, ":method", ":path", ":scheme", ":authority", ":status", ":protocol", "Accept", "a b", "", "x\xe9"]),
    st.text(st.characters(max_codepoint=255), max_size=4),
)
PAIR = st.one_of(
    st.tuples(NAMES_2, st.one_of(st.sampled_from([*VALUES, " a ", "a\0", "a\n", "GET", "200"]), st.text(st.characters(max_codepoint=255), max_size=6))),
    st.sampled_from([("x", "y" * 40_000), ("te", "trailers"), ("content-length", "5"), ("host", "gw")]),
)  # fmt: skip
MANY = st.sampled_from([[], [], [], [("x", "y")] * 101])
ASKED = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "CONNECT", "FOO", ""]), st.sampled_from(["https", "http", "ftp"]),
    st.sampled_from(["gw", "gw:6443", "g w", ""]), st.sampled_from(["/a", "/a?b", "a", "", "/a b", "/a#", "/\xe9"]),
).map(lambda it: [(":method", it[0]), (":scheme", it[1]), (":authority", it[2]), (":path", it[3])])  # fmt: skip
REQUESTS = st.tuples(st.one_of(ASKED, st.just([(":method", "GET"), (":scheme", "https"), (":authority", "gw"), (":path", "/a")])),
                     st.lists(PAIR, max_size=6), MANY).map(lambda it: [pair for part in it for pair in part])  # fmt: skip
STATUS = st.sampled_from(["200", "204", "304", "101", "103", "404", "600", "20", "\xb2\xb0\xb0", ""]).map(
    lambda s: [(":status", s)]
)
ANSWERS = st.tuples(STATUS, st.lists(PAIR, max_size=6), MANY).map(lambda it: [pair for part in it for pair in part])


@given(REQUESTS, st.booleans())
def test_a_requests_fields_over_http2_are_read_as_by_the_plain_twin(fields: list[tuple[str, str]], end: bool) -> None:
    ours = said(lambda: http2_fields.parse_request(list(fields), end=end))
    assert ours == said(lambda: plain_http2.parse_request(list(fields), end=end))


@given(ANSWERS, st.sampled_from(["GET", "HEAD"]), st.booleans())
def test_an_answers_fields_over_http2_are_read_as_by_the_plain_twin(fields: list[tuple[str, str]], method: str, end: bool) -> None:
    ours = said(lambda: http2_fields.parse_answer(list(fields), method, end=end))
    assert ours == said(lambda: plain_http2.parse_answer(list(fields), method, end=end))


ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def _text(raw: bytes, *, packed: bool) -> bytes:
    raw = ENCODER.encode(raw) if packed else raw
    size = len(raw)
    return bytes((size | packed << 7,)) + raw if size < 127 else bytes((127 | packed << 7, size - 127)) + raw


RAW = st.one_of(st.sampled_from([b"a", b"audit-id", b"0b9e1a52-7f43-4d0e-9b7b-8a0c7a1d2f11", b"v" * 200]), st.binary(max_size=12))
TEXT = st.builds(lambda raw, packed: _text(raw, packed=packed), RAW, st.booleans())
ITEM = st.one_of(
    st.integers(0x80, 0xFF).map(lambda index: bytes((index,)) + (b"\0" if index == 0xFF else b"")),
    st.sampled_from([0x40, 0x00, 0x10]).flatmap(
        lambda first: st.tuples(TEXT, TEXT).map(lambda it: bytes((first,)) + it[0] + it[1])
    ),
    st.tuples(st.sampled_from([0x41, 0x44, 0x7E, 0x7F, 0x0F, 0x1F, 0x01]), TEXT).map(
        lambda it: bytes((it[0],)) + (b"\1" if it[0] & 0x3F == 0x3F or it[0] in (0x0F, 0x1F) else b"") + it[1]
    ),
    st.sampled_from(
        [b"\x20", b"\x3f\x11", b"\x3f\xe1\x1f", b"\x3f\xe2\x1f", b"\xff\xff\xff\xff\x7f", b"\x00\x05ab", b"\x82" * 1001]
    ),
    st.binary(max_size=4),
)
BLOCKS = st.lists(st.lists(ITEM, max_size=8).map(b"".join), min_size=1, max_size=5)


@given(BLOCKS)
def test_header_blocks_are_unpacked_as_by_the_plain_twin_one_after_the_other(blocks: list[bytes]) -> None:
    reader: BlockReader[None] = BlockReader()
    plain = PlainReader()
    for block in blocks:
        expected = said(lambda block=block: plain.read(block))  # type: ignore[misc]
        assert said(lambda block=block: reader.read(block)) == expected  # type: ignore[misc]
        if isinstance(expected, tuple):
            return


LINES = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "CONNECT", "TRACE"]), st.sampled_from(["/a", "/b", "/a b", "/#", "a", "/\xe9", "/" + "a" * 40_000]),
    st.sampled_from(["gw", "gw2", "g w"]), st.sampled_from(["https", "http"]), st.booleans(), st.booleans(),
)  # fmt: skip
TOLD = st.sampled_from(
    [[("accept", "a")], [("accept", "a"), ("x", "\xe9")], [("content-length", "0")], [("content-length", "5")], [("expect", "100-continue")],
     [("te", "trailers")], [("host", "gw")], [("host", "gw2")], [("content-encoding", "gzip")], [("x", "y" * 30_000)], [(":path", "/a")],
     [("x", "y")] * 101, [("accept", "\xe9")], []]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, TOLD), min_size=1, max_size=8))
@example(
    [
        ((method, target, "gw", "https", end, False), [("accept", "a"), ("x", "\xe9")])
        for method in ("GET", "POST", "CONNECT")
        for target in ("/a", "/b", "/a b")
        for end in (True, False)
    ]
)
def test_a_connection_of_http2_that_remembers_reads_each_head_as_one_that_does_not(
    requests: list[tuple[tuple[str, str, str, str, bool, bool], list[tuple[str, str]]]],
) -> None:
    knowing = http2.ServerConnection(32_768)
    for (method, target, host, scheme, end, late), told in requests:
        pseudo = [(":authority", host), (":method", method), (":path", target), (":scheme", scheme)]
        fields = [*told, *pseudo] if late else [*pseudo, *told]
        knowing._block_ends = end
        knowing._reader.unpacked = sum(len(name) + len(value) + 32 for name, value in fields)
        expected = said(lambda fields=fields, end=end: plain_http2.parse_request(fields, end=end))  # type: ignore[misc]
        assert said(lambda fields=fields: knowing._parsed(fields, Stream(1, 1, 1))) == expected  # type: ignore[misc]


def test_requests_over_http2_with_the_same_fields_but_their_line_share_their_headers() -> None:
    for remembered in (32_768, 0):
        connection = http2.ServerConnection(remembered)
        connection.receive(frames.PREFACE + settings())
        came = []
        for number, (method, target, value) in enumerate(
            [("GET", "/a", "x"), ("GET", "/b", "x"), ("DELETE", "/b", "x"), ("GET", "/b", "y")]
        ):
            head = headers(
                2 * number + 1, (":method", method), (":path", target), (":scheme", "https"), (":authority", "gw"), ("a", value)
            )
            ((_, one), _) = connection.receive(head)
            assert isinstance(one, Request)
            came.append(one)
        first, *alike, other = came
        assert all((one.headers is first.headers) is (remembered > 0) for one in alike) and other.headers != first.headers


STATIC = st.sampled_from([(name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE])
WRITTEN = st.one_of(
    STATIC, st.tuples(NAMES_2, st.sampled_from(["", "a", "GET", "/", "200", "gzip, deflate", "\xe9", "a\r", "\n", "\0", "\u20ac", "v" * 600]))
)  # fmt: skip


@given(st.lists(WRITTEN, max_size=8).map(tuple))
def test_a_header_block_is_written_as_by_the_plain_twin(fields: tuple[tuple[str, str], ...]) -> None:
    assert said(lambda: http2_hpack.write_block(fields)) == said(lambda: plain_http2.write_block(fields))
