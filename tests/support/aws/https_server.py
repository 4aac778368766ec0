"""A small HTTP(S) server on loopback whose answers are a function: the transport of every stand-in for AWS."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl

MOST_BODY = 1 << 20  # bytes of a request; AWS's own are a hundredth


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str  # path and query as they came, percent-encoded
    headers: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the query and, in a POST of a form, of the body."""
        form = self.body.decode() if self.header("content-type").startswith("application/x-www-form-urlencoded") else ""
        return dict(parse_qsl(self.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))

    @property
    def host(self) -> str:
        """Without the port."""
        return self.header("host").rsplit(":", 1)[0].lower()

    def header(self, name: str) -> str:
        """Its value; "" where it is missing, joined by commas where it came more than once."""
        return ",".join(value for found, value in self.headers if found == name)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Serves while its `with` block runs. `pair` are the files of certificate and key; None makes it plain HTTP. `now` gives the
    time of its Date header, in wall seconds."""

    def __init__(self, answer: Callable[[Asked], Answer], now: Callable[[], float], pair: tuple[Path, Path] | None = None) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30.0  # seconds that an idle connection is kept

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # a client that does not like our certificate, or went away
                    super().handle()

            def respond(self) -> None:
                length = min(int(self.headers.get("content-length") or 0), MOST_BODY)
                headers = tuple((name.lower(), value) for name, value in self.headers.items())
                given = answer(Asked(self.command, self.path, headers, self.rfile.read(length)))
                self.send_response_only(given.status)
                own = {"Date": formatdate(now(), usegmt=True), "Content-Length": str(len(given.body))}
                for name, value in {**own, **given.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(given.body)

            do_GET = do_POST = do_PUT = do_DELETE = respond

            def log_message(self, *_: object) -> None:
                """Write no log."""

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A handshake that failed is the test's matter."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'http' if pair is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
