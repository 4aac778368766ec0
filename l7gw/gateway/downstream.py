"""One connection of a client, whichever HTTP it speaks: its TLS, who is at its end, and what its request lines mean.

Every request is identified and judged by itself: nothing about who asks is kept on the connection (threats A16).
"""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from l7gw.cluster.liveness import CLIENT_WITHIN, Liveness
from l7gw.errors import Refusal
from l7gw.gateway.backpressure import ANY
from l7gw.gateway.call import Gateway, new_audit_id
from l7gw.gateway.exchange import Exchange
from l7gw.gateway.refusal import tell
from l7gw.gateway.tls import Listening
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.recording.session import CallRecord
from l7gw.wire.errors import PeerError
from l7gw.wire.events import HttpEvent, Request

if TYPE_CHECKING:
    import ssl

WRITE_LIMIT = 256 * 1024  # bytes that wait for a slow reader before the cluster is read no further
MOST_KNOWN = 256  # request lines whose meaning is remembered on one connection ...
LONGEST_KNOWN = 2048  # ... and the characters of a target that is: together they are half a mebibyte
RESTARTED = "the gateway is being restarted; run the command again"


class Worker(Gateway, Protocol):
    """What a client's connection needs of its worker, beside what its calls do."""

    draining: bool
    listening: Listening

    def admit(self, client: Downstream) -> None:
        """Its handshake is done: from now on it is ticked, drained, and has a part in what concerns all."""

    def dismiss(self, client: Downstream) -> None:
        """Its connection is over."""

    def begin_attempt(self, client: Downstream) -> CallRecord:
        """The record of bytes that were no request."""


class Downstream(asyncio.Protocol, ABC):
    """A client's TLS connection; `Http1Downstream` and `Http2Downstream` are the two kinds."""

    __slots__ = (
        "_known", "_liveness", "_reading_since", "_run_id", "_transport", "_unread", "_why_lost", "_worker",
        "address", "certificates", "server_name", "socket_transport", "writable",
    )  # fmt: skip

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self.socket_transport: asyncio.Transport | None = None
        self._known: dict[tuple[str, str, str], Act] = {}
        self._unread = 0  # the reasons not to read
        self._reading_since = 0.0  # when what is owed now, or the wait for it, began
        self._run_id = ""
        self._why_lost = "the client left"  # what the record says of the calls that end with the connection
        self.writable = True  # false while more waits for a slow reader than should
        self.address = ""
        self.certificates: tuple[bytes, ...] = ()
        self.server_name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one, but not by inheritance
        self._reading_since = self._worker.clock.monotonic()
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificates = self._worker.listening.chain(tls)
            self.server_name = getattr(tls, "l7gw_server_name", "")
        transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self._liveness = Liveness(transport, CLIENT_WITHIN)
        self._worker.admit(self)

    def eof_received(self) -> bool:
        return False  # TLS has no half-close: a protocol's own half-closes are frames

    # ------------------------------------------------------------------ for exchanges

    @property
    def run_id(self) -> str:
        self._run_id = self._run_id or str(uuid.uuid4())
        return self._run_id

    def describe(self, request: Request, target: str) -> Act:
        """The meaning of a request line, remembered: clients repeat themselves."""
        key = (request.method, target, request.upgrade)
        act = self._known.get(key)
        if act is None:
            act = describe(*key)
            if len(target) > LONGEST_KNOWN:
                return act
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = act
        return act

    def read(self, wanted: bool, why: int) -> None:
        """Read the client, or leave its bytes where they are; `why` is the reason that comes or goes."""
        before = self._unread
        self._unread = before & ~why if wanted else before | why
        transport = self.socket_transport
        if transport is None or self._transport is None or bool(before) is bool(self._unread):
            return
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def read_on(self) -> None:
        self.read(True, ANY)

    # ------------------------------------------------------------------ for the worker

    @property
    @abstractmethod
    def exchanges(self) -> Sequence[Exchange]:
        """The calls that are under way."""

    @abstractmethod
    def asks_on(self, now: float) -> bool:
        """Whether a call may come any moment: the client was let in just now, or asks all the time, and hears of no drain."""

    def is_lost(self, now: float) -> bool:
        """Whether the client's kernel acknowledges nothing any more. One that only does not read is alive."""
        return self._transport is not None and self._liveness.is_lost(now)

    @abstractmethod
    def tick(self, now: float) -> None:
        """Once a second."""

    @abstractmethod
    def drain(self, waited: float) -> None:
        """The worker is ending since `waited` seconds; asked often. Take no new request; end what has had its time."""

    def abort(self, why: str = "") -> None:
        """A cut that nobody can take for an end: no final chunk, no close_notify. `why` is for the record of its calls."""
        self._why_lost = why or self._why_lost
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ for both kinds

    def _refuse_unreadable(self, exchange: Exchange | None, error: PeerError, send: Callable[[HttpEvent], None] | None) -> None:
        """A request that cannot be read, or not in time, ends here: recorded in its call or among the attempts, and told by `send`
        (None: nothing can be said any more)."""
        refusal = Refusal(error.code, _REASONS.get(error.code, "BadRequest"), error.reason)
        self._worker.of_peers.info(self.address, "malformed request: %s", refusal.message)
        if exchange is not None:
            exchange.malformed(refusal, send is not None)
        else:
            self._record_attempt(refusal, send)

    def _record_attempt(self, refusal: Refusal, send: Callable[[HttpEvent], None] | None = None) -> None:
        """Bytes that were no request: whence they came, and why they were refused. Never the bytes themselves."""
        audit_id = new_audit_id()
        record = self._worker.begin_attempt(self)
        record.request("", "", (), None, audit_id)
        record.verdict("", "refused", f"from {self.address}: {refusal.message}")
        if send is not None:
            tell(refusal, send, record, audit_id=audit_id, close=True)
        record.end("refused", refusal.message)


TOO_SLOW = PeerError(408, "the request's body arrives too slowly")
_REASONS = {  # of a metav1.Status, by the HTTP status
    405: "MethodNotAllowed",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
}
