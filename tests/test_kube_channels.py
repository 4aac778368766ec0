"""Channels of both protocols: what each may carry, who pairs with whom, how a stream ends as failed."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.channels import (
    MOST_PAIRS,
    ChannelFrame,
    ChannelOpened,
    SpdyChannels,
    WebSocketChannels,
    WebSocketPorts,
    check_resize,
    failure_messages,
    requested_ports,
)
from l7gw.kube.status import failure
from l7gw.wire.errors import PeerError
from l7gw.wire.spdy import Data, GoAway
from l7gw.wire.websocket import Close, Message

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


@pytest.mark.parametrize("protocol", [V4, V5])
@pytest.mark.parametrize("first", range(256))
def test_a_client_writes_stdin_and_resize_alone(protocol: str, first: int) -> None:
    body = b'{"Width":80,"Height":24}' if first == 4 else b"x"
    message = Message(bytes((first,)) + body)
    channels = WebSocketChannels(protocol)
    if first in (0, 4):
        assert channels.up(message) == ChannelFrame("stdin" if first == 0 else "resize", first, body, False)
    else:
        with pytest.raises(PeerError) as refused:
            channels.up(message)
        assert refused.value.code == 1008


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_writes_stdout_stderr_and_error_alone(first: int) -> None:
    message = Message(bytes((first,)) + b"x")
    if first in (1, 2, 3):
        assert WebSocketChannels(V5).down(message).channel == {1: "stdout", 2: "stderr", 3: "error"}[first]
    else:
        with pytest.raises(PeerError):
            WebSocketChannels(V5).down(message)


def test_the_close_signal_is_v5s_and_ends_stdin() -> None:
    channels = WebSocketChannels(V5)
    assert channels.up(Message(b"\xff\x00")) == ChannelFrame("stdin", 0, b"", True)
    with pytest.raises(PeerError):
        channels.up(Message(b"\x00more"))
    for protocol, data in ((V4, b"\xff\x00"), (V5, b"\xff"), (V5, b"\xff\x00\x00"), (V5, b"\xff\x09")):
        with pytest.raises(PeerError):
            WebSocketChannels(protocol).up(Message(data))


@pytest.mark.parametrize("data", [b"", b'{"Width":1,"Height":2}\n', b'{"width":1,"HEIGHT":2}{"Width":3,"Height":4}'])
def test_sizes_are_taken_in_any_letters_and_number(data: bytes) -> None:
    check_resize(data)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"{}",
        b'{"Width":1}',
        b'{"Width":"1","Height":2}',
        b'{"Width":-1,"Height":2}',
        b'{"Width":70000,"Height":2}',
        b"[1,2]",
        b"[" * 2000,
        b"\xff",
    ],
)
def test_what_is_no_size_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        check_resize(data)


def test_the_older_port_forward_names_its_ports_in_the_query() -> None:
    assert requested_ports("ports=80&ports=443") == requested_ports("ports=80,443") == [80, 443]
    for bad in ("", "ports=0", "ports=65536", "ports=x", "ports=" + ",".join(["1"] * 101)):
        with pytest.raises(ValueError):
            requested_ports(bad)
    ports = WebSocketPorts([80, 443])
    assert ports.down(Message(b"\x03\xbb\x01")) == ChannelFrame("port-443-error", 3, b"\xbb\x01", False)
    assert ports.up(Message(b"\x02hi")) == ChannelFrame("port-443", 2, b"hi", False)
    for data in (b"", b"\x01x", b"\x04x"):
        with pytest.raises(PeerError):
            ports.up(Message(data))


def pair(stream: int, port: int, request: str) -> list[tuple[int, tuple[tuple[str, str], ...]]]:
    error = (("streamtype", "error"), ("port", str(port)), ("requestid", request))
    data = (("requestid", request), ("streamtype", "data"), ("port", str(port)))
    return [(stream, error), (stream + 2, data)]


def test_an_exec_opens_each_of_its_streams_once() -> None:
    channels = SpdyChannels("exec")
    for stream, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr"), (9, "resize")):
        assert channels.opened(stream, (("streamtype", kind),)) == ChannelOpened(kind, stream, None)
    for kind in ("stdout", "data", ""):
        with pytest.raises(PeerError):
            channels.opened(11, (("streamtype", kind),))


def test_a_forwarded_connection_is_a_pair_whose_data_stream_tells_the_port() -> None:
    channels = SpdyChannels("portforward")
    (first, error), (second, data) = pair(1, 8080, "0")
    assert channels.opened(first, error) == ChannelOpened("port-8080-error", 1, None)
    assert channels.opened(second, data) == ChannelOpened("port-8080", 3, 8080)
    assert channels.frame(3, True, b"hi", False) == ChannelFrame("port-8080", 3, b"hi", False)
    assert not channels.complete
    for stream in (1, 3):
        channels.frame(stream, True, b"", True)
        channels.frame(stream, False, b"", True)
    assert channels.complete
    assert channels.frame(3, True, b"late", False) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "data", "requestid": "0"},
        {"streamtype": "data", "port": "0", "requestid": "0"},
        {"streamtype": "data", "port": "65536", "requestid": "0"},
        {"streamtype": "data", "port": "٣", "requestid": "0"},
        {"streamtype": "stdin", "port": "80", "requestid": "0"},
        {"streamtype": "data", "port": "81", "requestid": "0"},
        {"streamtype": "error", "port": "80", "requestid": "0"},
        {"streamtype": "data", "port": "80", "requestid": "x" * 65},
    ],
)
def test_a_stream_that_fits_no_pair_is_refused(headers: dict[str, str]) -> None:
    channels = SpdyChannels("portforward")
    channels.opened(*pair(1, 80, "0")[0])
    with pytest.raises(PeerError):
        channels.opened(3, tuple(headers.items()))


def test_live_pairs_are_bounded_and_ended_ones_leave_nothing_behind() -> None:
    channels = SpdyChannels("portforward")
    for number in range(MOST_PAIRS):
        channels.opened(*pair(4 * number + 1, 80, str(number))[0])
    with pytest.raises(PeerError):
        channels.opened(*pair(9001, 80, "one-more")[0])
    channels = SpdyChannels("portforward")
    for number in range(100_000):
        for stream, headers in pair(4 * number + 1, 80, str(number)):
            channels.opened(stream, headers)
            channels.reset(stream)
    assert not channels.live
    assert sum(len(table) for table in (channels._pairs, channels._ports, channels._streams)) == 0


def test_a_failed_end_says_why_before_it_ends() -> None:
    status = failure("because")
    assert failure_messages(status) == [Message(b"\x03" + status), Close(1000)]
    channels = SpdyChannels("exec")
    channels.opened(1, (("streamtype", "error"),))
    channels.opened(3, (("streamtype", "stdout"),))
    assert channels.failure_frames(status) == [Data(1, status, True), Data(3, b"", True), GoAway(3)]
    ports = SpdyChannels("portforward")
    for stream, headers in pair(1, 80, "0"):
        ports.opened(stream, headers)
    text = json.loads(status)["message"].encode()
    assert ports.failure_frames(status) == [Data(1, text, True), Data(3, b"", True), GoAway(3)]


def test_an_exec_is_complete_once_its_error_stream_has_ended() -> None:
    channels = SpdyChannels("exec")
    channels.opened(1, (("streamtype", "error"),))
    assert not channels.complete
    channels.frame(1, False, b'{"status":', False)
    assert not channels.complete
    channels.frame(1, False, b'"Success"}', False)
    assert channels.complete
