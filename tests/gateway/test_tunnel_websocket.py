"""The tunnel of channels over WebSocket: its pings, its ends, and the order of its terminal sizes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND, RESIZE_EVERY
from l7gw.kube.channels import EXEC_STREAMS, WebSocketChannels, WebSocketPorts
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.obligations import Obligations
from l7gw.wire.websocket_events import Close, Message, Ping, Pong
from tests.support.tunnel_ends import UNMASKED, Wires, websocket_wires

FIRST, LAST = Message(b'\x04{"Width":80,"Height":24}\n'), Message(b'\x04{"Width":81,"Height":24}\n')


def an_exec() -> Wires:
    return websocket_wires(WebSocketChannels("v5.channel.k8s.io", EXEC_STREAMS))


def test_too_many_pings_end_the_websocket_tunnel() -> None:
    wires = an_exec()
    wires.say(*[Ping()] * CLIENT_CONTROL_A_SECOND)
    assert not wires.outcome
    wires.say(Ping())
    assert wires.outcome == "cut"


def test_a_client_that_pings_and_does_not_read_is_owed_one_pong() -> None:
    wires = an_exec()
    wires.downstream.writable = False
    for number in range(50):
        wires.say(Ping(str(number).encode()))
        wires.wait(1 if number % 25 == 0 else 0)
    assert not wires.client.heard
    wires.answer(Message(b"\x01output"))
    assert wires.client.heard == [Message(b"\x01output")]
    wires.downstream.writable = True
    wires.wait(1)
    assert wires.client.heard[1:] == [Pong(b"49")]


@pytest.mark.parametrize("last", [Close(1000), Message(b"\xff\x04")])
def test_the_end_of_terminal_sizes_comes_after_a_size_that_waits(last: Close | Message) -> None:
    wires = an_exec()

    async def run() -> None:
        wires.say(FIRST, LAST, last)
        await asyncio.sleep(2 * RESIZE_EVERY)

    asyncio.run(run())
    assert wires.cluster.heard == [FIRST, LAST, last]


def test_a_clients_close_is_answered_also_where_the_cluster_only_ends_its_connection() -> None:
    wires = an_exec()
    wires.say(Close(1000))
    assert wires.cluster.heard == [Close(1000)] and not wires.client.heard
    wires.tunnel.cluster_ended()
    assert wires.client.heard == [Close(1000)] and wires.outcome == "aborted"


@pytest.mark.parametrize("ending", ["close", "connection"])
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ((), "aborted"),
        ((Message(b"\x01output"),), "aborted"),
        ((Message(b"\x03"),), "aborted"),
        ((Message(b"\x03{}"),), "complete"),
    ],
)
def test_an_exec_that_its_client_closes_is_complete_where_the_cluster_had_told_its_end(
    said: tuple[Message, ...], outcome: str, ending: str
) -> None:
    """Or whoever leaves a command behind has a record in which it ended well."""
    wires = an_exec()
    for one in said:
        wires.answer(one)
    wires.say(Close(1000))
    if ending == "close":
        wires.answer(Close(1000))
    else:
        wires.tunnel.client_ended("the client left")
    assert wires.outcome == outcome


def test_a_port_forward_that_its_client_closes_is_complete() -> None:
    wires = websocket_wires(WebSocketPorts([8080]))
    wires.say(Close(1000))
    wires.answer(Close(1000))
    assert wires.outcome == "complete"


BROKEN = b"\xf2\x00"  # a reserved bit


@pytest.mark.parametrize("reads", [1, 2])
def test_messages_before_a_fault_of_the_client_are_recorded_and_passed_on(reads: int) -> None:
    wires = an_exec()
    whole = wires.client.bytes_of(Message(b"\x00one"), Ping(b"p"), Message(b"\x00two"))
    for data in [whole + BROKEN] if reads == 1 else [whole, BROKEN]:
        wires.tunnel.from_client(data)
    assert wires.recorded == [("stdin", b"one", False), ("stdin", b"two", False)] and wires.outcome == "cut"
    assert wires.cluster.heard == [Message(b"\x00one"), Message(b"\x00two"), Close(1001)]
    pong, status, close = wires.client.heard
    assert (pong, close) == (Pong(b"p"), Close(1000)) and isinstance(status, Message) and b"reserved bit" in status.data


@pytest.mark.parametrize("reads", [1, 2])
def test_messages_before_a_fault_of_the_cluster_are_recorded_and_passed_on(reads: int) -> None:
    wires = an_exec()
    whole = wires.cluster.bytes_of(Message(b"\x01printed"))
    for data in [whole + BROKEN] if reads == 1 else [whole, BROKEN]:
        wires.tunnel.from_cluster(data)
    assert wires.recorded == [("stdout", b"printed", False)] and wires.outcome == "cut"
    printed, status, close = wires.client.heard
    assert (printed, close) == (Message(b"\x01printed"), Close(1000))
    assert isinstance(status, Message) and b"the cluster's stream is not what its protocol allows" in status.data


def test_a_port_forward_that_fails_says_so_on_the_channels_it_has() -> None:
    wires = websocket_wires(WebSocketPorts([8080]))
    wires.answer(Message(b"\x00\x90\x1f"))
    wires.tunnel.cluster_ended()
    reason = Message(b"\x01l7gw: the cluster ended the connection before the stream was complete")
    assert wires.client.heard == [Message(b"\x00\x90\x1f"), Message(b"\x01\x90\x1f"), reason, Close(1000)]


def test_what_follows_a_masked_value_that_ends_the_tunnel_goes_nowhere() -> None:
    rules = msgspec.structs.replace(
        UNMASKED,
        scanner=Scanner([one for one in BUILT_IN if one.name == "github-token"]),
        obligations=Obligations(ends_on_mask=True),
    )
    wires = websocket_wires(WebSocketChannels("v5.channel.k8s.io", EXEC_STREAMS), rules)
    wires.answer(Message(b"\x01 ghp_16C7e42F292c6912E7710c838347Ae178B4a \n"), Message(b"\x02more"))
    assert wires.outcome == "cut" and [channel for channel, _, _ in wires.recorded] == ["stdout"]
    assert [one.data[:1] for one in wires.client.heard if isinstance(one, Message)] == [b"\x01", b"\x03"]
