"""Where Slack's answers come in: `reviews.slack.listen`, one path, HTTP/1.1 by our own codec.

At a loopback address it speaks HTTP, for a proxy or a tunnel before it; at any other TLS, with the gateway's certificate.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import replace

from l7gw.api.connection import Connection
from l7gw.api.handlers import Watch, fault_of
from l7gw.api.messages import Failure
from l7gw.api.requests import Answer
from l7gw.approval.messages import encode
from l7gw.clock import Clock
from l7gw.cluster.transport import SocketReading, listen
from l7gw.config.private import load_pair
from l7gw.config.settings import Certificate, listened_on
from l7gw.errors import Refusal
from l7gw.file_stamp import Stamp
from l7gw.log import CountedLog
from l7gw.loopback import is_loopback
from l7gw.notify.slack_answers import SlackAnswers
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Body, End, Informational, Request, Response

log = logging.getLogger(__name__)

PATH = "/slack/interactions"
LARGEST = 256 * 1024  # bytes of a request: Slack sends the message along, escaped twice; ours has 40 KiB so at most
IDLE = 30.0  # seconds that a connection may be idle; anybody may open one, and Slack opens another
MOST_CONNECTIONS = 64  # Slack's and its proxy's; so many bodies are held at most
BACKLOG = 64


class SlackListener:
    """The listener. `answers` may be replaced while it runs."""

    def __init__(self, answers: SlackAnswers, listen: tuple[str, int], tls: Certificate, clock: Clock, timeouts: Timeouts) -> None:
        self.answers = answers
        self.clock = clock
        self.timeouts = replace(timeouts, between_requests=IDLE)
        self.of_peers = CountedLog(log, clock.monotonic)
        self.listen = listen
        self.tls = tls
        self.address = ""  # where it listens, once it does
        self._server: asyncio.Server | None = None
        self._open: dict[Connection, None] = {}
        self._counted = 0
        self._context = None if is_loopback(listen[0]) else _context(tls)
        self._stamp = Stamp(tls.certificate, tls.key)

    async def open(self) -> None:
        """Listen. Raises OSError, in words for people, where the address cannot be used."""
        host, port = self.listen
        context = self._context
        try:
            if context is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG)
            else:
                self._server = await listen(
                    lambda: _OverTls(self), host, port, lambda: context, self, backlog=BACKLOG, timeouts=self.timeouts
                )
        except OSError as error:
            raise OSError(f"`reviews.slack.listen`: {listened_on(host, port)} cannot be used: {error.strerror or error}") from error
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = listened_on(host, port)
        log.info("Slack's answers are taken at %s://%s%s", "https" if self._context else "http", self.address, PATH)

    def tick(self, now: float) -> None:
        """Once a second."""
        self.of_peers.tick()
        self.answers.tick()
        for one in list(self._open):
            one.tick(now)
        if self._context is not None and self._stamp.changed():
            try:
                _context(self.tls)  # a pair that failed half-way would serve the new certificate with the old key
                load_pair(self._context, self.tls.certificate, self.tls.key)
            except (OSError, ValueError) as error:
                log.error("certificate %s is not used for Slack: %s", self.tls.certificate, error)

    def close(self) -> None:
        """Accept no more. What is under way is answered."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for one in list(self._open):
            one.end()
        self.answers.close()

    # ------------------------------------------------------------------ for connections

    @property
    def services(self) -> SlackListener:
        return self

    def call(self, one: Connection, request: Request) -> SlackCall:
        return SlackCall(self, one, request)

    def admit(self, one: Connection, transport: asyncio.BaseTransport) -> bool:
        if self._context is None and not self.opened():
            return False
        peer = transport.get_extra_info("peername")
        one.address = str(peer[0]) if peer else ""
        self._open[one] = None
        return True

    def dismiss(self, one: Connection) -> None:
        if one in self._open:
            del self._open[one]
            if self._context is None:
                self.closed()

    # ------------------------------------------------------------------ as the door of TLS, which counts from the first packet

    def opened(self) -> bool:
        """Count a connection. False where there are too many: it is not counted then."""
        if self._counted >= MOST_CONNECTIONS:
            self.of_peers.warning("Slack", "%d connections for its answers are open, one more is refused", MOST_CONNECTIONS)
            return False
        self._counted += 1
        return True

    def closed(self) -> None:
        """A connection that was counted is closed."""
        self._counted -= 1

    def failed(self, address: str, error: ssl.SSLError) -> None:
        """The handshake with a client failed."""
        self.of_peers.warning(address, "TLS handshake for Slack's answers cut: %s", error.reason or "no TLS")

    def left(self, address: str, *, in_time: bool) -> None:
        """A client did not finish its handshake."""
        self.of_peers.info(address, "TLS handshake for Slack's answers left unfinished")


