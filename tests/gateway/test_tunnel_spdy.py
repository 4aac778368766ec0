"""The tunnel of SPDY streams, plain and inside WebSocket messages: its time limits, its ends, its terminal sizes, its pings."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import msgspec
import pytest

from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND, RESIZE_EVERY
from l7gw.gateway.tunnel_spdy import CANCEL, LARGEST_WRAPPED, REFUSED_STREAM, LegEvent, SpdyInWebSocket
from l7gw.kube.streams import MOST_PAIRS
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire import websocket, websocket_events
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.spdy_events import Data, GoAway, HeadersFrame, Reset, Run, SpdyEvent, SynReply, SynStream
from l7gw.wire.websocket import frame_bytes
from l7gw.wire.websocket_events import Message
from tests.support.http_callers import POD
from tests.support.raw_client import RawClient, upgrade
from tests.support.scene import scene
from tests.support.scripted_upstream import Visit, switched
from tests.support.tunnel_ends import Wires, spdy_wires

HEADERS = (("streamtype", "data"), ("port", "80"), ("requestid", "0"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_spdy_frames_may_be_cut_into_messages_anywhere_with_empty_ones_between(size: int) -> None:
    inner = Spdy("client")
    inner.send(SynStream(1, HEADERS))
    inner.send(Data(1, b"hello", True))
    data = inner.take()
    outer = websocket.Connection("client")
    for at in range(0, len(data), size):
        outer.send(Message(b""))
        outer.send(Message(data[at : at + size]))
    assert next(SpdyInWebSocket("server").receive_runs(outer.take())) == SynStream(1, HEADERS)
    leg = SpdyInWebSocket("server")
    for at in range(0, len(data), size):
        outer.send(Message(b""))
        outer.send(Message(data[at : at + size]))
    events = leg.receive_runs(outer.take())
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"hello"


def _size(event: object) -> int:
    """Bytes of data in an event."""
    if isinstance(event, Run):
        return sum(map(len, event.data))
    return len(event.data) if isinstance(event, Data) else 0


def test_spdy_bytes_of_ours_come_in_messages_of_a_limited_size() -> None:
    leg, other = SpdyInWebSocket("server"), SpdyInWebSocket("client")
    other.send(SynStream(1, HEADERS))
    assert list(leg.receive_runs(other.take())) == [SynStream(1, HEADERS)]
    leg.send(SynReply(1))
    for _ in range(10):
        leg.send(Data(1, bytes(20_000)))
    sent = leg.take()
    sizes = [len(event.data) for event in websocket.Connection("client").receive(sent) if isinstance(event, Message)]
    assert max(sizes) <= LARGEST_WRAPPED
    assert sum(_size(event) for event in other.receive_runs(sent)) == 200_000


# ---------------------------------------------------------------------- what clients open


def half(stream: int, kind: str, request: str | None = "0") -> SynStream:
    named = (("requestid", request),) if request is not None else ()
    return SynStream(stream, (("streamtype", kind), ("port", "80"), *named))


def channel(stream: int, kind: str) -> SynStream:
    return SynStream(stream, (("streamtype", kind),))


# ---------------------------------------------------------------------- time


@pytest.mark.parametrize("request_id", ["0", None])  # None: an old client, without request ids
@pytest.mark.parametrize("kind", ["error", "data"])
def test_half_a_pair_is_reset_on_both_sides_after_the_kubelets_time(kind: str, request_id: str | None) -> None:
    wires = spdy_wires()
    wires.say(half(1, kind, request_id))
    wires.wait(USUAL_TIMEOUTS.first_streams)
    assert not wires.resets
    wires.wait(1)
    assert Reset(1, CANCEL) in wires.client.heard
    assert Reset(1, CANCEL) in wires.cluster.heard


@pytest.mark.parametrize("request_id", ["0", None])
def test_a_whole_pair_of_streams_lives_on(request_id: str | None) -> None:
    wires = spdy_wires()
    wires.say(half(1, "error", request_id), half(3, "data", request_id))
    wires.wait(USUAL_TIMEOUTS.first_streams + 1)
    wires.say(Reset(1, CANCEL))
    wires.wait(USUAL_TIMEOUTS.first_streams + 1)
    assert wires.resets == [Reset(1, CANCEL)]  # one stream of a pair that was whole may outlive the other
    assert not wires.outcome


def test_a_lone_stream_is_half_a_pair_again_when_its_request_id_comes_back() -> None:
    wires = spdy_wires()
    wires.say(half(1, "error"), Reset(1, CANCEL))
    wires.say(half(3, "error"))
    wires.wait(USUAL_TIMEOUTS.first_streams + 1)
    assert Reset(3, CANCEL) in wires.client.heard


def test_a_tunnel_without_a_stream_ends_after_a_time() -> None:
    wires = spdy_wires()
    wires.wait(USUAL_TIMEOUTS.first_streams)
    assert not wires.outcome
    wires.wait(1)
    assert wires.outcome == "cut"


# ---------------------------------------------------------------------- ends of streams


@pytest.mark.parametrize("ending", ["opening", "headers"])
def test_a_stream_that_ends_by_another_frame_than_data_makes_room_for_the_next(ending: str) -> None:
    """Otherwise a port-forward would be refused further connections after a few hundred."""
    wires = spdy_wires()
    for number in range(2 * MOST_PAIRS):
        for at, kind in ((4 * number + 1, "error"), (4 * number + 3, "data")):
            opening = half(at, kind, str(number))
            if ending == "opening":
                wires.say(msgspec.structs.replace(opening, final=True))
                wires.answer(SynReply(at, (), True))
            else:
                wires.say(opening, HeadersFrame(at, (), True))
                wires.answer(SynReply(at), HeadersFrame(at, (), True))
    assert not wires.outcome and not wires.tunnel._channels.live
    assert len([one for one in wires.client.heard if isinstance(one, SynReply)]) == 4 * MOST_PAIRS


@pytest.mark.parametrize("reply", [SynReply(1, (), True), HeadersFrame(1, (), True)])
def test_a_tunnel_can_fail_after_a_stream_was_ended_without_data(reply: SynReply | HeadersFrame) -> None:
    wires = spdy_wires("exec")
    wires.say(channel(1, "error"), channel(3, "stdout"))
    wires.answer(reply, SynReply(3))
    wires.tunnel.end("enough")
    assert wires.outcome == "cut" and wires.client.ends(3)
    assert wires.recorded.count(("error", b"", True)) == 1


def test_a_unidirectional_stream_ends_the_tunnel() -> None:
    wires = spdy_wires("exec")
    wires.say(SynStream(1, (("streamtype", "stdout"),), unidirectional=True))
    assert wires.outcome == "cut" and not wires.cluster.data(1)


def test_a_failure_comes_after_the_reply_to_its_stream() -> None:
    """kubectl drops data that comes before the SYN_REPLY without a word, and then waits 30 s for the SYN_REPLY."""
    wires = spdy_wires("exec")
    wires.say(channel(1, "error"), channel(3, "stdout"))
    wires.tunnel.end("enough")
    kinds = [(type(event), event.stream) for event in wires.client.heard if isinstance(event, SynReply | Data)]
    assert kinds == [(SynReply, 1), (Data, 1), (SynReply, 3), (Data, 3)]
    assert b"enough" in wires.client.data(1) and wires.client.ends(1)


def in_one_read(wires: Wires, *events: LegEvent) -> None:
    """The client says all this, and the gateway reads it at once."""
    wires.tunnel.from_client(b"".join(wires.client.bytes_of(event) for event in events))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("stream", [3, 5, 7])
@pytest.mark.parametrize(
    "refused", [Data(3, b"out of a client"), Data(1, b"{}"), channel(9, "nonsense"), channel(9, "stdin")], ids=str
)
def test_a_refusal_is_told_though_a_stream_is_reset_in_the_same_read(refused: SpdyEvent, stream: int, wrapped: bool) -> None:
    wires = spdy_wires("exec", wrapped=wrapped)
    wires.say(*(channel(2 * at + 1, kind) for at, kind in enumerate(("error", "stdout", "stdin", "stderr"))))
    wires.answer(*(SynReply(number) for number in (1, 3, 5, 7)))
    in_one_read(wires, refused, Reset(stream, CANCEL))
    assert wires.outcome == "cut" and wires.reason.startswith("the stream is not what its protocol allows")
    assert json.loads(wires.client.data(1))["message"].endswith(wires.reason) and wires.client.ends(1)
    assert not wires.client.data(stream)


def test_streams_that_do_not_go_up_may_be_reset_in_the_read_that_opens_them() -> None:
    wires = spdy_wires("exec", asked=frozenset({"error", "stdout"}))
    wires.say(channel(1, "error"), channel(3, "stdout"))
    in_one_read(wires, channel(5, "stdin"), Reset(5, CANCEL))
    assert not wires.outcome
    wires = spdy_wires()
    wires.tunnel._call.may_forward = lambda port: False
    in_one_read(wires, half(1, "error"), half(3, "data"), Reset(1, CANCEL), Reset(3, CANCEL))
    assert not wires.outcome and not wires.tunnel._channels.live


def test_what_the_cluster_writes_on_a_stream_whose_reset_waits_for_the_disk_is_dropped() -> None:
    wires = spdy_wires()
    wires.say(half(1, "error"), half(3, "data"))
    wires.answer(SynReply(1), SynReply(3))
    wires.disk = []
    in_one_read(wires, half(5, "error", "1"), half(7, "data", "1"), Reset(3, CANCEL))
    wires.answer(Data(3, b"under way"))
    assert not wires.outcome and not wires.client.data(3)
    wires.disk.pop()(None)
    assert Reset(3, CANCEL) in wires.cluster.heard and not wires.outcome


# ---------------------------------------------------------------------- terminal sizes

FIRST, SECOND, THIRD = (b'{"Width":%d,"Height":24}\n' % width for width in (80, 81, 82))


async def settled() -> None:
    await asyncio.sleep(3 * RESIZE_EVERY)


@pytest.mark.parametrize("at", range(1, len(THIRD)))
def test_a_size_that_comes_in_pieces_is_never_mixed_with_one_that_waits(at: int) -> None:
    wires = spdy_wires("exec")

    async def run() -> None:
        wires.say(channel(1, "resize"), Data(1, FIRST), Data(1, SECOND), Data(1, THIRD[:at]))
        wires.tunnel._sizes._due()
        wires.say(Data(1, THIRD[at:]))
        wires.tunnel._sizes._due()

    asyncio.run(run())
    sizes = [json.loads(line)["Width"] for line in wires.cluster.data(1).splitlines()]
    assert sizes[0] == 80 and sizes[-1] == 82
    assert b"".join(data for name, data, _ in wires.recorded if name == "resize") == wires.cluster.data(1)


def test_sizes_in_pieces_are_thinned_out_too() -> None:
    wires = spdy_wires("exec")

    async def run() -> None:
        wires.say(channel(1, "resize"))
        for _ in range(100):
            wires.say(Data(1, FIRST[:5]), Data(1, FIRST[5:]))
        await settled()

    asyncio.run(run())
    assert 2 <= len(wires.cluster.data(1).splitlines()) <= 5


@pytest.mark.parametrize("last", [Data(1, THIRD, True), Data(1, b"", True), HeadersFrame(1, (), True)])
def test_the_end_of_a_stream_of_sizes_comes_after_a_size_that_waits(last: Data | HeadersFrame) -> None:
    wires = spdy_wires("exec")

    async def run() -> None:
        wires.say(channel(1, "resize"), Data(1, FIRST), Data(1, SECOND), last)
        await settled()

    asyncio.run(run())
    assert wires.cluster.data(1) == FIRST + (last.data if isinstance(last, Data) and last.data else SECOND)
    assert wires.cluster.ends(1) and not wires.outcome


def test_an_end_within_a_size_is_an_end_and_the_half_goes_nowhere() -> None:
    wires = spdy_wires("exec")
    wires.say(channel(1, "resize"), Data(1, FIRST[:5], True))
    assert not wires.outcome and not wires.cluster.data(1) and wires.cluster.ends(1)
    assert wires.recorded[1:] == [("resize-not-passed", FIRST[:5], False), ("resize", b"", True)]


# ---------------------------------------------------------------------- SPDY in WebSocket: pings and ends of the outer one


def test_too_many_pings_of_the_websocket_around_spdy_end_the_tunnel() -> None:
    wires = spdy_wires(wrapped=True)
    for _ in range(3):
        wires.say(*[websocket_events.Ping()] * CLIENT_CONTROL_A_SECOND)
        assert not wires.outcome
        wires.wait(1)
    wires.say(*[websocket_events.Ping()] * (CLIENT_CONTROL_A_SECOND + 1))
    assert wires.outcome == "cut"


def test_a_client_that_pings_and_does_not_read_is_owed_one_pong() -> None:
    wires = spdy_wires(wrapped=True)
    wires.downstream.writable = False
    for number in range(50):
        wires.say(websocket_events.Ping(str(number).encode()))
        wires.wait(1 if number % 25 == 0 else 0)
    assert not wires.client.heard
    wires.downstream.writable = True
    wires.wait(1)
    assert wires.client.heard == [websocket_events.Pong(b"49")]
    wires.say(websocket_events.Ping(b"now"))
    assert wires.client.heard[1:] == [websocket_events.Pong(b"now")]


@pytest.mark.parametrize("close", [websocket_events.Close(1000), websocket_events.Close(1001), websocket_events.Close()])
def test_a_clients_close_is_answered_and_ends_the_tunnel(close: websocket_events.Close) -> None:
    wires = spdy_wires(wrapped=True)
    wires.say(half(1, "error"), half(3, "data"))
    wires.say(close)
    assert wires.client.heard[-1] == close
    assert wires.outcome == "aborted"  # a connection was still live
    assert wires.cluster.heard[-4:] == [Reset(1, CANCEL), Reset(3, CANCEL), GoAway(0), websocket_events.Close(1000)]


def test_a_close_with_no_connection_live_is_complete() -> None:
    wires = spdy_wires(wrapped=True)
    wires.say(half(1, "error"), Reset(1, CANCEL), websocket_events.Close(1000))
    assert wires.outcome == "complete"


def test_a_close_behind_a_stream_opening_waits_until_that_is_on_the_disk() -> None:
    wires = spdy_wires(wrapped=True)
    wires.disk = []
    wires.say(half(1, "data"), websocket_events.Close(1000))
    assert wires.cluster.heard == [] and not wires.outcome
    wires.disk.pop()(None)
    assert wires.outcome == "aborted" and wires.client.heard[-1] == websocket_events.Close(1000)
    assert wires.cluster.heard == [half(1, "data"), Reset(1, CANCEL), GoAway(0), websocket_events.Close(1000)]


def test_a_close_of_the_cluster_is_passed_on_without_live_connections_and_is_else_a_failure() -> None:
    wires = spdy_wires(wrapped=True)
    wires.answer(websocket_events.Close(1000))
    assert wires.client.heard == wires.cluster.heard == [websocket_events.Close(1000)] and wires.outcome == "complete"
    wires = spdy_wires(wrapped=True)
    wires.say(half(1, "error"), half(3, "data"))
    wires.answer(websocket_events.Close(1000))
    assert wires.outcome == "cut" and wires.client.heard[-1] == websocket_events.Close(1000)
    assert b"before the stream was complete" in wires.client.data(1)


def test_an_end_of_the_clusters_connection_closes_the_websocket() -> None:
    wires = spdy_wires(wrapped=True)
    wires.tunnel.cluster_ended()
    assert wires.client.heard == [websocket_events.Close(1000)] and wires.outcome == "complete"


@pytest.mark.parametrize(
    "broken", [b"\xf2\x80\0\0\0\0", frame_bytes(websocket.BINARY, b"\x80\x03\x00\x63\0\0\0\0", True)], ids=["outer", "inner"]
)
@pytest.mark.parametrize("reads", [1, 2])
def test_messages_before_a_fault_are_frames_as_in_a_read_of_their_own(broken: bytes, reads: int) -> None:
    wires = spdy_wires("exec", wrapped=True)
    whole = wires.client.bytes_of(channel(1, "stdin"), Data(1, b"typed"))
    for data in [whole + broken] if reads == 1 else [whole, broken]:
        wires.tunnel.from_client(data)
    assert wires.recorded == [("stdin", b"", False), ("stdin", b"typed", False)] and wires.outcome == "cut"
    assert wires.cluster.heard == [channel(1, "stdin"), Data(1, b"typed"), GoAway(0), websocket_events.Close(1000)]


def test_a_close_is_answered_before_tcp_ends(tmp_path: Path) -> None:
    protocol = "SPDY/3.1+portforward.k8s.io"
    heard: list[LegEvent] = []
    ended = threading.Event()

    def script(visit: Visit) -> None:
        switched(visit, head := visit.head(), protocol)
        visit.drain(10)
        heard.extend(SpdyInWebSocket("server").receive_runs(bytes(visit.received[len(head) :])))
        ended.set()

    with scene(tmp_path, script) as it, RawClient(it.gateway) as client:
        client.send(it.request(f"GET {POD}/portforward", *upgrade(protocol)))
        client.upgraded()
        leg = websocket.Connection("client")
        leg.send(websocket_events.Close(1001))
        client.send(leg.take())
        assert leg.receive(client.socket.recv(65536)) == [websocket_events.Close(1001)]
        assert ended.wait(5)
    assert heard == [GoAway(0), websocket_events.Close(1000)]


# ---------------------------------------------------------------------- a port that policy does not allow


def test_connections_to_a_refused_port_leave_nothing_behind_and_are_told_why() -> None:
    """The kubelet does not end an error stream whose data stream never came. After 256 of them the tunnel would end."""
    wires = spdy_wires()
    wires.tunnel._call.may_forward = lambda port: False
    for number in range(2 * MOST_PAIRS):
        error, data = 4 * number + 1, 4 * number + 3
        wires.say(half(error, "error", str(number)), Data(error, b"", True))
        wires.answer(SynReply(error))
        wires.say(half(data, "data", str(number)))
        assert Reset(data, REFUSED_STREAM) in wires.client.heard
        assert wires.client.data(error) == b"l7gw: port 80 may not be forwarded" and wires.client.ends(error)
        assert wires.cluster.heard[-1] == Reset(error, CANCEL)
        wires.client.heard.clear()
    assert not wires.outcome and not wires.tunnel._channels.live
    wires.downstream.writable = False  # the client has not read for long, so no more refusals are kept for it
    wires.say(half(5001, "error", "x"), half(5003, "data", "x"))
    assert wires.outcome
