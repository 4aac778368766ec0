"""Which HTTP each request came in, written down by the gateway's own process: what a client says of itself is no proof.

`l7gw serve` keeps no such record. So the gateway of a test is started by a program that replaces the function with which each call
begins, and notes there the kind of the connection that the request came on. In the compiled build it can replace nothing, and
nothing is asserted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.builds import is_compiled

HTTP1, HTTP2 = "HTTP/1.1", "HTTP/2"


@dataclass(frozen=True)
class Asked:
    """One request that came to the gateway."""

    http: str  # HTTP1 or HTTP2
    upgrade: str  # the protocol of an upgrade; "" for other requests
    method: str
    target: str
    client: str  # its User-Agent


class Spoken:
    """The requests that came to a gateway. The gateway's program must begin with `lines`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        root = str(Path(__file__).parent.parent.parent)
        self.lines = (
            []
            if is_compiled()
            else [
                f"import sys; sys.path.insert(0, {root!r})",
                f"from tests.support.spoken_http import write_down; write_down({str(path)!r})",
            ]
        )

    def asked(self) -> list[Asked]:
        return [Asked(*json.loads(line)) for line in self._path.read_text().splitlines()]

    @contextlib.contextmanager
    def only(self, http: str) -> Iterator[None]:
        """Assert that requests come over this HTTP alone until the block ends. Upgrades are left out: they come over HTTP/1.1
        alone."""
        before = len(self.asked())
        yield
        if is_compiled():
            return
        asked = self.asked()[before:]
        assert any(not one.upgrade for one in asked), "nobody asked the gateway for anything"
        other = [one for one in asked if one.http != (HTTP1 if one.upgrade else http)]
        assert not other, f"not over {http}: {other}"


def write_down(path: str) -> None:
    """In the gateway's process: write a line of JSON for every request, in order, before the request is handled further."""
    from l7gw.gateway.downstream_http1 import Http1Downstream
    from l7gw.gateway.downstream_http2 import Http2Stream
    from l7gw.gateway.exchange import Exchange

    spoken = {Http1Downstream: HTTP1, Http2Stream: HTTP2}
    begin = Exchange.begin
    lines = Path(path).open("a", buffering=1)  # noqa: SIM115  (stays open as long as the process lives)

    def noted(exchange: Exchange) -> Any:
        request = exchange.request
        agent = dict(request.headers).get("user-agent", "")
        print(json.dumps([spoken[type(exchange.client)], request.upgrade, request.method, request.target, agent]), file=lines)
        return begin(exchange)

    Exchange.begin = noted  # type: ignore[method-assign]
