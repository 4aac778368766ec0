"""Bytes that HTTP/2's binary fields can hold and HTTP/1.1's lines cannot never become a line to the cluster (threats A9, B11, B12)."""

from __future__ import annotations

import hpack
import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.support.http_callers import POD
from tests.support.raw_client import RawClient
from tests.support.scene import Scene

GOOD = {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": POD}
BAD: dict[str, list[tuple[str, str]]] = {
    "a space in the path": [(":path", "/api/v1/pods HTTP/1.1")],
    "a line end in the path": [(":path", "/api/v1/pods HTTP/1.1\r\nX: y")],
    "no path": [(":path", "")],
    "a whole URL as the path": [(":path", "https://evil/api/v1/secrets")],
    "a star": [(":path", "*")],
    "a fragment": [(":path", f"{POD}#b")],
    "bytes in the path": [(":path", "/api/\xff")],
    "a line as the method": [(":method", "GET /x HTTP/1.1")],
    "a method in small letters": [(":method", "get")],
    "a scheme with a host": [(":scheme", "https://evil/?")],
    "a user before the host": [(":authority", "user@localhost")],
    "a path behind the host": [(":authority", "localhost/a")],
    "another host": [("host", "evil")],
    "a path twice": [(":path", POD), (":path", "/api/v1/secrets")],
    "a pseudo-field that nobody knows": [(":cluster", "x")],
    "an answer's pseudo-field": [(":status", "200")],
    "a line end in a value": [("accept", "a\r\nimpersonate-user: admin")],
    "a bare LF in a value": [("accept", "a\nimpersonate-user: admin")],
    "NUL in a value": [("accept", "a\0")],
    "0x01 in a value": [("accept", "a\x01")],
    "a colon in a name": [("accept: a\r\nx", "y")],
    "a space in a name": [("x y", "z")],
    "a name in capitals": [("Accept", "a")],
    "an empty name": [("", "a")],
    "connection": [("connection", "authorization")],
    "keep-alive": [("keep-alive", "1")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "upgrade": [("upgrade", "websocket")],
    "te": [("te", "gzip")],
    "two authorizations": [("authorization", "Bearer x"), ("authorization", "Bearer y")],
    "two content-lengths": [("content-length", "0"), ("content-length", "1")],
    "a length that is not kept": [("content-length", "5")],
    "a length with a sign": [("content-length", "+0")],
    "impersonation": [("impersonate-user", "admin")],
}


def _block(it: Scene, changed: list[tuple[str, str]]) -> bytes:
    """The fields of a good request with these changes. The values of a name that is there replace its own values."""
    names = {name for name, _ in changed}
    fields = [(name, value) for name, value in GOOD.items() if name not in names]
    fields += [one for one in changed if one[0].startswith(":")]
    if "authorization" not in names:
        fields.append(("authorization", f"Bearer {it.token}"))
    fields += [one for one in changed if not one[0].startswith(":")]
    return hpack.Encoder().encode([(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields], huffman=False)


def _outcome(it: Scene, block: bytes, *more: Frame) -> str:
    """Send a request. Returns the status of its answer, or the name of the frame that refuses it."""
    with RawClient(it.gateway, protocols=["h2"]) as client:
        frame = HeadersFrame(1, block)
        frame.flags |= {"END_HEADERS"} if more else {"END_HEADERS", "END_STREAM"}
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(one.serialize() for one in (SettingsFrame(0), frame, *more)))
        data, unpack = b"", hpack.Decoder()
        while True:
            while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
                received = client.socket.recv(65536)
                if not received:
                    return "closed"
                data += received
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))  # type: ignore[assignment]
            frame.parse_body(memoryview(data[9 : 9 + length]))
            data = data[9 + length :]
            if isinstance(frame, HeadersFrame):
                return str(dict(unpack.decode(frame.data))[":status"])
            if isinstance(frame, RstStreamFrame | GoAwayFrame):
                return type(frame).__name__
            assert isinstance(frame, SettingsFrame | PingFrame | DataFrame) or not frame.stream_id


@pytest.mark.parametrize("name", BAD)
def test_an_http2_field_that_no_http1_line_can_hold_never_goes_up(it: Scene, name: str) -> None:
    outcome = _outcome(it, _block(it, BAD[name]))
    assert outcome in ("RstStreamFrame", "GoAwayFrame", "closed") or outcome[0] == "4", outcome
    assert not it.upstream.received


def test_a_good_http2_request_goes_up_as_the_lines_of_http1(it: Scene) -> None:
    target = "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Da%0D%0Ab"
    assert _outcome(it, _block(it, [(":path", target), ("accept", "application/json"), ("te", "trailers")])) == "200"
    head = it.upstream.received.decode()
    assert head.startswith(f"GET {target} HTTP/1.1\r\n")
    assert head.lower().count("accept: ") == 1
    assert "\r\nte:" not in head.lower()
    assert head.endswith("\r\n\r\n")


@pytest.mark.parametrize("name", ["impersonate-user", "authorization", "host", "content-length", "audit-id"])
def test_trailers_never_become_fields(it: Scene, name: str) -> None:
    trailers = HeadersFrame(1, hpack.Encoder().encode([(name, "7")]))
    trailers.flags |= {"END_HEADERS", "END_STREAM"}
    path = "/api/v1/namespaces/default/pods"
    block = _block(it, [(":method", "POST"), (":path", path), ("content-type", "application/json")])
    outcome = _outcome(it, block, DataFrame(1, b"{}"), trailers)
    sent = it.upstream.received.lower()
    assert outcome == "200" or not sent, outcome
    assert f"{name}: 7\r\n".encode() not in sent
