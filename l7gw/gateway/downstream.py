"""One connection of a client, over HTTP/1.1 and HTTP/2 alike: its TLS, its address, and what its requests say.

Every request is identified and judged by itself (threats A16). What a connection remembers of its requests is what their bytes say
(`header_fields.py`), and what a call with the same head was, which is not believed before the caller is proven anew
(`known_call.py`).
"""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from l7gw.api.call import Api, ApiCall
from l7gw.api.messages import ROOT as API
from l7gw.cluster.liveness import Liveness
from l7gw.cluster.transport import SocketReading
from l7gw.errors import Refusal, StatusReason
from l7gw.gateway.access_log import of_attempt
from l7gw.gateway.backpressure import ANY
from l7gw.gateway.call_services import CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.exchange import Exchange
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.refusal import tell
from l7gw.gateway.tls import Listening
from l7gw.identifiers import new_audit_id
from l7gw.kube.act import Act
from l7gw.kube.known_lines import KnownLines
from l7gw.limits import Limits
from l7gw.recording.call_record import CallRecord
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Headers, HttpEvent, Request

if TYPE_CHECKING:
    import ssl

UNREAD_BY_CLIENT = 256 * 1024  # bytes that wait for a client that reads slowly; where there are more, the cluster is not read
NOT_READ = "the client did not read the answer"  # reason in the record
RESTARTED = "the gateway is being restarted; run the command again"


ClientCall = Exchange | ApiCall


class ConnectionServices(CallServices, Protocol):
    """What a client's connection asks of its worker, beside what its calls ask (`CallServices`)."""

    api: Api
    draining: bool
    limits: Limits
    lines: KnownLines
    listening: Listening

    def admit(self, client: Downstream) -> None:
        """Add a connection whose handshake is done: from now on it gets ticks and takes part in drains."""

    def dismiss(self, client: Downstream) -> None:
        """Remove a connection that is over."""

    def begin_attempt(self, client: Downstream) -> CallRecord:
        """A new record, among the day's attempts, of bytes that were no request."""


def call_of(worker: ConnectionServices, client: Client, request: Request) -> ClientCall:
    """The call that a request begins: of the gateway's own API on every host, before a cluster is chosen, else of a cluster."""
    if request.target.startswith(API) and request.target[len(API) : len(API) + 1] in ("", "/", "?"):
        return ApiCall(worker.api, client, request)
    return Exchange(worker, client, request)


