"""Channels over WebSocket: which of them a call asked for, what each may carry, and how an exec ends as failed."""

from __future__ import annotations

import pytest

from l7gw.kube.channel_frames import ChannelFrame
from l7gw.kube.channels import (
    EXEC_STREAMS,
    MOST_PORTS,
    WebSocketChannels,
    WebSocketPorts,
    asked_channels,
    check_kept_back,
    requested_ports,
)
from l7gw.kube.requestinfo import describe
from l7gw.kube.status import failure
from l7gw.kube.values import port_number
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket_events import Close, Message

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


def an_exec(protocol: str = V5, asked: frozenset[str] = EXEC_STREAMS) -> WebSocketChannels:
    return WebSocketChannels(protocol, asked)


# ---------------------------------------------------------------------- channels that were asked for


@pytest.mark.parametrize("kind", ["exec", "attach"])
@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("stdin=true&stdout=true&stderr=true&tty=true", "stdin stdout stderr resize"),
        ("stdout=true&stderr=true", "stdout stderr"),
        ("stdin=0&stdout=1&stderr=FALSE&tty=false", "stdout"),
        ("stdin&stdout=&stderr=no&tty=False", "stdin stdout stderr"),  # anything but 0 and false is true
        ("std%69n=true&Stdin=true&STDOUT=true", "stdin"),
        ("x=stdin", ""),
        ("stdin=true&tty=true&stdout=true", "stdin stdout resize"),  # kubectl exec -it
    ],
)
def test_the_channels_of_a_call_are_those_that_its_query_asks_for(kind: str, query: str, asked: str) -> None:
    act = describe("POST", f"/api/v1/namespaces/d/pods/p/{kind}?command=sh&{query}", "SPDY/3.1")
    assert asked_channels(act) == {"error", *asked.split()}
    assert ("stdin" in asked_channels(act), "resize" in asked_channels(act)) == (act.stdin, act.tty)  # what policy judged


NOTHING = frozenset(("error",))


@pytest.mark.parametrize("protocol", [V4, V5])
def test_a_frame_of_a_channel_that_was_not_asked_for_does_not_pass(protocol: str) -> None:
    """Of a channel that it did not ask for, an honest client may send an empty frame, a size or
    a close signal, but no bytes of stdin."""
    channels = an_exec(protocol, NOTHING)
    for data, frame in (
        (b"\x00", ChannelFrame(channel="stdin", up=True, stream=0, data=b"", passed=False)),
        (b"\xff\x00", ChannelFrame(channel="stdin", up=True, stream=0, data=b"", final=True, passed=False)),
        (
            b'\x04{"Width":1,"Height":2}',
            ChannelFrame(channel="resize", up=True, stream=4, data=b'{"Width":1,"Height":2}', passed=False),
        ),
        (b"\xff\x04", ChannelFrame(channel="resize", up=True, stream=4, data=b"", final=True, passed=False)),
        (b"", ChannelFrame(channel="message", up=True, stream=0, data=b"", passed=False)),
    ):
        found = channels.up(Message(data))
        assert found == frame
        check_kept_back(found)
    typed = channels.up(Message(b"\x00id\n"))
    assert not typed.passed
    with pytest.raises(PeerError) as refused:
        check_kept_back(typed)
    assert refused.value.code == 1008 and "did not ask for" in str(refused.value)
    for data in (b"\x01x", b"\x02x", b"\x01"):
        assert not channels.down(Message(data)).passed
    assert channels.down(Message(b"\x03{}")).passed


# ---------------------------------------------------------------------- what a channel may carry


@pytest.mark.parametrize("protocol", [V4, V5])
@pytest.mark.parametrize("first", range(256))
def test_a_client_may_write_stdin_and_resize_alone(protocol: str, first: int) -> None:
    body = b'{"Width":80,"Height":24}' if first == 4 else b"x"
    message = Message(bytes((first,)) + body)
    channels = an_exec(protocol)
    if first in (0, 4):
        assert channels.up(message) == ChannelFrame(channel="stdin" if first == 0 else "resize", up=True, stream=first, data=body)
    else:
        with pytest.raises(PeerError) as refused:
            channels.up(message)
        assert refused.value.code == 1008


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_may_write_stdout_stderr_and_error_alone(first: int) -> None:
    message = Message(bytes((first,)) + b"x")
    if first in (1, 2, 3):
        name = {1: "stdout", 2: "stderr", 3: "error"}[first]
        assert an_exec().down(message) == ChannelFrame(channel=name, up=False, stream=first, data=b"x")
        assert an_exec().down(Message(bytes((first,)))) == ChannelFrame(channel=name, up=False, stream=first, data=b"")
    else:
        with pytest.raises(PeerError) as refused:
            an_exec().down(message)
        assert refused.value.code == 1008


