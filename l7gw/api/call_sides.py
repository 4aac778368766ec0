"""What a call of the API asks of its gateway and of its client's side."""

from __future__ import annotations

from typing import Protocol

import msgspec

from l7gw.api import handlers, replies
from l7gw.api.running import Running
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from l7gw.log import CountedLog
from l7gw.timeouts import Timeouts
from l7gw.wire.events import HttpEvent


class Told(msgspec.Struct):
    """What the access log says of a call of the API. `event` is `call`, or of a watch `open` and `close`. `path` is without its
    query. `status` is 0 where nothing was answered; `reason` is "" where the call is complete. `seconds` are from its head on."""

    event: str
    address: str
    http: str
    principal: Principal
    method: str
    path: str
    status: int
    up: int
    down: int
    seconds: float
    audit_id: str
    reason: str


class Services(replies.Services, handlers.AllDesks, Running, Protocol):
    """What a call of the API asks of its gateway."""

    timeouts: Timeouts
    of_peers: CountedLog

    @property
    def identity(self) -> IdentityChain: ...

    def api_called(self, told: Told) -> None:
        """A call of the API whose caller is known is over, or its watch has opened: log it."""


class Client(Protocol):
    """The connection or stream that brought the call."""

    @property
    def address(self) -> str: ...

    @property
    def http(self) -> str:
        """The version of HTTP that the call came by: `1.1` or `2`."""

    @property
    def certificates(self) -> tuple[bytes, ...]: ...

    @property
    def writable(self) -> bool: ...

    def send(self, event: HttpEvent) -> None: ...

    def flush(self) -> None: ...

    def finished(self, call: object) -> None: ...

    def abort(self) -> None: ...