class Downstream(asyncio.Protocol, ABC):
    """A client's TLS connection; `Http1Downstream` and `Http2Downstream` are the two kinds."""

    __slots__ = (
        "_liveness", "_reading_since", "_run_id", "_said", "_seen", "_transport", "_unread", "_why_lost", "_worker",
        "address", "below", "certificates", "server_name", "writable",
    )  # fmt: skip

    http = ""  # the version of HTTP

    def __init__(self, worker: ConnectionServices) -> None:
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self.below: SocketReading | None = None
        self._said: HeaderFields | None = None  # of the last requests
        self._seen: Headers = ()  # of the last request, where it had other fields
        self._unread = 0  # bits of `backpressure`: why the client is not read; 0 where it is read
        self._reading_since = 0.0  # monotonic seconds when the client's time for what it must send next began
        self._run_id = ""
        self._why_lost = "the client left"  # reason in the record of calls that end with the connection
        self.writable = True  # false while more than UNREAD_BY_CLIENT bytes wait for the client
        self.address = ""
        self.certificates: tuple[bytes, ...] = ()
        self.server_name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's transport is one, but does not inherit from it
        self._reading_since = self._worker.clock.monotonic()
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificates = self._worker.listening.chain(tls)
            self.server_name = getattr(tls, "l7gw_server_name", "")
        transport.set_write_buffer_limits(high=UNREAD_BY_CLIENT)
        self._liveness = Liveness(transport, self._worker.timeouts.client_acknowledges)
        self._worker.admit(self)

    def eof_received(self) -> bool:
        return False  # TLS has no half-close; protocols inside it half-close by frames

    # ------------------------------------------------------------------ for exchanges

    @property
    def run_id(self) -> str:
        self._run_id = self._run_id or str(uuid.uuid4())
        return self._run_id

    def describe(self, request: Request, target: str) -> Act:
        """What a request line asks for. Raises Refusal 400."""
        return self._worker.lines.describe(request.method, target, request.upgrade)

    def said(self, request: Request) -> HeaderFields:
        """What the request's header fields say. It is kept once a second request has the same fields, here or on other
        connections: a watch with a connection of its own has no second one. The fields themselves lie in the codec's memory."""
        said, headers = self._said, request.headers
        if said is not None and said.headers == headers:
            return said
        if not self._worker.limits.remembered:
            return HeaderFields(headers)
        said = self._worker.familiar.said(headers, self)
        if said.known or self._seen == headers:
            self._said = said
            said.kept = True
        self._seen = headers
        return said

    def read(self, *, wanted: bool, why: int) -> None:
        """Note that a reason not to read the client is gone (`wanted`) or has come. `why` is a bit of `backpressure`. The client is
        read while there is no reason left."""
        before = self._unread
        self._unread = before & ~why if wanted else before | why
        below = self.below
        if below is None or self._transport is None or bool(before) is bool(self._unread):
            return
        if wanted:
            below.resume()
        else:
            below.pause()

    def read_on(self) -> None:
        self.read(wanted=True, why=ANY)

    # ------------------------------------------------------------------ for the worker

    @property
    @abstractmethod
    def exchanges(self) -> Sequence[ClientCall]:
        """The calls that are under way."""

    @abstractmethod
    def expects_request(self, now: float) -> bool:
        """Whether a drain should expect one more call: the client was let in or asked in the last `drain_next_call` seconds, and
        its protocol cannot tell it of the drain."""

    def is_lost(self, now: float) -> bool:
        """Whether the client's kernel has stopped acknowledging bytes. A client that only does not read is alive."""
        return self._transport is not None and self._liveness.is_lost(now)

    @abstractmethod
    def tick(self, now: float) -> None:
        """Once a second."""

    @abstractmethod
    def drain(self, waited: float) -> None:
        """The worker has been ending for `waited` seconds. Take no new request, and end the calls that have had their time. Called
        often."""

    def abort(self, why: str = "") -> None:
        """Cut the connection without a final chunk or a close_notify, so that the client cannot take it for an end. `why` goes to
        the record of its calls."""
        self._why_lost = why or self._why_lost
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ for both kinds

    def _is_too_slow(self, exchange: ClientCall, waited: float, received: int) -> bool:
        """Whether a request's body, of which `received` bytes came within `waited` seconds, arrives too slowly (threats I1)."""
        timeouts = self._worker.timeouts
        return exchange.waits_for_body and waited > timeouts.request_head + received / timeouts.slowest_body

    def _had_its_time(self, exchange: ClientCall, waited: float) -> bool:
        """Whether a drain that began `waited` seconds ago has waited long enough for this call."""
        timeouts = self._worker.timeouts
        if exchange.waits_for_reviewer:
            return True
        return waited >= (timeouts.drain_streams if exchange.is_stream else timeouts.drain_short_calls)

    def _refuse_unreadable(self, exchange: ClientCall | None, error: PeerError, send: Callable[[HttpEvent], None] | None) -> None:
        """End a request that cannot be read, or that came too slowly. It is recorded in its call or, without one, among the
        attempts. The refusal goes to the client by `send`; None where nothing can be sent any more."""
        refusal = Refusal(error.code, _REASONS.get(error.code, "BadRequest"), error.reason)
        self._worker.of_peers.info(self.address, "malformed request: %s", refusal.message)
        if exchange is not None:
            exchange.malformed(refusal, answerable=send is not None)
        else:
            self._record_attempt(refusal, send)

    def _record_attempt(self, refusal: Refusal, send: Callable[[HttpEvent], None] | None = None) -> None:
        """Record bytes that were no request: the address that they came from and why they were refused, never the bytes
        themselves."""
        audit_id = new_audit_id()
        record = self._worker.begin_attempt(self)
        record.request(method="", target="", headers=(), act=None, audit_id=audit_id)
        record.verdict("refused", reason=f"from {self.address}: {refusal.message}")
        if send is not None:
            tell(refusal, send, record, audit_id=audit_id, close=True)
        record.end("refused", refusal.message)
        if not record.silent:
            self._worker.access.ended(
                of_attempt(record, self._worker.clock.wall(), self.address, self.http, audit_id, refusal.message), "refused"
            )


TOO_SLOW = PeerError(408, "the request's body arrives too slowly")
_REASONS: dict[int, StatusReason] = {  # HTTP status -> reason of the metav1.Status
    405: "MethodNotAllowed",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
}