@pytest.mark.parametrize("channels", [an_exec(), WebSocketPorts([8080])])
def test_a_message_without_a_channel_passes_neither_way(channels: WebSocketChannels | WebSocketPorts) -> None:
    """wsstream ignores an empty message, and kubectl would end its exec over one."""
    assert channels.up(Message(b"")) == ChannelFrame(channel="message", up=True, stream=0, data=b"", passed=False)
    assert channels.down(Message(b"")) == ChannelFrame(channel="message", up=False, stream=0, data=b"", passed=False)


def test_the_close_signal_is_v5s_and_ends_stdin() -> None:
    channels = an_exec()
    assert channels.up(Message(b"\xff\x00")) == ChannelFrame(channel="stdin", up=True, stream=0, data=b"", final=True)
    assert channels.up(Message(b"\xff\x00")) == ChannelFrame(
        channel="stdin", up=True, stream=0, data=b"", final=True
    )  # the API server does nothing for it
    assert channels.up(Message(b'\x04{"Width":1,"Height":2}')).channel == "resize"
    assert an_exec().up(Message(b"\xff\x04")) == ChannelFrame(channel="resize", up=True, stream=4, data=b"", final=True)
    assert an_exec().up(Message(b"\x00more")) == ChannelFrame(channel="stdin", up=True, stream=0, data=b"more")
    with pytest.raises(PeerError):
        channels.up(Message(b"\x00more"))
    for protocol, data in ((V4, b"\xff"), (V5, b"\xff"), (V5, b"\xff\x00\x00"), (V5, b"\xff\x05"), (V5, b"\xff\xff")):
        with pytest.raises(PeerError):
            an_exec(protocol).up(Message(data))


@pytest.mark.parametrize(
    "text", ["", "0", "00000", "65536", "99999", "000080", "8_0", "+80", "-1", " 80", "80 ", "٨٠", "²", "x", "9" * 5000]
)
def test_a_port_is_what_go_reads_as_one(text: str) -> None:
    assert port_number(text) == 0
    with pytest.raises(ValueError):
        requested_ports(f"ports={text}".replace("+", "%2B"))


def test_the_older_port_forward_names_its_ports_in_the_query() -> None:
    assert [port_number(text) for text in ("1", "080", "65535")] == [1, 80, 65535]
    for query in ("ports=80&ports=443", "ports=80,443", "x=1&ports=80%2C443", "ports=80,443&port=1"):
        assert requested_ports(query) == [80, 443]
    assert requested_ports("ports=" + ",".join(["1"] * MOST_PORTS)) == [1] * MOST_PORTS
    for bad in ("", "port=80", "ports=&ports=80", "ports=80,", "ports=" + ",".join(["1"] * (MOST_PORTS + 1))):
        with pytest.raises(ValueError):
            requested_ports(bad)


def test_channels_of_the_older_port_forward_are_its_ports_by_index() -> None:
    ports = WebSocketPorts([8080, 443])
    assert ports.down(Message(b"\x00\x90\x1f")) == ChannelFrame(
        channel="port-8080", up=False, stream=0, data=b"\x90\x1f", preamble=True
    )
    assert ports.down(Message(b"\x01\x90\x1f")) == ChannelFrame(
        channel="port-8080-error", up=False, stream=1, data=b"\x90\x1f", preamble=True
    )
    assert ports.down(Message(b"\x03\xbb\x01")) == ChannelFrame(
        channel="port-443-error", up=False, stream=3, data=b"\xbb\x01", preamble=True
    )
    assert ports.down(Message(b"\x00any")) == ChannelFrame(channel="port-8080", up=False, stream=0, data=b"any")
    assert ports.up(Message(b"\x02hi")) == ChannelFrame(channel="port-443", up=True, stream=2, data=b"hi")
    for data in (b"\x01x", b"\x03x", b"\x04x"):
        with pytest.raises(PeerError):
            ports.up(Message(data))
    with pytest.raises(PeerError):
        ports.down(Message(b"\x04\x50\x00"))


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x1f\x90", b"\x00\x90\x1f\x00", b"\x00\xbb\x01", b"\x00hello"])
def test_a_cluster_that_forwards_another_port_is_found_out(data: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        WebSocketPorts([8080, 443]).down(Message(data))
    assert refused.value.code == 1008


def test_a_tunnel_that_fails_tells_why_before_it_ends() -> None:
    status = failure("because")
    assert an_exec().failure(status) == [Message(b"\x03" + status), Close(1000)]
