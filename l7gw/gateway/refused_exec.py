"""Refuses an exec over WebSocket in its own stream: a 101, a failure Status on the error channel, a Close.

kubectl takes every other answer to the upgrade for a server that speaks no WebSocket. It asks again over SPDY, and prints only what
it is told then (kubernetes-wire 5.4). Of a stream that fails it prints the Status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from l7gw.clock import Clock
from l7gw.gateway.alarm import Alarm
from l7gw.gateway.guard import Step
from l7gw.gateway.tunnel_sides import ClientSide
from l7gw.kube.channels import ERROR
from l7gw.kube.status import failure
from l7gw.recording.call_record import CallRecord
from l7gw.wire.events import HttpEvent, Request, Response
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Close, Message
from l7gw.wire.websocket_frames import NORMAL
from l7gw.wire.websocket_handshake import accept_key

V5 = "v5.channel.k8s.io"
# Seconds from the 101 to the Status: kubectl drops a message for a stream that it has not made yet. It makes them at once.
MAKES_STREAMS = 0.1


class RefusedCall(Protocol):
    """What this asks of the call."""

    def enter(self, inside: Step) -> None:
        """Go on with `inside`, behind the guard of the call."""


def hears_within(request: Request) -> bool:
    """Whether the client of an exec or attach prints a Status of its stream, and falls back from an answer: kubectl and client-go,
    which offer v5 alone. Libraries that offer v4 too raise at an answer, and may not look at a Status."""
    offers = [one.strip() for name, value in request.headers if name == "sec-websocket-protocol" for one in value.split(",")]
    return request.upgrade == "websocket" and offers == [V5]


class RefusedExec:
    """The refusal of one exec. What the client sends meanwhile is dropped."""

    __slots__ = ("_alarm", "_call", "_client", "_clock", "_done", "_message", "_record")

    def __init__(self, call: RefusedCall, client: ClientSide, record: CallRecord, message: str, clock: Clock) -> None:
        self._call = call
        self._client = client
        self._record = record
        self._message = message
        self._clock = clock
        self._alarm = Alarm(clock, lambda: self._call.enter(self._say))
        self._done: Callable[[], None] | None = None

    def begin(self, send: Callable[[HttpEvent], None], key: str, audit_id: str, done: Callable[[], None]) -> None:
        """Accept the upgrade. `done` is called when all is told."""
        self._done = done
        headers = (
            ("sec-websocket-accept", accept_key(key)),
            ("sec-websocket-protocol", V5),
            ("audit-id", audit_id),
            ("l7gw-session", self._record.session.id),
        )
        self._record.response(101, headers)
        send(Response(101, headers, upgrade="websocket"))
        self._alarm.set(self._clock.monotonic() + MAKES_STREAMS)

    def from_client(self, data: bytes) -> None:
        """Bytes of the client have come: nobody takes them."""

    def _say(self) -> Step | None:
        status = failure(self._message)
        leg = Connection("server")
        leg.send(Message(bytes((ERROR,)) + status))
        leg.send(Close(NORMAL))
        self._record.frame("error", up=False, stream=ERROR, data=status)
        self._client.switch_to_tunnel(self)
        self._client.write(leg.take())
        done, self._done = self._done, None
        if done is not None:
            done()
        self._client.linger()
        return None

    def close(self) -> None:
        """The call is over."""
        self._alarm.end()
