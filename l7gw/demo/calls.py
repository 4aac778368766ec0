"""The requests and answers of the demo's handlers, the same for HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from l7gw.demo.websocket import WebSocket
from l7gw.hooking.plain_values import as_it_came
from l7gw.kube.objects import protobuf_nodes

PROTOBUF = "application/vnd.kubernetes.protobuf"
LARGEST_BODY = 3 * 1024 * 1024  # bytes of a request's body, as the real API server allows


@dataclass
class Call:
    """One request with its whole body."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    header_lines: list[tuple[str, str]]
    protocol: str  # the name in ALPN: http/1.1 or h2
    body: bytes = b""

    @classmethod
    def of(cls, protocol: str, method: str, target: str, lines: list[tuple[str, str]]) -> Call:
        """A call whose body is still empty. `lines` are header lines with lower-case names."""
        path, _, query = target.partition("?")
        return cls(method, unquote(path), parse_qsl(query, keep_blank_values=True), dict(lines), lines, protocol)

    def flag(self, name: str) -> bool:
        value = self.first(name)
        return value is not None and value.lower() not in ("0", "false")

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def document(self) -> Any:
        """The body, in JSON or protobuf, as JSON has it. Raises ValueError, and Unreadable for broken protobuf."""
        if self.headers.get("content-type", "").startswith(PROTOBUF):
            return as_it_came(protobuf_nodes.read(self.body, strict=True))
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    """A handler's answer: a body, or an iterator whose pieces are sent as they come, or a WebSocket conversation."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    pieces: AsyncGenerator[bytes, None] | None = None
    websocket: tuple[str, Callable[[WebSocket], Awaitable[None]]] | None = None  # subprotocol, conversation
    headers: list[tuple[str, str]] = field(default_factory=list)

    def head(self, call: Call) -> list[tuple[str, str]]:
        """All header lines of the answer to this call."""
        lines = [("content-type", self.content_type), ("cache-control", "no-cache, private"), *self.headers]
        lines.append(("audit-id", call.headers.get("audit-id", "")))
        if self.pieces is None:
            lines.append(("content-length", str(len(self.body))))
        return lines


Handler = Callable[[Call], Awaitable[Answer]]
