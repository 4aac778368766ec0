"""HTTP/2's field sections: what a request and an answer must say (threats A7 to A9, B10 to B12), and how ours are written."""

from __future__ import annotations

import hpack
import pytest

from l7gw.wire import http2_fields, http2_hpack, semantics
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Informational, Request, Response
from l7gw.wire.http2_fields import OF_A_CONNECTION
from l7gw.wire.http2_hpack import BlockReader, Fields, write_block
from tests.support.http2_reading import (
    GET,
    HOST,
    OK,
    POST,
    Pair,
    block,
    client,
    data,
    get,
    head_of,
    headers,
    literal,
    server,
    shown,
)


def read(*blocks: str | bytes) -> list[Fields]:
    """The fields that one reader finds in these blocks, one after the other."""
    reader: BlockReader[None] = BlockReader()
    return [reader.read(bytes.fromhex(one) if isinstance(one, str) else one) for one in blocks]


# ---------------------------------------------------------------------- a request's fields

NAME_BYTES = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("role", ["request", "trailers", "answer", "trailers of an answer"])
def test_a_name_is_a_token_in_small_letters(role: str) -> None:
    for byte in range(256):
        for name in (chr(byte), "a" + chr(byte), chr(byte) + "a", "a" + chr(byte) + "a"):
            good = set(name) <= NAME_BYTES
            assert _taken(role, (name, "b")) == good, name
    assert not _taken(role, ("", "b"))


@pytest.mark.parametrize("role", ["request", "trailers", "answer", "trailers of an answer"])
def test_a_value_is_visible_and_the_space_around_it_is_none_of_it(role: str) -> None:
    for byte in range(256):
        visible = byte == 9 or 0x20 <= byte < 0x7F or byte > 0x7F
        for value in ("x" + chr(byte) + "x", chr(byte), "x" + chr(byte)):
            assert _taken(role, ("a", value)) == visible, byte
    assert _taken(role, ("a", ""))
    ((_, came), *_) = server().receive(get(1, ("a", "\t x y\xa0 \t")))
    assert isinstance(came, Request) and came.headers == (*HOST, ("a", "x y\xa0"))


@pytest.mark.parametrize("name", sorted(semantics.DECIDING - {"host"} - OF_A_CONNECTION))
def test_a_field_that_decides_is_ascii(name: str) -> None:
    assert shown(server().receive(get(1, (name, "x\xe9")))).startswith("1 refused 4")


@pytest.mark.parametrize("role", ["request", "trailers", "answer", "trailers of an answer"])
@pytest.mark.parametrize(
    "field",
    [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAA"),
        ("te", "gzip"),
        ("te", "Trailers"),
        (":unknown", "x"),
        (":", "x"),
        (":protocol", "websocket"),
    ],
)
def test_no_field_is_about_the_connection_or_one_of_http2s_own(role: str, field: Pair) -> None:
    assert not _taken(role, field)
    assert _taken(role, ("te", "trailers"))


def _taken(role: str, field: Pair) -> bool:
    """Whether a message with this field is accepted. The connection must go on in both cases."""
    if role == "request":
        ((_, event), *_) = server().receive(get(1, field))
        return isinstance(event, Request)
    if role == "trailers":
        return shown(server(headers(1, *POST, end=False)).receive(headers(1, field))) == "1 end"
    if role == "answer":
        return shown(client().receive(headers(1, *OK, field))) == "1 response 200 | 1 end"
    return shown(client(headers(1, *OK, end=False)).receive(headers(1, field))) == "1 end"


def without(name: str, *more: Pair) -> tuple[Pair, ...]:
    return (*[pair for pair in GET if pair[0] != name], *more)