class _OverTls(Connection):
    below: SocketReading | None = None


class SlackCall:
    """One request. It has the entries that a connection knows (`api.connection.Call`)."""

    is_stream = False

    def __init__(self, listener: SlackListener, client: Connection, request: Request) -> None:
        self._listener = listener
        self._client = client
        self._request = request
        self._body = bytearray()
        self._whole = False
        self._over = False

    @property
    def waits_for_body(self) -> bool:
        return not self._whole and not self._over

    def begin(self) -> None:
        request = self._request
        if request.target.partition("?")[0] != PATH:
            self._refuse(Refusal(404, "NotFound", f"there is only {PATH} here"))
        elif request.method != "POST" or request.upgrade:
            self._refuse(Refusal(405, "MethodNotAllowed", f"{PATH} takes POST alone"))
        elif request.length > LARGEST:
            self._refuse(_too_large())
        elif request.expects_continue:
            self._client.send(Informational(100))

    def on_body(self, data: bytes) -> None:
        if not self._over:
            self._body += data
            if len(self._body) > LARGEST:
                self._refuse(_too_large())

    def on_request_end(self) -> None:
        self._whole = True
        if self._over:
            return
        try:
            press = self._listener.answers.read(dict(self._request.headers), bytes(self._body))
            self._listener.answers.take(press, self._answered)
        except Refusal as refusal:
            self._refuse(refusal)
        except Exception:
            log.exception("an answer of Slack's went wrong")
            self._refuse(Refusal(500, "InternalError", "the gateway failed at this message"))

    def malformed(self, refusal: Refusal, *, answerable: bool) -> None:
        if not self._over and answerable:
            self._send(refusal.code, encode(Failure(error=fault_of(refusal))), close=True)
            self._client.flush()
        self._over = True

    def client_gone(self, why: str) -> None:
        self._over = True

    def on_client_writable(self, *, writable: bool) -> None:
        """Answers are short."""

    def tick(self, now: float) -> None:
        """The connection looks at the times."""

    def _answered(self, said: Answer | Watch | Refusal) -> None:
        if isinstance(said, Refusal):
            self._refuse(said)
        elif isinstance(said, Answer) and not self._over:
            self._send(said.status, said.body)
            self._finish()

    def _refuse(self, refusal: Refusal) -> None:
        if not self._over:
            self._listener.of_peers.warning(self._client.address, "a message to Slack's listener was refused: %s", refusal.message)
            self._send(refusal.code, encode(Failure(error=fault_of(refusal))))
            self._finish()

    def _send(self, status: int, body: bytes, *, close: bool = False) -> None:
        headers = (("content-type", "application/json"), ("cache-control", "no-store")) if body else ()
        self._client.send(Response(status, headers, len(body), keep_alive=not close))
        if self._request.method != "HEAD":
            self._client.send(Body(body))
        self._client.send(End())

    def _finish(self) -> None:
        self._over = True
        self._client.flush()
        self._client.finished(self)


def _context(tls: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, tls.certificate, tls.key)
    return context


def _too_large() -> Refusal:
    return Refusal(413, "RequestEntityTooLarge", f"a message has at most {LARGEST // 1024} KiB")
