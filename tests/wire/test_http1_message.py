"""HTTP/1.1 messages: threats A1 to A10, and every limit exactly and with one more."""

from __future__ import annotations

import itertools
import random

import pytest

from l7gw.wire import http1_message, semantics
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import NO_BODY, End, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection
from tests.fuzz.wire_http1 import served
from tests.support.http1_reading import padded, refusal, request

# ---------------------------------------------------------------------- heads


def test_headers_come_in_order_in_lower_case_and_trimmed() -> None:
    (came, _) = ServerConnection().receive(
        b"GET /a?b=%0D HTTP/1.1\r\nHost: gw:6443\r\nX_y:\t a  b \t\r\nACCEPT: 1\r\nAccept:\r\n\r\n"
    )
    assert came == Request("GET", "/a?b=%0D", (("host", "gw:6443"), ("x_y", "a  b"), ("accept", "1")))


@pytest.mark.parametrize("name", sorted(http1_message.SINGLE))
def test_a_field_that_says_one_thing_stands_once(name: str) -> None:
    value = {"host": "gw", "content-length": "0", "upgrade": "websocket"}.get(name, "x")
    line = f"{name}: {value}\r\n" * 2
    with pytest.raises(PeerError) as refused:
        ServerConnection().receive(
            f"POST /a HTTP/1.1\r\n{'' if name == 'host' else 'Host: gw'}\r\n{line}\r\n".replace("1.1\r\n\r\n", "1.1\r\n").encode()
        )
    assert refused.value.code == 400 and name in refused.value.reason


@pytest.mark.parametrize("name", sorted(semantics.LISTS - semantics.UNTOLD))
def test_several_lines_of_a_list_become_one(name: str) -> None:
    lines = f"{name}: 1\r\nX: y\r\n{name}:\r\n{name}: 2, 3\r\n"
    (came, _) = ServerConnection().receive(f"GET /a HTTP/1.1\r\nHost: gw\r\n{lines}\r\n".encode())
    assert isinstance(came, Request) and came.headers == (("host", "gw"), (name, "1, 2, 3"), ("x", "y"))


@pytest.mark.parametrize("name", ["impersonate-group", "cookie"])
def test_fields_that_are_no_lists_stay_separate_lines(name: str) -> None:
    (came, _) = ServerConnection().receive(f"GET /a HTTP/1.1\r\nHost: gw\r\n{name}: 1\r\n{name}: 2\r\n\r\n".encode())
    assert isinstance(came, Request) and came.headers == (("host", "gw"), (name, "1"), (name, "2"))


@pytest.mark.parametrize("name", sorted(semantics.DECIDING))
def test_a_field_that_decides_is_ascii(name: str) -> None:
    head = f"GET /a HTTP/1.1\r\nHost: gw\r\n{name}: x\xe9\r\n\r\n"
    assert refusal(head.encode("latin-1")) == 400


def test_fields_by_which_nobody_decides_hold_any_letters() -> None:
    tool = "运维工具/v1.32".encode()
    (came, _) = ServerConnection().receive(b"GET /a HTTP/1.1\r\nHost: gw\r\nUser-Agent: " + tool + b" \r\n\r\n")
    assert isinstance(came, Request) and came.headers == (("host", "gw"), ("user-agent", tool.decode("latin-1")))


def test_connection_may_name_each_option_that_is_allowed() -> None:
    data = b"GET /a HTTP/1.1\r\nHost: gw\r\nConnection: keep-alive, ,Upgrade ,\tCLOSE\r\nUpgrade: websocket\r\n\r\n"
    assert served([data], 403)[0] == [Request("GET", "/a", (("host", "gw"),), NO_BODY, False, "websocket"), End()]


