"""The second half of a call: the cluster's answer. It is checked, recorded and handed to the client as it comes. A 101 opens the
tunnel."""

from __future__ import annotations

from typing import Protocol, cast

from l7gw.clock import Clock
from l7gw.cluster.upstream import Upstream
from l7gw.gateway.answer import HeldAnswer, acceptable_upgrade, checked_response, chosen_protocol, shown_headers
from l7gw.gateway.client import Client
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.tunnel import ClientSide, ClusterSide, Sides, Tunnel, TunnelOwner
from l7gw.gateway.tunnel_opening import open_tunnel
from l7gw.kube.act import Act
from l7gw.recording.events import Outcome
from l7gw.recording.redact import recorded_headers
from l7gw.recording.session import CallRecord
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Body, Closed, End, HttpEvent, Raw, Request, Response


class AnsweredCall(TunnelOwner, Protocol):
    """What the relay asks of the call whose answer it handles."""

    audit_id: str
    client: Client
    tunnel: Tunnel | None
    deadline: float

    def finish(self, outcome: Outcome, reason: str) -> None:
        """End the call: the answer is whole."""


class Timed(Protocol):
    """What the relay asks of the worker, for a tunnel."""

    clock: Clock
    timeouts: Timeouts


class AnswerRelay:
    """Handles the answer to one request. `request` is the one that went upstream. `begun` is true once the answer's head went to
    the client; from then on the answer can only be cut. `whole` is true once all of an answer that was held back has come."""

    __slots__ = ("begun", "whole", "_act", "_call", "_far", "_held", "_record", "_request", "_upstream", "_worker")

    def __init__(
        self, call: AnsweredCall, upstream: Upstream, far: FarSide, act: Act, request: Request, record: CallRecord, worker: Timed
    ) -> None:
        self.begun = False
        self.whole = False
        self._call = call
        self._upstream = upstream
        self._far = far
        self._act = act
        self._request = request
        self._record = record
        self._worker = worker
        self._held: HeldAnswer | None = None  # a 403 that is not whole yet

    def take(self, event: HttpEvent) -> None:
        """Take one event of the answer. Raises Refusal where the answer is not passed on, PeerError where the cluster broke its
        protocol."""
        if self._held is not None and not self._let_go(event):
            return
        call = self._call
        if isinstance(event, Body):
            self._record.response_body(event.data)
            call.client.send(event)
        elif isinstance(event, Raw):
            assert call.tunnel is not None
            call.tunnel.from_cluster(event.data)
        elif isinstance(event, Response):
            if HeldAnswer.needed(event, self._act):
                self._held = HeldAnswer(event)
            else:
                self._head(event)
        elif isinstance(event, End):
            call.client.send(event)
            call.finish("complete", "")
        elif isinstance(event, Closed) and call.tunnel is not None:
            call.tunnel.cluster_ended()

    def _let_go(self, event: HttpEvent) -> bool:
        """Whether the event goes on to the client. A 403 is held back until it is known whether it is about the caller."""
        held = self._held
        assert held is not None
        if held.takes(event):
            return False
        self.whole = isinstance(event, End)
        refusal = held.refusal(self._far.name, self._far.standing, self._request) if self.whole else None
        self._held = None
        if refusal is not None:
            raise refusal
        self._head(held.head)
        for body in held.body:
            self.take(body)
        return True

    def _head(self, response: Response) -> None:
        call, act = self._call, self._act
        checked_response(response, act, self._far.standing, self._request)
        call.deadline = 0.0
        switching = response.status == 101
        if switching:
            acceptable_upgrade(self._request, act, response)
        session = self._record.session.id
        proxied = act.subresource == "proxy"
        shown = shown_headers(response, call.audit_id, session, call.client.websocket_key, proxied=proxied)
        self._record.response(response.status, recorded_headers(shown))
        if switching:
            call.tunnel = self._tunnel(response)
        self.begun = True
        call.client.send(Response(response.status, shown, response.length, upgrade=response.upgrade))
        if call.tunnel is not None:
            call.client.flush()
            call.tunnel.begin()

    def _tunnel(self, response: Response) -> Tunnel:
        # Upgrades come over HTTP/1.1 alone and go up over a connection of their own. So both sides are whole connections.
        client, cluster = cast(ClientSide, self._call.client), cast(ClusterSide, self._upstream)
        sides = Sides(self._call, client, cluster, self._record, self._worker.clock, self._worker.timeouts)
        websocket = self._request.upgrade == "websocket"
        return open_tunnel(sides, self._act, websocket=websocket, subprotocol=chosen_protocol(response, websocket=websocket))
