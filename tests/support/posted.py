"""Another side's HTTP server, which keeps what it is sent and answers as the test says. Signatures are made by plain hmac here."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

SECRET = "a secret of both sides".replace(" ", "-")


class Sent(NamedTuple):
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Said(NamedTuple):
    """An answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


class Side:
    """The server. `answer` says what is answered to a POST; `sent` are those that came, in their order."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.sent: list[Sent] = []
        self.answer: Callable[[Sent], Said] = lambda _sent: Said()
        self.came = threading.Condition()

    def take(self, sent: Sent) -> Said:
        with self.came:
            said = self.answer(sent)
            self.sent.append(sent)
            self.came.notify_all()
        return said

    def wait(self, enough: Callable[[list[Sent]], object], within: float = 60.0) -> list[Sent]:
        """What came, once that is enough."""
        with self.came:
            assert self.came.wait_for(lambda: enough(self.sent), within), self.sent
            return list(self.sent)


@contextmanager
def side() -> Iterator[Side]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            said = here.take(Sent(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(said.status)
            for name, value in (("content-length", str(len(said.body))), *said.headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *arguments: object) -> None:
            """A test says what went wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Side(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def webhook_signature(body: bytes, when: int, secret: str = SECRET) -> str:
    mac = hmac.new(secret.encode("ascii"), str(when).encode("ascii") + b"." + body, hashlib.sha256)
    return f"t={when},v1={mac.hexdigest()}"


def slack_signature(body: bytes, when: int, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode("ascii"), b"v0:" + str(when).encode("ascii") + b":" + body, hashlib.sha256).hexdigest()


def is_signed(sent: Sent, secret: str = SECRET) -> bool:
    """Whether a message of the gateway's webhook has the signature that its page describes."""
    said = dict(part.split("=", 1) for part in sent.headers["l7gw-signature"].split(","))
    mac = hmac.new(secret.encode("ascii"), said["t"].encode("ascii") + b"." + sent.body, hashlib.sha256)
    return said["v1"] == mac.hexdigest()