MALFORMED = "1 refused 400 then reset 1"
BROKEN = "1 reset 1"  # a malformed answer is reset, without an answer to it


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        (without(":method"), MALFORMED),
        (without(":path"), MALFORMED),
        (without(":scheme"), MALFORMED),
        (without(":authority"), "1 refused 400"),
        (without(":authority", ("host", "gw")), "1 request GET /a | 1 end"),
        ((*GET, ("host", "gw")), "1 request GET /a | 1 end"),
        ((*GET, ("host", "other")), "1 refused 400"),
        ((*GET, ("host", "GW")), "1 refused 400"),
        ((*GET, ("host", "gw"), ("host", "gw")), "1 refused 400"),
        (without(":authority", (":authority", "user@gw")), "1 refused 400"),
        (without(":authority", (":authority", "")), "1 refused 400"),
        (without(":authority", (":authority", "a b")), "1 refused 400"),
        (without(":method", (":method", "")), MALFORMED),
        (without(":method", (":method", "get")), "1 refused 405"),
        (without(":method", (":method", "GET /x HTTP/1.1")), "1 refused 405"),
        (without(":method", (":method", "GET\r\n")), MALFORMED),
        (without(":method", (":method", "TRACE")), "1 refused 405"),
        (without(":method", (":method", "CONNECT")), "1 refused 405"),
        (((":method", "CONNECT"), (":authority", "gw:443")), "1 refused 405"),
        (((":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]), MALFORMED),
        (without(":scheme", (":scheme", "http")), "1 request GET /a | 1 end"),
        (without(":scheme", (":scheme", "ftp")), MALFORMED),
        (without(":scheme", (":scheme", "https://evil/?")), MALFORMED),
        (without(":path", (":path", "")), MALFORMED),
        (without(":path", (":path", "/a b")), MALFORMED),
        (without(":path", (":path", "/a\tb")), MALFORMED),
        (without(":path", (":path", "/\x80")), MALFORMED),
        (without(":path", (":path", "/a HTTP/1.1\r\nX: y")), MALFORMED),
        (without(":path", (":path", "*")), "1 refused 400"),
        (without(":path", (":path", "a")), "1 refused 400"),
        (without(":path", (":path", "https://gw/a")), "1 refused 400"),
        (without(":path", (":path", "/a#b")), "1 refused 400"),
        ((*GET, (":path", "/b")), MALFORMED),
        ((*GET, (":status", "200")), MALFORMED),
        ((GET[0], ("a", "b"), *GET[1:]), MALFORMED),
        ((*GET, ("content-length", "5")), MALFORMED),
        ((*GET, ("content-length", "+0")), "1 refused 400"),
        ((*GET, ("content-length", "00")), "1 refused 400"),
        ((*GET, ("content-length", "0, 0")), "1 refused 400"),
        ((*GET, ("content-length", "")), "1 refused 400"),
        ((*GET, ("content-length", "0"), ("content-length", "0")), "1 refused 400"),
        ((*GET, ("content-encoding", "gzip")), "1 refused 415"),
        ((*GET, ("expect", "200-maybe")), "1 refused 417"),
        ((*GET, ("cookie", "a"), ("cookie", "b")), "1 request GET /a | 1 end"),
    ],
)
def test_a_request_says_what_it_must_and_nothing_twice(fields: tuple[Pair, ...], came: str) -> None:
    assert shown(server().receive(headers(1, *fields))) == came


def test_a_target_may_have_32_kib_and_no_byte_more() -> None:
    target = "/" + "a" * (semantics.LONGEST_TARGET - 1)
    assert http2_fields.parse_request(list(without(":path", (":path", target))), end=True).target == target
    with pytest.raises(PeerError, match="exec -i") as refused:
        http2_fields.parse_request(list(without(":path", (":path", target + "a"))), end=True)
    assert refused.value.code == 414


@pytest.mark.parametrize("name", sorted(semantics.SINGLE - {"upgrade", "transfer-encoding"}))
def test_a_field_that_says_one_thing_stands_once(name: str) -> None:
    value = {"host": "gw", "content-length": "0", "expect": "100-continue"}.get(name, "x")
    for second in (value, "y"):
        assert shown(server().receive(get(1, (name, value), (name, second)))) == "1 refused 400"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_with_get_or_head_is_refused_and_an_empty_one_is_none(method: str) -> None:
    asks = ((":method", method), *GET[1:])
    assert shown(server().receive(headers(1, *asks, ("content-length", "5"), end=False))) == "1 refused 400"
    came = f"1 request {method} /a"
    assert shown(server().receive(headers(1, *asks, end=False) + data(1, b"x"))) == f"{came} | {MALFORMED}"
    assert shown(server().receive(headers(1, *asks, end=False) + data(1) + data(1, end=True))) == f"{came} | 1 end"


def test_a_request_of_100_fields_is_taken_and_one_of_more_is_not() -> None:
    most = [(f"x-{number}", "") for number in range(semantics.MOST_FIELDS)]
    assert shown(server().receive(get(1, *most))) == "1 request GET /a | 1 end"
    assert shown(server().receive(get(1, *most, ("y", "")))) == "1 refused 431"


def test_a_request_of_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    entry = literal("x", "y" * (4096 - 33), 0x40)
    spent = sum(len(name) + len(value) + 32 for name, value in GET) + 15 * 4096
    room = semantics.LARGEST_HEAD - spent - 33
    for more, came in ((0, "3 request GET /a | 3 end"), (1, "3 refused 431")):
        connection = server(head_of(1, block(*GET) + entry))
        fragment = block(*GET) + b"\xbe" * 15 + literal("a", "b" * (room + more))
        assert shown(connection.receive(head_of(3, fragment))) == came


def test_fields_about_the_connection_are_no_headers() -> None:
    fields = (("te", "trailers"), ("trailer", "x"), ("expect", "100-continue"), ("content-length", "0"), ("x", "y"), ("host", "gw"))
    ((_, came), _) = server().receive(headers(1, *POST, *fields))
    assert isinstance(came, Request) and came.headers == (("host", "gw"), ("x", "y")) and came.length == 0


# ---------------------------------------------------------------------- an answer's fields


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ([("a", "b")], BROKEN),
        ([(":status", "200"), (":status", "200")], BROKEN),
        ([("a", "b"), (":status", "200")], BROKEN),
        ([(":status", "200"), (":path", "/")], BROKEN),
        *[([(":status", status)], BROKEN) for status in ("", "20", "2000", "099", "600", "2 0", "+20", "\xb2\xb0\xb0")],
        *[([*OK, (name, "1"), (name, "1")], BROKEN) for name in sorted(semantics.SINGLE_IN_ANSWER - {"upgrade", "transfer-encoding"})],
        *[([*OK, ("content-length", length)], BROKEN) for length in ("+0", "00", "0, 0", "", "-1", "1")],
        ([(":status", "204"), ("content-length", "0")], "1 response 204 length=0 | 1 end"),
        ([(":status", "599"), ("set-cookie", "a"), ("set-cookie", "b")], "1 response 599 | 1 end"),
        ([*OK, *[("x", "")] * semantics.MOST_FIELDS], "1 response 200 | 1 end"),
        ([*OK, *[("x", "")] * (semantics.MOST_FIELDS + 1)], BROKEN),
    ],
)  # fmt: skip
def test_an_answer_says_what_it_must_and_nothing_twice(fields: list[Pair], came: str) -> None:
    assert shown(client().receive(headers(1, *fields))) == came


