"""Frames of tunnels go the short ways of the product and, beside it, one by one (`tests/support/plain_frames.py`): what both sides
get, what is recorded, what is found, and when held bytes are due, are the same after every read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.channels import EXEC_STREAMS, WebSocketChannels, WebSocketPorts
from l7gw.masking.bodies.streams import StreamRules
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.recording.call_record import CallRecord
from l7gw.wire.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, frame_bytes
from tests.support.plain_frames import Driven, PlainRecord, PlainWebSocketTunnel

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


def fragment(first: int, data: bytes, masked: bool) -> bytes:
    return bytes((first,)) + frame_bytes(BINARY, data, masked)[1:]


@st.composite
def frames(draw: st.DrawFn, *, masked: bool, channels: tuple[int, ...]) -> bytes:
    """Some frames of one side, nearly all of them binary messages of a channel."""
    channel = bytes((draw(st.sampled_from(channels)),))
    kind = draw(st.sampled_from(["run"] * 12 + ["large", "empty", "text", "fragments", "ping", "pong", "odd", "close", "broken"]))
    if kind == "run":
        return b"".join(frame_bytes(BINARY, channel + text, masked) for text in draw(st.lists(TEXTS, min_size=1, max_size=6)))
    text = draw(TEXTS)
    match kind:
        case "large":
            return frame_bytes(BINARY, channel + text + b"y" * draw(st.sampled_from([125, 4096, 65535])), masked)
        case "empty":
            return frame_bytes(BINARY, draw(st.sampled_from([b"", channel])), masked)
        case "text":
            return frame_bytes(TEXT, channel + b"words", masked)
        case "fragments":
            return fragment(BINARY, channel + text, masked) + frame_bytes(PING, b"p", masked) + fragment(0x80, text, masked)
        case "ping":
            return frame_bytes(PING, b"p", masked)
        case "pong":
            return frame_bytes(PONG, b"", masked)
        case "odd":
            return frame_bytes(BINARY, bytes((draw(st.integers(0, 255)),)) + text, masked)
        case "close":
            return frame_bytes(CLOSE, draw(st.sampled_from([b"", b"\x03\xe8"])), masked)
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
    with mock.patch("os.urandom", lambda size: next(numbers).to_bytes(size, "big")):
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
    told = [
        frame_bytes(BINARY, bytes((number,)) + port.to_bytes(2, "little"), False) for number, port in enumerate((80, 80, 443, 443))
    ]
    todo = [("cluster", b"".join(told[:3])), *todo]
    quick = driven(lambda sides: WebSocketTunnel(sides, WebSocketPorts([80, 443])), CallRecord, False, NO_OBLIGATIONS, todo)
    plain = driven(lambda sides: PlainWebSocketTunnel(sides, WebSocketPorts([80, 443])), PlainRecord, False, NO_OBLIGATIONS, todo)
    assert quick == plain
