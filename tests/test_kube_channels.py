"""Channels of both protocols: what each may carry, who pairs with whom, how a stream ends as failed."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.channels import (
    LARGEST_RESIZE,
    LARGEST_SIZE,
    LARGEST_STATUS,
    MOST_PAIRS,
    MOST_PORTS,
    ChannelFrame,
    ChannelOpened,
    Sizes,
    SpdyChannels,
    WebSocketChannels,
    WebSocketPorts,
    check_resize,
    port_number,
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
        assert channels.up(message) == ChannelFrame("stdin" if first == 0 else "resize", True, first, body, False)
    else:
        with pytest.raises(PeerError) as refused:
            channels.up(message)
        assert refused.value.code == 1008


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_writes_stdout_stderr_and_error_alone(first: int) -> None:
    message = Message(bytes((first,)) + b"x")
    if first in (1, 2, 3):
        name = {1: "stdout", 2: "stderr", 3: "error"}[first]
        assert WebSocketChannels(V5).down(message) == ChannelFrame(name, False, first, b"x", False)
        assert WebSocketChannels(V5).down(Message(bytes((first,)))) == ChannelFrame(name, False, first, b"", False)
    else:
        with pytest.raises(PeerError) as refused:
            WebSocketChannels(V5).down(message)
        assert refused.value.code == 1008


def test_a_message_without_a_channel_is_refused_both_ways() -> None:
    for read in (WebSocketChannels(V5).up, WebSocketChannels(V5).down):
        with pytest.raises(PeerError) as refused:
            read(Message(b""))
        assert refused.value.code == 1008


def test_the_close_signal_is_v5s_and_ends_stdin() -> None:
    channels = WebSocketChannels(V5)
    assert channels.up(Message(b"\xff\x00")) == ChannelFrame("stdin", True, 0, b"", True)
    assert channels.up(Message(b"\xff\x00")) == ChannelFrame("stdin", True, 0, b"", True)  # the API server: a noop
    assert channels.up(Message(b'\x04{"Width":1,"Height":2}')).channel == "resize"
    assert WebSocketChannels(V5).up(Message(b"\xff\x04")) == ChannelFrame("resize", True, 4, b"", True)
    assert WebSocketChannels(V5).up(Message(b"\x00more")) == ChannelFrame("stdin", True, 0, b"more", False)
    with pytest.raises(PeerError):
        channels.up(Message(b"\x00more"))
    for protocol, data in ((V4, b"\xff\x00"), (V5, b"\xff"), (V5, b"\xff\x00\x00"), (V5, b"\xff\x05"), (V5, b"\xff\xff")):
        with pytest.raises(PeerError):
            WebSocketChannels(protocol).up(Message(data))


SIZE = b'{"Width":1,"Height":2}'
SIZES = [
    b'{"Width":1,"Height":2}\n',
    b'{"width":1,"HEIGHT":2}{"Width":3,"Height":4}',
    b' {"Width" : 0 , "Height" : 65535 } \n\n{"\\u0057idth":1,"Height":2,"other":null}',
]


@pytest.mark.parametrize("data", [b"", *SIZES])
def test_sizes_are_taken_in_any_letters_and_number(data: bytes) -> None:
    check_resize(data)
    assert Sizes().feed(data) == data


@pytest.mark.parametrize("data", SIZES)
def test_a_size_is_the_same_wherever_it_is_cut(data: bytes) -> None:
    for at in range(len(data) + 1):
        sizes = Sizes()
        assert (sizes.feed(data[:at]) + sizes.feed(data[at:])).split() == data.split()
        sizes.end()
    sizes = Sizes()
    found = b"".join(sizes.feed(bytes((byte,))) for byte in data)
    sizes.end()
    assert found.count(b"}") == data.count(b"}")


def test_a_size_is_handed_on_when_it_is_whole_and_the_next_waits() -> None:
    sizes = Sizes()
    assert sizes.feed(b'{"Width":1,"Hei') == b""
    assert sizes.feed(b'ght":2}\n{"Wi') == b'{"Width":1,"Height":2}\n'
    with pytest.raises(PeerError) as refused:
        sizes.end()
    assert refused.value.code == 1008
    assert sizes.feed(b'dth":3,"Height":4}') == b'{"Width":3,"Height":4}'
    assert sizes.feed(b"\n") == b""
    sizes.end()


def test_a_resize_has_a_largest_size() -> None:
    size = b'{"Width":1,"Height":2}'
    check_resize(size + b" " * (LARGEST_RESIZE - len(size)))
    check_resize(size[:-1] + b" " * (LARGEST_SIZE - len(size)) + b"}")
    for data in (size + b" " * (LARGEST_RESIZE - len(size) + 1), size[:-1] + b" " * (LARGEST_SIZE - len(size) + 1) + b"}"):
        with pytest.raises(PeerError):
            check_resize(data)
    sizes = Sizes()
    assert sizes.feed(b"{" + b" " * (LARGEST_SIZE - 1)) == b""
    with pytest.raises(PeerError):
        sizes.feed(b" ")


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"{}",
        b'{"Width":1}',
        b'{"Width":"1","Height":2}',
        b'{"Width":-1,"Height":2}',
        b'{"Width":65536,"Height":2}',
        b'{"Width":true,"Height":2}',
        b'{"Width":1.0,"Height":2}',
        b'{"Width":99999,"width":1,"Height":2}',
        b'{"Width":1,"Width":2,"Height":2}',
        b'{"Width":1,"Height":2',
        b'{"Width":1,"Height":2}}',
        b'{"Width":1,"Height":2}x',
        b'[{"Width":1,"Height":2}]',
        '{"Width":1,"Height":2}'.encode("utf-16-le"),
        b"[1,2]",
        b"[" * 2000,
        b"\xff",
    ],
)
def test_what_is_no_size_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        check_resize(data)
    assert refused.value.code == 1008


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
    assert ports.down(Message(b"\x00\x90\x1f")) == ChannelFrame("port-8080", False, 0, b"\x90\x1f", False)
    assert ports.down(Message(b"\x01\x90\x1f")) == ChannelFrame("port-8080-error", False, 1, b"\x90\x1f", False)
    assert ports.down(Message(b"\x03\xbb\x01")) == ChannelFrame("port-443-error", False, 3, b"\xbb\x01", False)
    assert ports.down(Message(b"\x00any")) == ChannelFrame("port-8080", False, 0, b"any", False)
    assert ports.up(Message(b"\x02hi")) == ChannelFrame("port-443", True, 2, b"hi", False)
    for data in (b"", b"\x01x", b"\x03x", b"\x04x"):
        with pytest.raises(PeerError):
            ports.up(Message(data))
    for data in (b"", b"\x04\x50\x00"):
        with pytest.raises(PeerError):
            ports.down(Message(data))


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x1f\x90", b"\x00\x90\x1f\x00", b"\x00\xbb\x01", b"\x00hello"])
def test_a_cluster_that_forwards_another_port_is_found_out(data: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        WebSocketPorts([8080, 443]).down(Message(data))
    assert refused.value.code == 1008


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
    assert channels.frame(3, True, b"hi", False) == ChannelFrame("port-8080", True, 3, b"hi", False)
    assert not channels.complete
    for stream in (1, 3):
        channels.frame(stream, True, b"", True)
        channels.frame(stream, False, b"", True)
    assert channels.complete
    assert channels.frame(3, True, b"late", False) is None


WRITERS = {"stdin": True, "resize": True, "stdout": False, "stderr": False, "error": False}
STATUS = b'{"metadata":{},"status":"Success"}'


@pytest.mark.parametrize("kind", ["exec", "attach"])
@pytest.mark.parametrize(("channel", "writer"), WRITERS.items())
def test_only_the_side_that_writes_a_channel_puts_bytes_into_it(kind: str, channel: str, writer: bool) -> None:
    """Else a client could write its own output, or its own Status, into the record."""
    data = b'{"Width":1,"Height":2}' if channel == "resize" else STATUS
    channels = SpdyChannels(kind)
    channels.opened(1, (("streamtype", channel),))
    assert channels.frame(1, writer, data, False) == ChannelFrame(channel, writer, 1, data, False)
    with pytest.raises(PeerError):
        channels.frame(1, not writer, data, False)
    assert channels.frame(1, not writer, b"", True) == ChannelFrame(channel, not writer, 1, b"", True)


def test_a_client_writes_no_errors_of_a_forwarded_connection() -> None:
    channels = SpdyChannels("portforward")
    channels.opened(*pair(1, 80, "0")[0])
    assert channels.frame(1, True, b"", True) == ChannelFrame("port-80-error", True, 1, b"", True)
    with pytest.raises(PeerError):
        channels.frame(1, True, b"x", False)
    assert channels.frame(1, False, b"refused", True) == ChannelFrame("port-80-error", False, 1, b"refused", True)


def test_sizes_on_a_stream_are_checked_however_they_are_cut() -> None:
    channels = SpdyChannels("exec")
    channels.opened(1, (("streamtype", "resize"),))
    whole = ((b'{"Width":', b""), (b'1,"Height":2}\n{', b'{"Width":1,"Height":2}\n'), (b'"Width":1,"Height":2}', SIZE))
    for data, sizes in whole:
        assert channels.frame(1, True, data, False) == ChannelFrame("resize", True, 1, sizes, False)
    with pytest.raises(PeerError):
        channels.frame(1, True, b"x", False)


def test_pairs_of_clients_without_request_ids_are_told_by_their_streams() -> None:
    error, data = (("streamtype", "error"), ("port", "80")), (("streamtype", "data"), ("port", "80"))
    channels = SpdyChannels("portforward")
    for stream in (1, 5):
        assert channels.opened(stream, error) == ChannelOpened("port-80-error", stream, None)
        assert channels.opened(stream + 2, data) == ChannelOpened("port-80", stream + 2, 80)
    assert len(channels._pairs) == 2
    with pytest.raises(PeerError):  # the kubelet takes stream 5 for the pair "5"
        channels.opened(9, (("streamtype", "data"), ("port", "80"), ("requestid", "5")))


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "data", "requestid": "0"},
        {"streamtype": "data", "port": "0", "requestid": "0"},
        {"streamtype": "data", "port": "65536", "requestid": "0"},
        {"streamtype": "data", "port": "0" * 5000 + "80", "requestid": "0"},
        {"streamtype": "data", "port": "8_0", "requestid": "0"},
        {"port": "80", "requestid": "0"},
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


def test_live_pairs_are_bounded() -> None:
    channels = SpdyChannels("portforward")
    for number in range(MOST_PAIRS):
        channels.opened(*pair(4 * number + 1, 80, str(number))[0])
    channels.opened(*pair(1, 80, "0")[1])  # the second of a pair is no pair more
    with pytest.raises(PeerError) as refused:
        channels.opened(*pair(9001, 80, "one-more")[0])
    assert refused.value.code == 1  # PROTOCOL_ERROR
    SpdyChannels("portforward").opened(*pair(1, 80, "x" * 64)[0])


@pytest.mark.parametrize("ended_by", ["reset", "fins"])
def test_a_hundred_thousand_connections_leave_nothing_behind(ended_by: str) -> None:
    channels = SpdyChannels("portforward")
    for number in range(100_000):
        for stream, headers in pair(4 * number + 1, 80, str(number)):
            channels.opened(stream, headers)
            if ended_by == "reset":
                channels.reset(stream)
            else:
                channels.frame(stream, True, b"", True)
                channels.frame(stream, False, b"", True)
    assert not channels.live
    assert sum(len(table) for table in (channels._pairs, channels._streams, channels._used)) == 0


def test_a_failed_end_says_why_before_it_ends() -> None:
    status = failure("because")
    assert WebSocketChannels(V5).failure(status) == [Message(b"\x03" + status), Close(1000)]
    channels = SpdyChannels("exec")
    channels.opened(1, (("streamtype", "error"),))
    channels.opened(3, (("streamtype", "stdout"),))
    channels.opened(5, (("streamtype", "stderr"),))
    channels.opened(7, (("streamtype", "stdin"),))
    channels.frame(5, False, b"", True)
    channels.reset(7)
    assert channels.failure_frames(status) == [Data(1, status, True), Data(3, b"", True), GoAway(5)]
    assert SpdyChannels("exec").failure_frames(status) == [GoAway(0)]
    ports = SpdyChannels("portforward")
    for stream, headers in pair(1, 80, "0"):
        ports.opened(stream, headers)
    text = json.loads(status)["message"].encode()
    assert ports.failure_frames(status) == [Data(1, text, True), Data(3, b"", True), GoAway(3)]


def exec_with_errors() -> SpdyChannels:
    channels = SpdyChannels("exec")
    channels.opened(1, (("streamtype", "error"),))
    return channels


def test_an_exec_is_complete_once_its_status_is_whole_however_it_is_cut() -> None:
    for at in range(len(STATUS)):
        channels = exec_with_errors()
        channels.frame(1, False, STATUS[:at], False)
        assert not channels.complete
        channels.frame(1, False, STATUS[at:] + b"\n", False)
        assert channels.complete


def test_a_command_that_prints_a_status_does_not_complete_its_exec() -> None:
    channels = exec_with_errors()
    channels.opened(3, (("streamtype", "stdout"),))
    channels.frame(3, False, STATUS, True)
    assert not channels.complete


@pytest.mark.parametrize(
    "data", [b'"status"', b'["status"]', b'{"status":1}', b'{"message":"status"}', b"[" * 5000 + b"}", b"", b"}"]
)
def test_what_is_no_status_completes_no_exec(data: bytes) -> None:
    channels = exec_with_errors()
    channels.frame(1, False, data, False)
    assert not channels.complete
    channels.frame(1, False, b"", True)  # but the end of its error stream does, as kubectl takes it
    assert channels.complete


def test_of_a_status_only_so_much_is_looked_at() -> None:
    padded = STATUS[:-1] + b" " * (LARGEST_STATUS - len(STATUS)) + b"}"
    for data, complete in ((padded, True), (padded[:-1] + b" }", False)):
        channels = exec_with_errors()
        channels.frame(1, False, data[:100], False)
        channels.frame(1, False, data[100:], False)
        assert channels.complete is complete
