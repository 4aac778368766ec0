"""A request means the same over HTTP/1.1 and HTTP/2: both serve it alike, or both answer it with a refusal."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from l7gw.wire.errors import PeerError
from l7gw.wire.events import End, Refused, Request, Reset, Response
from l7gw.wire.http1 import ServerConnection as Http1
from l7gw.wire.http1_client import ClientConnection
from l7gw.wire.semantics import DECIDING, LISTS, SINGLE, SINGLE_IN_ANSWER, UNTOLD
from tests.support.http2_reading import Pair, client, headers, server

# Fields about a connection of HTTP/1.1, which HTTP/2 does not have. Host is a field in HTTP/1.1, and `:authority` in HTTP/2.
OF_HTTP1 = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings", "te", "host"}
NAMES = sorted((SINGLE | LISTS | DECIDING | UNTOLD | {"cookie", "x-forwarded-user", "warning"}) - OF_HTTP1)
# Any character but those that end a line in HTTP/1.1, where a value with one would be another message.
ANY = [chr(byte) for byte in range(256) if byte not in b"\r\n"]
VALUES = ["0", "00", "1", "gzip", "100-continue", "Zo\xeb", "\xe8\xbf\x90", "a, b", " x", "x\t", ""]
names = st.sampled_from(NAMES) | st.text(list("abx-_!~ \0\x7f\xe9"), max_size=4)
values = st.sampled_from(VALUES) | st.text(ANY, max_size=6)
fields = st.lists(st.tuples(names, values), max_size=5)
methods = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "TRACE", "get"])
targets = st.sampled_from(["/api/v1/pods", "/a?b=c", "*", "/a#b", "/a b", "/\xe9", "//", "/" + "a" * 9_000])


def over_http1(method: str, target: str, pairs: list[Pair]) -> Request | int:
    """The request as HTTP/1.1 reads it, or the status with which it must be refused."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    connection = Http1()
    try:
        event = connection.receive(f"{method} {target} HTTP/1.1\r\nhost: gw\r\n{lines}\r\n".encode("latin-1"))[0]
    except PeerError as error:
        assert connection.answerable and connection.must_close, "a refusal is told, and the connection ends"
        return error.code
    assert isinstance(event, Request)
    return event


def over_http2(method: str, target: str, pairs: list[Pair], *, end: bool = True) -> Request | int:
    """The same over HTTP/2. Without `end` a body is to come, as HTTP/1.1 says by a length."""
    connection = server()
    pseudo = ((":method", method), (":scheme", "https"), (":authority", "gw"), (":path", target))
    ((_, event), *_) = connection.receive(headers(1, *pseudo, *pairs, end=end))
    assert connection.answerable(1), "whatever came, an answer can be given"
    assert isinstance(event, Request | Refused)
    return event if isinstance(event, Request) else event.status


@settings(max_examples=500, deadline=None)
@given(methods, targets, fields)
@example("POST", "/api/v1/pods", [("content-length", "1")])
def test_a_request_is_served_alike_over_both_https_or_answered_on_both(method: str, target: str, pairs: list[Pair]) -> None:
    old = over_http1(method, target, pairs)
    new = over_http2(method, target, pairs, end=isinstance(old, int) or old.length <= 0)
    if isinstance(old, int) or isinstance(new, int):
        assert isinstance(old, int) and isinstance(new, int) and 400 <= old < 500 and 400 <= new < 500, (old, new)
        return
    assert (old.method, old.target, old.headers) == (new.method, new.target, new.headers)
    assert max(old.length, 0) == max(new.length, 0)


@given(st.sampled_from(["user-agent", "x-forwarded-user", "kubectl-command", "tracestate"]), st.text(ANY, max_size=20))
def test_any_visible_value_of_a_field_that_decides_nothing_is_served(name: str, value: str) -> None:
    visible = all(c == "\t" or " " <= c <= "~" or c >= "\x80" for c in value)
    for came in (over_http1("GET", "/version", [(name, value)]), over_http2("GET", "/version", [(name, value)])):
        if visible:
            assert isinstance(came, Request) and (name, value.strip(" \t")) in came.headers
        else:
            assert came == 400


# ---------------------------------------------------------------------- the cluster's answers

ANSWER_NAMES = sorted((SINGLE_IN_ANSWER | LISTS | {"warning", "set-cookie", "cache-control"}) - OF_HTTP1 - {"content-length"})


def answered_over_http1(pairs: list[Pair]) -> Response | None:
    """The answer as HTTP/1.1 reads it; None where it is a 502."""
    connection = ClientConnection()
    connection.send(Request("GET", "/", (("host", "c"),)))
    connection.send(End())
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    try:
        event = connection.receive(f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{lines}\r\n".encode("latin-1"))[0]
    except PeerError:
        return None
    assert isinstance(event, Response)
    return event


def answered_over_http2(pairs: list[Pair]) -> Response | None:
    """The same over HTTP/2."""
    ((_, event), *_) = client().receive(headers(1, (":status", "200"), ("content-length", "0"), *pairs))
    assert isinstance(event, Response | Reset)
    return event if isinstance(event, Response) else None


@given(st.lists(st.tuples(st.sampled_from(ANSWER_NAMES) | names, values), max_size=4))
def test_an_answer_has_one_meaning_over_both_https_or_none(pairs: list[Pair]) -> None:
    old, new = answered_over_http1(pairs), answered_over_http2(pairs)
    assert (old is None) == (new is None)
    if old is not None and new is not None:
        assert old.headers == new.headers
        found = [name for name, _ in old.headers if name in SINGLE_IN_ANSWER | LISTS]
        assert len(found) == len(set(found)), "whoever reads the first line reads all"


@pytest.mark.parametrize("name", sorted(SINGLE_IN_ANSWER - OF_HTTP1))
def test_a_field_of_an_answer_by_which_somebody_decides_stands_once(name: str) -> None:
    for pairs in ([(name, "0"), (name, "0")], [(name, "0"), (name, "1")]):
        assert answered_over_http1(pairs) is None and answered_over_http2(pairs) is None
