"""The gateway's own pings within tunnels. A side gets one after the gateway has sent it nothing for a time. Neither the other side
nor the record sees it (threats I17)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND
from l7gw.gateway.tunnel_spdy import PING_TO_CLIENT, PING_TO_CLUSTER
from l7gw.kube.channels import WebSocketChannels
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire import spdy_events as spdy
from l7gw.wire import websocket_events
from tests.support.tunnel_ends import Said, Wires, spdy_wires, websocket_wires

QUIET = USUAL_TIMEOUTS.client_ping_after
ASKED_FOR = frozenset(("error", "stdin", "stdout"))
OUTER = websocket_events.Ping(), websocket_events.Pong(), websocket_events.Ping(), websocket_events.Pong()
OPENING: dict[str, tuple[Said, ...]] = {
    "websocket": (websocket_events.Message(b"\x00in"),),
    "spdy": tuple(spdy.SynStream(at, (("streamtype", name),)) for at, name in ((1, "error"), (3, "stdin"), (5, "stdout"))),
}
TALK: dict[str, Said] = {"websocket": websocket_events.Message(b"\x00in"), "spdy": spdy.Data(3, b"in")}
SAYING: dict[str, Said] = {"websocket": websocket_events.Message(b"\x01out"), "spdy": spdy.Data(5, b"out")}
OPENING["wrapped"], TALK["wrapped"], SAYING["wrapped"] = OPENING["spdy"], TALK["spdy"], SAYING["spdy"]
# Kind of tunnel -> our ping to the client and its answer, our ping to the cluster and its answer.
ASKED: dict[str, tuple[Said, Said, Said, Said]] = {
    "websocket": OUTER,
    "spdy": (spdy.Ping(PING_TO_CLIENT), spdy.Ping(PING_TO_CLIENT), spdy.Ping(PING_TO_CLUSTER), spdy.Ping(PING_TO_CLUSTER)),
    "wrapped": OUTER,
}
MAKE: dict[str, Callable[[], Wires]] = {
    "websocket": lambda: websocket_wires(WebSocketChannels("v5.channel.k8s.io", ASKED_FOR)),
    "spdy": lambda: spdy_wires("exec", asked=ASKED_FOR),
    "wrapped": lambda: spdy_wires("exec", wrapped=True, asked=ASKED_FOR),
}

every = pytest.mark.parametrize("kind", MAKE)


def begun(kind: str) -> Wires:
    """A tunnel that has just sent something to both sides, and has had a tick since."""
    wires = MAKE[kind]()
    wires.say(*OPENING[kind])
    if kind != "websocket":
        wires.answer(spdy.SynReply(1), spdy.SynReply(3), spdy.SynReply(5))
    wires.answer(SAYING[kind])
    wires.wait(1)
    wires.client.heard.clear()
    wires.cluster.heard.clear()
    wires.recorded.clear()
    return wires


@every
def test_each_side_is_pinged_after_silence_and_again_after_as_much(kind: str) -> None:
    wires = begun(kind)
    to_client, _, to_cluster, _ = ASKED[kind]
    wires.wait(QUIET - 1)
    assert not wires.client.heard and not wires.cluster.heard
    for count in (1, 2, 3):  # missing answers change nothing
        wires.wait(1)
        assert wires.client.heard == [to_client] * count and wires.cluster.heard == [to_cluster] * count
        wires.wait(1)
        wires.wait(QUIET - 1)
    assert len(wires.client.heard) == len(wires.cluster.heard) == 3
    assert not wires.outcome


@every
def test_a_side_that_was_sent_bytes_is_not_pinged(kind: str) -> None:
    """Only the silence towards this side counts, not that towards the other."""
    wires = begun(kind)
    to_client, _, to_cluster, _ = ASKED[kind]
    for _ in range(4):
        wires.wait(QUIET / 2)
        wires.say(TALK[kind])
    assert wires.cluster.heard == [TALK[kind]] * 4 and to_client in wires.client.heard
    wires = begun(kind)
    for _ in range(4):
        wires.wait(QUIET / 2)
        wires.answer(SAYING[kind])
    assert wires.client.heard == [SAYING[kind]] * 4 and to_cluster in wires.cluster.heard


@every
def test_answers_to_our_pings_are_neither_passed_on_nor_recorded_nor_counted(kind: str) -> None:
    wires = begun(kind)
    _, from_client, _, from_cluster = ASKED[kind]
    for _ in range(3):
        wires.wait(QUIET)
        wires.client.heard.clear()
        wires.cluster.heard.clear()
        wires.say(from_client)
        wires.answer(from_cluster)
        assert not wires.client.heard and not wires.cluster.heard and not wires.recorded
        wires.say(
            *[spdy.Ping(1) if kind == "spdy" else websocket_events.Ping()] * CLIENT_CONTROL_A_SECOND
        )  # as many as one second allows
        assert not wires.outcome
        wires.wait(1)


@every
def test_a_pong_without_a_ping_of_ours_counts_as_a_control_frame(kind: str) -> None:
    wires = begun(kind)
    _, from_client, _, _ = ASKED[kind]
    wires.wait(QUIET)
    wires.say(*[from_client] * (CLIENT_CONTROL_A_SECOND + 1))  # the first one answers a ping of ours
    assert not wires.outcome
    wires.say(from_client)
    assert wires.outcome == "cut"


@every
def test_a_side_that_does_not_read_is_not_pinged(kind: str) -> None:
    wires = begun(kind)
    wires.downstream.writable = False
    wires.tunnel.cluster_writable(False)
    for _ in range(5):
        wires.wait(QUIET)
    assert not wires.client.heard and not wires.cluster.heard
    wires.downstream.writable = True
    wires.tunnel.cluster_writable(True)
    wires.wait(1)
    assert len(wires.client.heard) == len(wires.cluster.heard) == 1


def test_no_ping_follows_a_close() -> None:
    wires = begun("websocket")
    wires.say(websocket_events.Close(1000))
    for _ in range(5):
        wires.wait(QUIET)
    assert wires.cluster.heard == [websocket_events.Close(1000)] and not wires.client.heard and not wires.outcome


def test_no_ping_follows_a_goaway() -> None:
    """spdystream reads nothing behind a GOAWAY. Bytes left unread there would turn its end into a TCP reset."""
    wires = begun("spdy")
    wires.say(spdy.GoAway(0))
    for _ in range(5):
        wires.wait(QUIET)
    assert wires.cluster.heard == [spdy.GoAway(0)] and not wires.outcome


def test_pings_of_the_client_and_the_cluster_pass_beside_ours() -> None:
    wires = begun("spdy")
    wires.wait(QUIET)
    wires.say(spdy.Ping(1))
    wires.answer(spdy.Ping(1), spdy.Ping(PING_TO_CLUSTER), spdy.Ping(2))
    wires.say(spdy.Ping(2), spdy.Ping(PING_TO_CLIENT))
    assert wires.cluster.heard == [spdy.Ping(PING_TO_CLUSTER), spdy.Ping(1), spdy.Ping(2)]
    assert wires.client.heard == [spdy.Ping(PING_TO_CLIENT), spdy.Ping(1), spdy.Ping(2)]


def test_a_ping_of_ours_has_the_parity_that_spdystream_answers() -> None:
    """spdystream echoes pings whose id has the other side's parity (a client's are odd). A ping with an id of its own parity may
    end its process."""
    assert PING_TO_CLIENT % 2 == 0 and PING_TO_CLUSTER % 2 == 1
