"""A tunnel: what an exchange becomes after its 101. Two legs of one protocol, one channel vocabulary for the record.

    client  <->  leg  <->  events, judged and recorded  <->  leg  <->  cluster

A leg turns bytes into events and back: WebSocket messages, SPDY frames, or SPDY frames inside WebSocket messages. Nothing
is translated: the cluster gets the protocol that the client chose. A half-closed direction stays half-closed. An end that
the protocol does not show to be one is never passed on as such: the client gets a failure Status first, because a bare cut
of SPDY, or a Close 1000 alone, looks like success to kubectl (kubernetes-wire 4.4, 5.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from l7gw.gateway.flow import NO_ROOM, UNWRITTEN
from l7gw.gateway.pace import CONTROL_A_SECOND, Newest, Pace, Silence
from l7gw.kube.channels import NOT_PASSED, ChannelFrame, check_kept_back
from l7gw.kube.status import failure
from l7gw.wire import websocket
from l7gw.wire.errors import PeerError

if TYPE_CHECKING:
    from l7gw.cluster.upstream_http1 import UpstreamConnection
    from l7gw.gateway.downstream_http1 import Http1Downstream
    from l7gw.gateway.exchange import Exchange


class Tunnel:
    """What both kinds share: who is at the ends, and how it ends."""

    _sizes: Newest[Any]  # of the terminal

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.record_of is not None and exchange.upstream is not None
        self._exchange = exchange
        self._client = cast("Http1Downstream", exchange.client)  # upgrades come over HTTP/1.1 alone
        self._cluster = cast("UpstreamConnection", exchange.upstream)
        self._record = exchange.record_of
        self._control = Pace(exchange.worker.clock, CONTROL_A_SECOND)
        now = exchange.worker.clock.monotonic()
        self._to_client, self._to_cluster = Silence(now), Silence(now)
        self._cluster_writable = True
        self._over = False

    def begin(self) -> None:
        """The 101 is written: the client's connection is the tunnel's from here on."""
        self._client.become(self)

    def cluster_writable(self, writable: bool) -> None:
        """A cluster that takes no more pauses the client."""
        self._cluster_writable = writable
        self._client.read(writable, NO_ROOM)

    def disk_caught_up(self) -> None:
        self._client.read(True, UNWRITTEN)

    def from_client(self, data: bytes) -> None:
        """Bytes of the client: judged, recorded, and up. If they break its protocol the tunnel ends; a slow disk pauses it."""
        if self._over:
            return
        try:
            self._up(data)
        except PeerError as error:
            self._broken(error)
            return
        if self._over:
            return
        self._flush()
        if self._record.session.backlogged:
            self._client.read(False, UNWRITTEN)
            self._exchange.worker.when_drained(self._exchange)

    def _broken(self, error: PeerError) -> None:
        self._exchange.worker.of_peers.info(self._client.address, "the client broke the protocol of its stream: %s", error)
        self.end(f"the stream is not what its protocol allows: {error}")

    def _keep_back(self, frame: ChannelFrame) -> None:
        """Record what goes no further. Raises PeerError where that is too much of the client's, or bytes for a stdin that the call
        did not ask for."""
        self._record.frame(frame.channel + NOT_PASSED, frame.up, frame.stream, frame.data, frame.final)
        if frame.up:
            check_kept_back(frame)
            self._control.count()

    def from_cluster(self, data: bytes) -> None:
        """Bytes of the cluster: recorded, and down. Its faults end the tunnel, told to the client as a failure."""
        if self._over:
            return
        try:
            self._down(data)
        except PeerError as error:
            self._exchange.warn_of_cluster("it broke the protocol of the stream of %s: %s", self._exchange.audit_id, error)
            self.end(f"the cluster's stream is not what its protocol allows: {error}", "cut")
            return
        if not self._over:
            self._flush()

    def cluster_ended(self) -> None:
        """The cluster's connection ended. Whether the stream did, its framing tells."""
        if self._over:
            return
        if self._complete():
            self._client.write(self._farewell())
            self._finish("complete", "")
        else:
            self.end("the cluster ended the connection before the stream was complete", "cut")

    cluster_lost = cluster_ended

    def client_ended(self, why: str) -> None:
        """The client is gone; the cluster hears it at once, so that nothing runs for nobody."""
        if not self._over:
            self._over = True
            self._cluster.write(self._goodbye())
            self._cluster.close()
            self._sizes.end()
            self._exchange.ended(*self._by_client(why))

    def _by_client(self, why: str) -> tuple[str, str]:
        """Outcome and reason where the client ends the tunnel."""
        return ("complete", "") if self._complete() else ("aborted", f"{why}, before the stream was complete")

    def end(self, why: str, outcome: str = "cut") -> None:
        """End the stream for a reason of our own, so that the client cannot take it for success."""
        if self._over:
            return
        self._client.write(self._failure(failure(why)))
        self._cluster.write(self._goodbye())
        self._finish(outcome, why)

    def _finish(self, outcome: str, reason: str) -> None:
        self._over = True
        self._cluster.close()
        self._sizes.end()
        self._exchange.ended(outcome, reason)
        self._client.linger()

    def tick(self, now: float) -> None:
        """Once a second: what waited for the client to read goes out, and a side that we told nothing for long is pinged.

        Not one that does not read: a ping would only wait behind the rest. The record has none of this: it is of the client's
        and the cluster's words.
        """
        self._flush()
        if self._to_client.is_due(now) and self._client.writable:
            self._to_client.awaited = self._ping_client()
        if self._to_cluster.is_due(now) and self._cluster_writable:
            self._to_cluster.awaited = self._ping_cluster()
        self._flush()

    def _flush(self) -> None:
        """Write what the legs have ready."""
        if data := self._for_cluster():
            self._to_cluster.wrote = True
            self._cluster.write(data)
        if data := self._for_client():
            self._to_client.wrote = True
            self._client.write(data)

    # -- what the kinds say

    def _up(self, data: bytes) -> None:
        raise AssertionError

    def _down(self, data: bytes) -> None:
        raise AssertionError

    def _for_cluster(self) -> bytes:
        raise AssertionError

    def _for_client(self) -> bytes:
        raise AssertionError

    def _ping_client(self) -> object:
        """Ping, and give the event that answers; None where the leg takes no more."""
        raise AssertionError

    def _ping_cluster(self) -> object:
        raise AssertionError

    def _complete(self) -> bool:
        raise AssertionError

    def _failure(self, status: bytes) -> bytes:
        """What tells the client that the stream failed."""
        raise AssertionError

    def _farewell(self) -> bytes:
        """What tells the client of an end that is one."""
        raise AssertionError

    def _goodbye(self) -> bytes:
        """What tells the cluster that the client has left."""
        raise AssertionError


def ping(leg: websocket.Connection) -> websocket.Pong | None:
    """Our ping on a WebSocket, and what answers it. Those answer that read: gorilla's (kubectl, the API server's tunnel), x/net's
    (the API server, the kubelet), Python's websocket-client. In the longest stream the answers are a thirteenth of the control
    frames in a row that the codec bears."""
    if leg.close_sent or leg.close_received:
        return None
    leg.send(websocket.Ping())
    return websocket.Pong()
