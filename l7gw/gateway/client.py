"""What an exchange asks of its client's side, over HTTP/1.1 and HTTP/2 alike."""

from __future__ import annotations

from typing import Protocol

from l7gw.gateway.header_fields import HeaderFields
from l7gw.kube.act import Act
from l7gw.wire.events import Body, HttpEvent, Request, Response


class Client(Protocol):
    """A connection of HTTP/1.1, or one stream of HTTP/2."""

    @property
    def address(self) -> str:
        """The client's IP address, without the port."""

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The certificates that the client showed in the handshake, in DER, its own first; empty where it showed none."""

    @property
    def server_name(self) -> str:
        """The host name that the client asked for in the handshake (SNI); "" where it named none."""

    @property
    def run_id(self) -> str:
        """The id of the connection's own run, for clients that send no `Kubectl-Session`."""

    @property
    def websocket_key(self) -> str:
        """The `Sec-WebSocket-Key` of the upgrade that is asked for; "" for other requests."""

    @property
    def takes_interim(self) -> bool:
        """Whether interim answers keep the connection alive. On HTTP/2 pings do."""

    @property
    def http(self) -> str:
        """The version of HTTP that the call came by: `1.1` or `2`."""

    @property
    def writable(self) -> bool:
        """False while too many bytes wait for a client that reads slowly."""

    def describe(self, request: Request, target: str) -> Act:
        """What a request line asks for. Raises Refusal 400."""

    def said(self, request: Request) -> HeaderFields:
        """What the request's header fields say; the same object as for a request of the same connection with the same fields."""

    def send(self, event: HttpEvent) -> None:
        """Encode a part of the answer. It is written by the next `flush`."""

    def send_whole(self, head: Response, body: Body) -> None:
        """Encode an answer that is a success, its body and its end: `send` of the three."""

    def flush(self) -> None:
        """Write what `send` has encoded."""

    def finished(self, call: object) -> None:
        """The call's answer is whole."""

    def abort(self) -> None:
        """Cut the answer in a way that the client cannot take for its end."""


def run_of(said: HeaderFields, client: Client) -> str:
    """The id of the client process that makes a call: its `Kubectl-Session`, else its connection's own."""
    return said.run or client.run_id
