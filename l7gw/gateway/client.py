"""What an exchange asks of its client's side, whichever HTTP that speaks."""

from __future__ import annotations

from typing import Protocol

from l7gw.kube.act import Act
from l7gw.wire.events import HttpEvent, Request


class Client(Protocol):
    """A connection of HTTP/1.1, or one stream of HTTP/2."""

    @property
    def address(self) -> str:
        """Whence the client comes, without its port."""

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The chain of what it showed in the handshake, DER, its own first; empty where it showed none."""

    @property
    def server_name(self) -> str:
        """Whom it named in the handshake."""

    @property
    def run_id(self) -> str:
        """The connection's own run, for clients that do not name theirs."""

    @property
    def websocket_key(self) -> str:
        """Of the upgrade that is asked for."""

    @property
    def writable(self) -> bool:
        """False while more waits for a slow reader than should."""

    def describe(self, request: Request, target: str) -> Act:
        """The meaning of a request line. Raises Refusal."""

    def send(self, event: HttpEvent) -> None:
        """A part of the answer; it goes out with `flush`."""

    def flush(self) -> None:
        """Write what was sent."""

    def finished(self, call: object) -> None:
        """The call's answer is whole."""

    def abort(self) -> None:
        """A cut that nobody can take for an end."""