@pytest.mark.parametrize("length", ["1", "5"])
def test_an_interim_answer_has_no_length(length: str) -> None:
    assert shown(client().receive(headers(1, (":status", "103"), ("content-length", length), end=False))) == BROKEN


def test_the_fields_of_an_interim_answer_are_reported() -> None:
    assert client().receive(headers(1, (":status", "103"), ("link", "</a>"), end=False)) == [
        (1, Informational(103, (("link", "</a>"),)))
    ]


# ---------------------------------------------------------------------- writing


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 510, 511, 512, 513, 20_000])
def test_values_of_every_length_are_read_as_they_were_written(length: int) -> None:
    fields = ((":status", "200"), ("x-long", "v" * length), ("n" * max(length, 1) if length < 600 else "n", "\xff"))
    assert tuple(hpack.Decoder(1 << 20).decode(write_block(fields), raw=True)) == tuple(
        (name.encode(), value.encode("latin-1")) for name, value in fields
    )


def test_every_name_of_the_static_table_is_read_as_it_was_written() -> None:
    allowed = [pair for pair in http2_hpack._STATIC if pair[0] not in semantics.UNTOLD]
    fields = tuple(pair for name, value in allowed for pair in ((name, value), (name, "other")))
    assert len(fields) > 100
    assert read(write_block(fields)) == [list(fields)]


