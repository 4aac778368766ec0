"""Streams over SPDY: which of them a call asked for, which are a pair, what may be written, and how a tunnel ends as failed."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.channel_frames import ChannelFrame, ChannelOpened
from l7gw.kube.channels import EXEC_STREAMS
from l7gw.kube.status import failure
from l7gw.kube.streams import LARGEST_STATUS, MOST_PAIRS, SpdyChannels
from l7gw.wire.errors import PeerError
from l7gw.wire.spdy_events import Data, GoAway


def pair(stream: int, port: int, request: str) -> list[tuple[int, tuple[tuple[str, str], ...]]]:
    error = (("streamtype", "error"), ("port", str(port)), ("requestid", request))
    data = (("requestid", request), ("streamtype", "data"), ("port", str(port)))
    return [(stream, error), (stream + 2, data)]


def written(kind: str, port: str, *request: str) -> tuple[tuple[str, str], ...]:
    """The headers with which a stream of a port-forward is opened at the cluster."""
    return (("streamtype", kind), ("port", port), *(("requestid", one) for one in request))


def test_an_exec_opens_each_of_its_streams_once() -> None:
    channels = SpdyChannels(EXEC_STREAMS)
    for stream, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr"), (9, "resize")):
        assert channels.opened(stream, (("streamtype", kind),)) == ChannelOpened(kind, stream, None, (("streamtype", kind),))
    for kind in ("stdout", "data", ""):
        with pytest.raises(PeerError):
            channels.opened(11, (("streamtype", kind),))


def test_a_forwarded_connection_is_a_pair_whose_data_stream_tells_the_port() -> None:
    channels = SpdyChannels(None)
    (first, error), (second, data) = pair(1, 8080, "0")
    assert channels.opened(first, error) == ChannelOpened("port-8080-error", 1, None, written("error", "8080", "0"))
    assert channels.opened(second, data) == ChannelOpened("port-8080", 3, 8080, written("data", "8080", "0"))
    assert channels.frame(3, up=True, data=b"hi", final=False) == ChannelFrame(channel="port-8080", up=True, stream=3, data=b"hi")
    assert not channels.complete
    for stream in (1, 3):
        channels.frame(stream, up=True, data=b"", final=True)
        channels.frame(stream, up=False, data=b"", final=True)
    assert channels.complete
    assert channels.frame(3, up=True, data=b"late", final=False) is None


WRITERS = {"stdin": True, "resize": True, "stdout": False, "stderr": False, "error": False}
STATUS = b'{"metadata":{},"status":"Success"}'


@pytest.mark.parametrize(("channel", "writer"), WRITERS.items())
def test_only_the_side_that_writes_a_channel_puts_bytes_into_it(channel: str, writer: bool) -> None:
    """A client could else write output or a Status of its own into the record."""
    data = b'{"Width":1,"Height":2}' if channel == "resize" else STATUS
    channels = SpdyChannels(EXEC_STREAMS)
    channels.opened(1, (("streamtype", channel),))
    assert channels.frame(1, up=writer, data=data, final=False) == ChannelFrame(channel=channel, up=writer, stream=1, data=data)
    with pytest.raises(PeerError):
        channels.frame(1, up=not writer, data=data, final=False)
    assert channels.frame(1, up=not writer, data=b"", final=True) == ChannelFrame(
        channel=channel, up=not writer, stream=1, data=b"", final=True
    )


def test_a_client_writes_no_errors_of_a_forwarded_connection() -> None:
    channels = SpdyChannels(None)
    channels.opened(*pair(1, 80, "0")[0])
    assert channels.frame(1, up=True, data=b"", final=True) == ChannelFrame(
        channel="port-80-error", up=True, stream=1, data=b"", final=True
    )
    with pytest.raises(PeerError):
        channels.frame(1, up=True, data=b"x", final=False)
    assert channels.frame(1, up=False, data=b"refused", final=True) == ChannelFrame(
        channel="port-80-error", up=False, stream=1, data=b"refused", final=True
    )


def test_pairs_of_clients_without_request_ids_are_told_by_their_streams() -> None:
    error, data = (("streamtype", "error"), ("port", "80")), (("streamtype", "data"), ("port", "80"))
    channels = SpdyChannels(None)
    for stream in (1, 5):
        assert channels.opened(stream, error) == ChannelOpened("port-80-error", stream, None, written("error", "80"))
        assert channels.opened(stream + 2, data) == ChannelOpened("port-80", stream + 2, 80, written("data", "80"))
    assert len(channels._pairs) == 2
    with pytest.raises(PeerError):  # the kubelet would make stream 5 a pair named "5"
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
    channels = SpdyChannels(None)
    channels.opened(*pair(1, 80, "0")[0])
    with pytest.raises(PeerError):
        channels.opened(3, tuple(headers.items()))


def test_live_pairs_are_bounded() -> None:
    channels = SpdyChannels(None)
    for number in range(MOST_PAIRS):
        channels.opened(*pair(4 * number + 1, 80, str(number))[0])
    channels.opened(*pair(1, 80, "0")[1])  # the second stream of a pair adds no pair
    with pytest.raises(PeerError) as refused:
        channels.opened(*pair(9001, 80, "one-more")[0])
    assert refused.value.code == 1  # PROTOCOL_ERROR
    SpdyChannels(None).opened(*pair(1, 80, "x" * 64)[0])


@pytest.mark.parametrize("ended_by", ["reset", "fins"])
def test_a_hundred_thousand_connections_leave_nothing_behind(ended_by: str) -> None:
    channels = SpdyChannels(None)
    for number in range(100_000):
        for stream, headers in pair(4 * number + 1, 80, str(number)):
            channels.opened(stream, headers)
            if ended_by == "reset":
                channels.reset(stream)
            else:
                channels.frame(stream, up=True, data=b"", final=True)
                channels.frame(stream, up=False, data=b"", final=True)
    assert not channels.live
    assert sum(len(table) for table in (channels._pairs, channels._streams, channels._used)) == 0


def test_a_tunnel_that_fails_tells_why_before_it_ends() -> None:
    status = failure("because")
    channels = SpdyChannels(EXEC_STREAMS)
    channels.opened(1, (("streamtype", "error"),))
    channels.opened(3, (("streamtype", "stdout"),))
    channels.opened(5, (("streamtype", "stderr"),))
    channels.opened(7, (("streamtype", "stdin"),))
    channels.frame(5, up=False, data=b"", final=True)
    channels.reset(7)
    assert channels.failure_frames(status) == [Data(1, status, True), Data(3, b"", True), GoAway(5)]
    assert SpdyChannels(EXEC_STREAMS).failure_frames(status) == [GoAway(0)]
    ports = SpdyChannels(None)
    for stream, headers in pair(1, 80, "0"):
        ports.opened(stream, headers)
    text = json.loads(status)["message"].encode()
    assert ports.failure_frames(status) == [Data(1, text, True), Data(3, b"", True), GoAway(3)]


# ---------------------------------------------------------------------- streams that were not asked for


@pytest.mark.parametrize("kind", ["stdin", "stdout", "stderr", "resize"])
def test_a_stream_that_was_not_asked_for_is_the_clients_alone(kind: str) -> None:
    channels = SpdyChannels(frozenset(("error",)))
    opened = channels.opened(1, (("streamtype", kind),))
    assert not opened.passed and channels.live == [1]
    frame = channels.frame(1, up=True, data=b"", final=True)
    assert frame == ChannelFrame(channel=kind, up=True, stream=1, data=b"", final=True, passed=False)
    assert not channels.live  # the cluster's direction was never open
    with pytest.raises(PeerError):
        channels.opened(3, (("streamtype", kind),))


@pytest.mark.parametrize(
    ("asked", "kinds", "awaited"),
    [
        ("stdout stderr", "error stdout", True),
        ("stdout stderr", "error stdin stdout resize", True),
        ("stdout stderr", "error stdout stderr", False),
        ("stdin stdout resize", "error stdin stdout", True),
        ("stdin stdout resize", "error stdin stdout resize", False),  # kubectl exec -it
        ("stdin stdout stderr resize", "error stdin stdout resize", False),  # beside a terminal no stderr is waited for
        ("stdin stdout stderr resize", "error stdin stdout stderr", False),  # a kubelet waits for four streams of any type
        ("", "", True),
    ],
)
def test_streams_are_awaited_until_a_kubelet_has_as_many_as_the_query_asks_for(asked: str, kinds: str, awaited: bool) -> None:
    channels = SpdyChannels(frozenset(("error", *asked.split())))
    for number, kind in enumerate(kinds.split()):
        channels.opened(2 * number + 1, (("streamtype", kind),))
    assert channels.awaited is awaited
    assert not SpdyChannels(None).awaited


# ---------------------------------------------------------------------- one reading of a stream's headers


@pytest.mark.parametrize("asked", [EXEC_STREAMS, None])
@pytest.mark.parametrize("name", ["port", "streamtype", "requestid", "x"])
def test_a_stream_header_has_one_value(asked: frozenset[str] | None, name: str) -> None:
    """Of two values Go's Header.Get takes the first, and a dict the last: the judged port could be another than the reached one."""
    headers = {"streamtype": "data" if asked is None else "stdout", "port": "36403", "requestid": "0", "x": "y"}
    SpdyChannels(asked).opened(1, tuple(headers.items()))
    for first, second in ((headers[name], "45595"), ("45595", headers[name]), (headers[name], headers[name])):
        others = (pair for pair in headers.items() if pair[0] != name)
        doubled = (*others, (name, first), (name, second))
        with pytest.raises(PeerError):
            SpdyChannels(asked).opened(1, doubled)


