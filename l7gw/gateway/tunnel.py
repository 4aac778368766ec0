"""A tunnel: what an exchange becomes after its 101. Two legs of one protocol, one channel vocabulary for the record.

    client  <->  leg  <->  events, judged and recorded  <->  leg  <->  cluster

A leg turns bytes into events and back: WebSocket messages, SPDY frames, or SPDY frames inside WebSocket messages. Nothing
is translated: the cluster gets the protocol that the client chose. A half-closed direction stays half-closed. An end that
the protocol does not show to be one is never passed on as such: the client gets a failure Status first, because a bare cut
of SPDY, or a Close 1000 alone, looks like success to kubectl (kubernetes-wire 4.4, 5.5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

from l7gw.clock import Clock
from l7gw.gateway.backpressure import NO_ROOM, UNWRITTEN
from l7gw.gateway.pace import CONTROL_A_SECOND, Newest, Pace, Silence
from l7gw.kube.channels import NOT_PASSED, ChannelFrame, check_kept_back
from l7gw.kube.status import failure
from l7gw.recording.session import CallRecord
from l7gw.wire import websocket
from l7gw.wire.errors import PeerError


class Call(Protocol):
    """The call that became the tunnel."""

    def may_forward(self, port: int) -> bool:
        """The verdict on one connection inside a port-forward."""

    def slow_disk(self) -> None:
        """The tunnel has stopped reading: it wants to hear `disk_caught_up`."""

    def client_broke(self, error: PeerError) -> None:
        """For the log: the client broke the protocol of its stream."""

    def cluster_broke(self, error: PeerError) -> None:
        """For the log: the cluster did."""

    def ended(self, outcome: str, reason: str) -> None:
        """The tunnel is over; `reason` is "" of what is complete."""


class ClientSide(Protocol):
    """The client's connection, which is the tunnel's from the 101 on."""

    @property
    def writable(self) -> bool:
        """False while more waits for a slow reader than should."""

    def write(self, data: bytes) -> None: ...

    def read(self, wanted: bool, why: int) -> None:
        """Read it, or leave its bytes where they are, for one of the reasons in `backpressure`."""

    def become(self, tunnel: Tunnel) -> None:
        """Hand every further byte to the tunnel."""

    def linger(self) -> None:
        """The tunnel is over: let the client end the connection."""


class ClusterSide(Protocol):
    """The connection to the cluster."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ends:
    """What a tunnel stands between, and where it is written down."""

    call: Call
    client: ClientSide
    cluster: ClusterSide
    record: CallRecord
    clock: Clock


class Tunnel(ABC):
    """What both kinds share: who is at the ends, and how it ends."""

    _sizes: Newest[Any]  # of the terminal

    def __init__(self, ends: Ends) -> None:
        self._call = ends.call
        self._client = ends.client
        self._cluster = ends.cluster
        self._record = ends.record
        self._clock = ends.clock
        self._control = Pace(ends.clock, CONTROL_A_SECOND)
        now = ends.clock.monotonic()
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
            self._call.slow_disk()

    def _broken(self, error: PeerError) -> None:
        self._call.client_broke(error)
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
            self._call.cluster_broke(error)
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
            self._call.ended(*self._by_client(why))

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
        self._call.ended(outcome, reason)
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

    @abstractmethod
    def _up(self, data: bytes) -> None:
        """Bytes of the client: recorded, and said to the cluster. Raises PeerError."""

    @abstractmethod
    def _down(self, data: bytes) -> None:
        """Bytes of the cluster: recorded, and said to the client. Raises PeerError."""

    @abstractmethod
    def _for_cluster(self) -> bytes:
        """What is to be written to the cluster now."""

    @abstractmethod
    def _for_client(self) -> bytes:
        """What is to be written to the client now."""

    @abstractmethod
    def _ping_client(self) -> object:
        """Ping, and give the event that answers; None where the leg takes no more."""

    @abstractmethod
    def _ping_cluster(self) -> object: ...

    @abstractmethod
    def _complete(self) -> bool:
        """Whether an end of the connection now is the stream's end."""

    @abstractmethod
    def _failure(self, status: bytes) -> bytes:
        """What tells the client that the stream failed."""

    @abstractmethod
    def _farewell(self) -> bytes:
        """What tells the client of an end that is one."""

    @abstractmethod
    def _goodbye(self) -> bytes:
        """What tells the cluster that the client has left."""


def ping(leg: websocket.Connection) -> websocket.Pong | None:
    """Our ping on a WebSocket, and what answers it. Those answer that read: gorilla's (kubectl, the API server's tunnel), x/net's
    (the API server, the kubelet), Python's websocket-client. In the longest stream the answers are a thirteenth of the control
    frames in a row that the codec bears."""
    if leg.close_sent or leg.close_received:
        return None
    leg.send(websocket.Ping())
    return websocket.Pong()