def test_nothing_that_we_write_goes_into_a_table_and_a_credential_never_may() -> None:
    for name, first in (("x", 0x00), ("accept", 0x0F), ("authorization", 0x1F), ("cookie", 0x1F), ("x-token", 0x00)):
        assert write_block(((name, "secret"),))[0] == first
    decoder = hpack.Decoder()
    decoder.decode(write_block((("x", "y"), ("accept", "z"))))
    assert not decoder.header_table.dynamic_entries


@pytest.mark.parametrize(
    "pair",
    [
        ("A", "b"),
        ("", "b"),
        ("a b", "c"),
        ("a:b", "c"),
        ("é", "c"),
        ("a\n", "c"),
        ("a", "b\nc"),
        ("a", "b\r"),
        ("a", "\0"),
        ("a", "ā"),
        *[(name, "x") for name in sorted(semantics.UNTOLD - {"content-length"})],
    ],
)
def test_a_field_that_would_be_read_as_something_else_is_our_error(pair: Pair) -> None:
    for _ in range(2):
        with pytest.raises(OurError):
            write_block((pair,))


def test_our_first_block_says_that_we_keep_no_table_and_so_does_the_next_after_the_peers_word_of_its_table() -> None:
    connection = server(get() + get(3) + get(5))
    written = []
    for stream in (1, 3, 5):
        connection.send(stream, Response(200, ()))
        written.append(connection.take()[9:])
        if stream == 3:
            connection.receive(bytes.fromhex("0000060400000000000001") + b"\0\0\0\0")
            connection.take()
    assert written == [b"\x20\x88", b"\x88", b"\x20\x88"]


def test_names_that_are_kept_are_bounded() -> None:
    for number in range(http2_hpack.MOST_NAMES + 10):
        assert read(write_block(((f"x-{number}", "a"),))) == [[(f"x-{number}", "a")]]
    assert 0 < len(http2_hpack._NAMES) <= http2_hpack.MOST_NAMES


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("POST", "/a", HOST, NO_BODY), ("content-length", "0")),
        (Request("GET", "/a", HOST, NO_BODY), None),
        (Request("DELETE", "/a", HOST, NO_BODY), None),
        (Request("POST", "/a", HOST, CHUNKED), None),
        (Request("POST", "/a", HOST, 7), ("content-length", "7")),
    ],
)
def test_a_requests_length_is_written_where_it_says_something(request_: Request, told: Pair | None) -> None:
    fields = http2_fields.request_fields(request_)
    assert fields[:4] == ((":method", request_.method), (":scheme", "https"), (":authority", "gw"), (":path", "/a"))
    assert fields[4:] == (() if told is None else (told,))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Response(200, (), 7), True),
        (Response(200, (), 0), True),
        (Response(304, (), 7), True),
        (Response(204, (), 0), False),
        (Response(200, (), CHUNKED), False),
        (Response(200, (), NO_BODY), False),
        (Informational(103), False),
    ],
)
def test_an_answers_length_is_written_where_it_says_something(answer: Response | Informational, told: bool) -> None:
    fields = http2_fields.answer_fields(answer)
    assert fields[0] == (":status", str(answer.status))
    assert fields[1:] == ((("content-length", str(answer.length)),) if told and isinstance(answer, Response) else ())