def test_a_stream_goes_up_with_the_headers_that_were_understood() -> None:
    more = (("x-remote-user", "root"), (":path", "/"), ("port", "080"), ("requestid", "7"))
    assert SpdyChannels(None).opened(1, (("streamtype", "data"), *more)).headers == written("data", "80", "7")
    assert SpdyChannels(EXEC_STREAMS).opened(1, (("streamtype", "stdout"), *more)).headers == (("streamtype", "stdout"),)


# ---------------------------------------------------------------------- ends


def exec_with_errors() -> SpdyChannels:
    channels = SpdyChannels(EXEC_STREAMS)
    channels.opened(1, (("streamtype", "error"),))
    return channels


def test_an_exec_is_complete_once_its_status_is_whole_however_it_is_cut() -> None:
    for at in range(len(STATUS)):
        channels = exec_with_errors()
        channels.frame(1, up=False, data=STATUS[:at], final=False)
        assert not channels.complete
        channels.frame(1, up=False, data=STATUS[at:] + b"\n", final=False)
        assert channels.complete


def test_a_command_that_prints_a_status_does_not_complete_its_exec() -> None:
    channels = exec_with_errors()
    channels.opened(3, (("streamtype", "stdout"),))
    channels.frame(3, up=False, data=STATUS, final=True)
    assert not channels.complete


@pytest.mark.parametrize(
    "data", [b'"status"', b'["status"]', b'{"status":1}', b'{"message":"status"}', b"[" * 5000 + b"}", b"", b"}"]
)
def test_bytes_that_are_no_status_complete_no_exec(data: bytes) -> None:
    channels = exec_with_errors()
    channels.frame(1, up=False, data=data, final=False)
    assert not channels.complete
    channels.frame(1, up=False, data=b"", final=True)  # but the end of the error stream does, as for kubectl
    assert channels.complete


def test_a_status_larger_than_its_bound_does_not_complete_an_exec() -> None:
    padded = STATUS[:-1] + b" " * (LARGEST_STATUS - len(STATUS)) + b"}"
    for data, complete in ((padded, True), (padded[:-1] + b" }", False)):
        channels = exec_with_errors()
        channels.frame(1, up=False, data=data[:100], final=False)
        channels.frame(1, up=False, data=data[100:], final=False)
        assert channels.complete is complete