def test_several_connection_lines_are_one_list() -> None:
    (came, _) = ServerConnection().receive(b"GET /a HTTP/1.1\r\nHost: gw\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
    assert isinstance(came, Request) and not came.keep_alive
    assert refusal(b"GET /a HTTP/1.1\r\nHost: gw\r\nConnection: Authorization\r\nConnection: close\r\n\r\n") == 400


def test_an_expectation_without_a_body_is_no_expectation() -> None:
    (came, _) = ServerConnection().receive(b"POST /a HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\n\r\n")
    assert isinstance(came, Request) and not came.expects_continue


# ---------------------------------------------------------------------- threats A1 to A4: framing and lines


def test_a_length_and_a_coding_never_stand_together() -> None:
    lengths = ["", "Content-Length: 5\r\n", "Content-Length: 0\r\n"]
    codings = ["", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n"]
    for version, length, coding in itertools.product(("1.0", "1.1"), lengths, codings):
        for fields in (length + coding, coding + length):
            data = f"POST /a HTTP/{version}\r\nHost: gw\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n".encode()
            events, code, _ = served([data])
            taken = coding == "" or (coding == codings[1] and version == "1.1" and not length)
            # Behind a body of the accepted length stand bytes that are no request, so there is a refusal too, but of those bytes.
            assert isinstance(events[0] if events else None, Request) == taken or code == 400, fields
            if coding and not taken:
                assert (events, code) == ([], 400), fields


@pytest.mark.parametrize("seed", range(3))
def test_a_length_is_a_plain_decimal_number_or_nothing(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(300):
        number = dice.choice([0, 1, 7, 10, 1234, 10**17])
        text = dice.choice(["{}", "0{}", "+{}", "-{}", "{}, {}", "{};", "0x{:x}", "{:_}", "{}.0", "{}e0", '"{}"', "{}\x0c", "{},"])
        spelled = text.format(number, number)
        data = f"POST /a HTTP/1.1\r\nHost: gw\r\nContent-Length: {spelled}\r\n\r\n".encode()
        connection = ServerConnection()
        if spelled == str(number):
            (came, *_) = connection.receive(data)
            assert isinstance(came, Request) and came.length == number
        else:
            with pytest.raises(PeerError):
                connection.receive(data)


def _read_simply(data: bytes) -> tuple[str, list[tuple[str, str]]] | None:
    """A second reader, of a GET without a body. Gives target and headers, None for a request that must be refused."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    visible = {chr(byte) for byte in range(0x21, 0x7F)}
    above = {chr(byte) for byte in range(0x80, 0x100)}  # allowed in a header by which nobody decides
    first, *rest = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if not data.endswith(b"\r\n\r\n") or len(words) != 3 or words[0] != "GET" or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        return None
    if not words[1].startswith("/") or not set(words[1]) <= visible - {"#"}:
        return None
    pairs = []
    for line in rest:
        name, colon, value = line.partition(":")
        if (
            not colon
            or not name
            or not set(name) <= set(letters + "!#$%&'*+-.^_`|~")
            or not set(value) <= visible | above | {"\t", " "}
        ):
            return None
        pairs.append((name.lower(), value.strip(" \t")))
    hosts = [value for name, value in pairs if name == "host"]
    host, colon, port = hosts[0].partition(":") if len(hosts) == 1 else ("", "", "")
    if not host or not set(host) <= set(letters + "-._") or (colon and not port.isdigit()):
        return None
    return words[1], pairs


def test_any_byte_anywhere_in_a_head_is_read_as_a_simple_reader_does_or_refused() -> None:
    head = b"GET /a HTTP/1.1\r\nHost: gw\r\nX: yz\r\n\r\n"
    taken = 0
    for at, byte in itertools.product(range(len(head)), range(256)):
        for data in (head[:at] + bytes((byte,)) + head[at:], head[:at] + bytes((byte,)) + head[at + 1 :]):
            simple = _read_simply(data)
            events, code, _ = served([data])
            if simple is None:
                assert code in (400, 405, 505) or (not events and b"\r\n\r\n" not in data), data
            else:
                came = events[0]
                assert isinstance(came, Request) and code == 0
                assert (came.target, list(came.headers)) == simple, data
                taken += 1
    assert taken > 1000


@pytest.mark.parametrize(
    "start",
    [b"\n", b"\r\n", b" ", b"\0", b"\x16\x03\x01", b"(", b"GET /a HTTP/1.1\n", b"GET /a\rX", b"GET /a HTTP/1.1\r\nHost: a\n"],
)
def test_a_beginning_that_can_never_become_a_head_is_refused_before_its_end(start: bytes) -> None:
    assert refusal(start) == 400


# ---------------------------------------------------------------------- threats A5, A6: limits, exactly and one more


@pytest.mark.parametrize("client", [False, True])
def test_a_head_may_have_64_kib_and_no_byte_more(client: bool) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" if client else b"GET /a HTTP/1.1\r\nHost: gw\r\n"
    whole = padded(start, semantics.LARGEST_HEAD)
    assert len(whole) == semantics.LARGEST_HEAD
    assert refusal(whole, client=client) == 0
    assert refusal(padded(start, semantics.LARGEST_HEAD + 1), client=client) == (502 if client else 431)
    endless = (start + b"x: " + b"v" * semantics.LARGEST_HEAD)[: semantics.LARGEST_HEAD]
    assert refusal(endless[:-1], client=client) == 0
    assert refusal(endless, client=client) == (502 if client else 431)


@pytest.mark.parametrize("client", [False, True])
def test_a_head_may_have_a_hundred_fields_and_no_more(client: bool) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" if client else b"GET /a HTTP/1.1\r\nHost: gw\r\n"
    assert refusal(start + b"x: y\r\n" * (semantics.MOST_FIELDS - 1) + b"\r\n", client=client) == 0
    assert refusal(start + b"x: y\r\n" * semantics.MOST_FIELDS + b"\r\n", client=client) == (502 if client else 431)


def test_a_target_may_have_32_kib_and_no_byte_more() -> None:
    for more, code in ((0, 0), (1, 414)):
        target = b"/" + b"a" * (semantics.LONGEST_TARGET - 1 + more)
        assert refusal(b"GET " + target + b" HTTP/1.1\r\nHost: gw\r\n\r\n") == code


# ---------------------------------------------------------------------- what is written


@pytest.mark.parametrize("name", sorted(http1_message.UNTOLD))
def test_framing_is_written_by_the_codec_alone(name: str) -> None:
    with pytest.raises(OurError):
        request().send(Response(200, ((name, "x"),), 0))


@pytest.mark.parametrize("header", [("a", "b\r\nc: d"), ("a", "b\nc"), ("a\r\nb", "c"), ("a", "\0"), ("a", "b\r"), ("a", "\u20ac")])
def test_a_header_that_would_end_its_line_is_never_written(header: tuple[str, str]) -> None:
    for connection, event in (
        (request(), Response(200, (header,), 0)),
        (ClientConnection(), Request("GET", "/", (header,))),
    ):
        with pytest.raises(OurError):
            connection.send(event)
        assert connection.take() == b""
    with pytest.raises(OurError):
        ClientConnection().send(Request("GET", "/ HTTP/1.1\r\nx: y", ()))
