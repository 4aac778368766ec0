"""Frames of tunnels go the short ways of the product and, beside it, one by one (`tests/support/plain_frames.py`): what both sides
get, what is recorded, what is found, and when held bytes are due, are the same after every read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from l7gw.gateway.tunnel_spdy import SpdyInWebSocket, SpdyTunnel
from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.channels import EXEC_STREAMS, WebSocketChannels, WebSocketPorts
from l7gw.kube.streams import SpdyChannels
from l7gw.masking.bodies.streams import StreamRules
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.recording.call_record import CallRecord
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.spdy_events import SynReply, SynStream
from l7gw.wire.spdy_frames import GOAWAY, RST_STREAM, TWO_WORDS, control_bytes
from l7gw.wire.spdy_frames import PING as SPDY_PING
from l7gw.wire.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, frame_bytes
from tests.support.plain_frames import (
    Driven,
    PlainRecord,
    PlainSpdy,
    PlainSpdyInWebSocket,
    PlainSpdyTunnel,
    PlainWebSocketTunnel,
)
from tests.support.spdy_peer import TalkingConnection

pytestmark = pytest.mark.interpreted  # the plain side inherits from the product's classes
KEY = b"k" * 32
VALUES = (b'hunter2!Xy/z+"1', b"S3cr3t-Value-9")
REGISTRY = Registry(KEY, lambda: 0.0)
for _value in VALUES:
    REGISTRY.register("c", "n", _value)
SCANNER = Scanners(BUILT_IN).default
WORDS = (
    *VALUES, b"hun", b"ter2!Xy", b"S3cr3t-", b"Value-9", b"aHVudGVyMiFYeS96KyIx", b"%68%75nter2%21", b"ghp_16C7e42F292c6912E7710c",
    b"838347Ae178B4a", b"password=", b"Tr0ub4dor", b"Authorization: Bearer ", b"\x1b[0m", b"\x82\x40\x01", b"plain text\n", b" ", b"\n",
    b"l7gw-masked-registry-0123abcd", b"x" * 130,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)


def framed(opcode: int, data: bytes, masked: bool) -> bytes:
    """A frame, with the same mask each time."""
    whole = frame_bytes(opcode, data, False)
    if not masked:
        return whole
    head = len(whole) - len(data)
    return whole[:1] + bytes((0x80 | whole[1],)) + whole[2:head] + b"\x0f\x1e\x2d\x3c" + apply_mask(data, b"\x0f\x1e\x2d\x3c")


def fragment(first: int, data: bytes, masked: bool) -> bytes:
    return bytes((first,)) + framed(BINARY, data, masked)[1:]


@st.composite
def frames(draw: st.DrawFn, *, masked: bool, channels: tuple[int, ...]) -> bytes:
    """Some frames of one side, nearly all of them binary messages of a channel."""
    channel = bytes((draw(st.sampled_from(channels)),))
    kind = draw(st.sampled_from(["run"] * 12 + ["large", "empty", "text", "fragments", "ping", "pong", "odd", "close", "broken"]))
    if kind == "run":
        return b"".join(framed(BINARY, channel + text, masked) for text in draw(st.lists(TEXTS, min_size=1, max_size=6)))
    text = draw(TEXTS)
    match kind:
        case "large":
            return framed(BINARY, channel + text + b"y" * draw(st.sampled_from([125, 4096, 65535])), masked)
        case "empty":
            return framed(BINARY, draw(st.sampled_from([b"", channel])), masked)
        case "text":
            return framed(TEXT, channel + b"words", masked)
        case "fragments":
            return fragment(BINARY, channel + text, masked) + framed(PING, b"p", masked) + fragment(0x80, text, masked)
        case "ping":
            return framed(PING, b"p", masked)
        case "pong":
            return framed(PONG, b"", masked)
        case "odd":
            return framed(BINARY, bytes((draw(st.integers(0, 255)),)) + text, masked)
        case "close":
            return framed(CLOSE, draw(st.sampled_from([b"", b"\x03\xe8"])), masked)
    return draw(st.sampled_from([b"\xc2\x01", b"\x82\x7e\x00\x05", b"\x82\xfe\x00\x05", b"\x82\x7f" + b"\0" * 8, b"\x82\x01"[:1]]))


@st.composite
def steps(draw: st.DrawFn, *, up: tuple[int, ...], down: tuple[int, ...]) -> list[tuple[str, Any]]:
    """Reads of both sides, cut anywhere, and times between them."""
    found: list[tuple[str, Any]] = []
    for side in draw(st.lists(st.sampled_from(["cluster", "cluster", "cluster", "client", "wait"]), min_size=1, max_size=8)):
        if side == "wait":
            found.append(("wait", draw(st.sampled_from([0.0005, 0.01, 0.03, 1.1]))))
            continue
        masked = side == "client"
        data = b"".join(draw(st.lists(frames(masked=masked, channels=up if masked else down), min_size=1, max_size=5)))
        cuts = draw(st.lists(st.integers(0, len(data)), max_size=4))
        found += [(side, data[a:b]) for a, b in itertools.pairwise(sorted({0, len(data), *cuts}))]
    return [*found, (draw(st.sampled_from(["client-ended", "cluster-ended"])), None)]


@contextmanager
def masks_in_order() -> Iterator[None]:
    """The masks of the frames that go up are the same each time."""
    numbers = itertools.count(1)
    with mock.patch("os.urandom", lambda size: bytes(next(numbers) * 41 % 251 for _ in range(size))):
        yield


def driven(
    make: Callable[..., Any], record: type[CallRecord], tty: bool, obligations: Obligations, todo: list[tuple[str, Any]]
) -> list[dict[str, Any]]:
    """What stands after each step."""
    rules = StreamRules(
        tagger=Tagger(KEY, "c", "n"), scanner=SCANNER, registry=REGISTRY, obligations=obligations, sender="ann", tty=tty
    )
    with masks_in_order():
        it = Driven(make, record, rules, obligations)
        states = []
        for step in todo:
            it.does(step)
            states.append({name: list(one) if isinstance(one, list) else one for name, one in it.state.items()})
    return states


RULES = st.sampled_from([NO_OBLIGATIONS, NO_OBLIGATIONS, Obligations(ends_on_mask=True)])


@given(steps(up=(0, 0, 4, 255), down=(1, 1, 2, 3)), st.booleans(), RULES)
def test_an_exec_over_websocket_is_what_it_is_frame_by_frame(
    todo: list[tuple[str, Any]], tty: bool, obligations: Obligations
) -> None:
    asked = EXEC_STREAMS if tty else EXEC_STREAMS - {"resize"}

    def channels() -> WebSocketChannels:
        return WebSocketChannels("v5.channel.k8s.io", asked)

    quick = driven(lambda sides: WebSocketTunnel(sides, channels()), CallRecord, tty, obligations, todo)
    plain = driven(lambda sides: PlainWebSocketTunnel(sides, channels()), PlainRecord, tty, obligations, todo)
    assert quick == plain


@given(steps(up=(0, 2), down=(0, 0, 1, 2)))
def test_a_port_forward_over_websocket_is_what_it_is_frame_by_frame(todo: list[tuple[str, Any]]) -> None:
    told = [framed(BINARY, bytes((number,)) + port.to_bytes(2, "little"), False) for number, port in enumerate((80, 80, 443, 443))]
    todo = [("cluster", b"".join(told[:3])), *todo]
    quick = driven(lambda sides: WebSocketTunnel(sides, WebSocketPorts([80, 443])), CallRecord, False, NO_OBLIGATIONS, todo)
    plain = driven(lambda sides: PlainWebSocketTunnel(sides, WebSocketPorts([80, 443])), PlainRecord, False, NO_OBLIGATIONS, todo)
    assert quick == plain


# ---------------------------------------------------------------------- SPDY, plain and in WebSocket messages


STATUS = b'{"status": "Success"}'


@st.composite
def spdy_frames(draw: st.DrawFn, *, streams: tuple[int, ...]) -> bytes:
    """Some frames of one side, nearly all of them DATA."""
    stream = draw(st.sampled_from(streams))
    kind = draw(st.sampled_from(["run"] * 12 + ["large", "final", "reset", "ping", "goaway", "status", "unknown", "broken"]))
    match kind:
        case "run":
            return b"".join(TWO_WORDS.pack(stream, len(text)) + text for text in draw(st.lists(TEXTS, min_size=1, max_size=6)))
        case "large":
            text = draw(TEXTS) + b"y" * draw(st.sampled_from([300, 4096, 40_000]))
            return TWO_WORDS.pack(stream, len(text)) + text
        case "final":
            text = draw(TEXTS)
            return TWO_WORDS.pack(stream, 1 << 24 | len(text)) + text
        case "reset":
            return control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, 5))
        case "ping":
            return control_bytes(SPDY_PING, 0, b"\0\0\0\1")
        case "goaway":
            return control_bytes(GOAWAY, 0, TWO_WORDS.pack(0, 0))
        case "status":
            return TWO_WORDS.pack(1, len(STATUS)) + STATUS
        case "unknown":
            return TWO_WORDS.pack(31, 2) + b"hi"
    return draw(st.sampled_from([TWO_WORDS.pack(5, 2 << 24 | 1) + b"x", TWO_WORDS.pack(0, 1) + b"x", b"\x80\x02" + b"\0" * 8]))


def opened(streams: dict[int, tuple[tuple[str, str], ...]]) -> tuple[bytes, bytes]:
    """The bytes by which the client opens streams, and those by which the cluster accepts them."""
    client, cluster = TalkingConnection("client"), TalkingConnection("server")
    for number, headers in streams.items():
        client.send(SynStream(number, headers))
    up = client.take()
    cluster.receive(up)
    for number in streams:
        cluster.send(SynReply(number))
    return up, cluster.take()


@st.composite
def spdy_steps(
    draw: st.DrawFn, streams: dict[int, tuple[tuple[str, str], ...]], *, up: tuple[int, ...], wrapped: bool
) -> list[tuple[str, Any]]:
    """As `steps`. `wrapped`: the bytes come in WebSocket messages, that are cut anywhere too."""

    def messages(data: bytes, masked: bool) -> bytes:
        if not wrapped:
            return data
        cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=3))})
        return b"".join(framed(BINARY, data[a:b], masked) for a, b in itertools.pairwise(cuts))

    client, cluster = opened(streams)
    found: list[tuple[str, Any]] = [("client", messages(client, True)), ("cluster", messages(cluster, False))]
    for side in draw(st.lists(st.sampled_from(["cluster", "cluster", "cluster", "client", "wait"]), min_size=1, max_size=8)):
        if side == "wait":
            found.append(("wait", draw(st.sampled_from([0.0005, 0.01, 0.03, 1.1]))))
            continue
        numbers = up if side == "client" else tuple(number for number in streams if number not in up or number > 10)
        data = messages(b"".join(draw(st.lists(spdy_frames(streams=numbers), min_size=1, max_size=5))), side == "client")
        cuts = draw(st.lists(st.integers(0, len(data)), max_size=4))
        found += [(side, data[a:b]) for a, b in itertools.pairwise(sorted({0, len(data), *cuts}))]
    return [*found, (draw(st.sampled_from(["client-ended", "cluster-ended"])), None)]


EXEC = {
    number: (("streamtype", name),)
    for number, name in zip(range(1, 11, 2), ("error", "stdin", "stdout", "stderr", "resize"), strict=True)
}
PORTS = {
    number: (
        ("streamtype", "error" if number % 4 == 1 else "data"),
        ("port", "80" if number < 15 else "443"),
        ("requestid", str(number // 4)),
    )
    for number in range(13, 21, 2)
}


def spdy_states(streams: dict[int, Any], wrapped: bool, tty: bool, obligations: Obligations, todo: list[tuple[str, Any]]) -> None:
    asked = EXEC_STREAMS if streams is EXEC else None
    leg, plain_leg = (SpdyInWebSocket, PlainSpdyInWebSocket) if wrapped else (Spdy, PlainSpdy)
    with_masks = tty, obligations, todo
    quick = driven(lambda sides: SpdyTunnel(sides, SpdyChannels(asked), leg("server"), leg("client")), CallRecord, *with_masks)
    plain = driven(
        lambda sides: PlainSpdyTunnel(sides, SpdyChannels(asked), plain_leg("server"), plain_leg("client")),
        PlainRecord,
        *with_masks,
    )
    assert quick == plain


@given(spdy_steps(EXEC, up=(3, 3, 9), wrapped=False), st.booleans(), RULES)
def test_an_exec_over_spdy_is_what_it_is_frame_by_frame(todo: list[tuple[str, Any]], tty: bool, obligations: Obligations) -> None:
    spdy_states(EXEC, False, tty, obligations, todo)


@given(spdy_steps(EXEC, up=(3, 3, 9), wrapped=True))
def test_an_exec_over_spdy_in_websocket_is_what_it_is_frame_by_frame(todo: list[tuple[str, Any]]) -> None:
    spdy_states(EXEC, True, False, NO_OBLIGATIONS, todo)


@given(spdy_steps(PORTS, up=(15, 19), wrapped=False))
def test_a_port_forward_over_spdy_is_what_it_is_frame_by_frame(todo: list[tuple[str, Any]]) -> None:
    spdy_states(PORTS, False, False, NO_OBLIGATIONS, todo)
