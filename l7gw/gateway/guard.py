"""One guard for every entry into a call. Whatever goes wrong behind the guard ends this call alone, and none of its neighbours.

Many calls share a connection of HTTP/2, on both sides, and one event loop. An exception that left a call would end its caller: a
shared connection with up to a hundred calls, the tick of all connections, or the recorder's callbacks to all calls that wait for
the disk.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from l7gw.cluster.upstream import Upstream
from l7gw.errors import Refusal
from l7gw.gateway.client import Client
from l7gw.gateway.tunnel import Tunnel
from l7gw.recording.events import Outcome

log = logging.getLogger(__name__)

OUR_FAULT = "the gateway failed at this call; its log says more"

Step = Callable[[], "Step | None"]


class Abortable(Protocol):
    """What a call has under way beside its connection."""

    def abort(self) -> None:
        """The call is over."""


class Guarded(Protocol):
    """A call, as far as the guard ends it."""

    audit_id: str
    client: Client
    upstream: Upstream | None
    tunnel: Tunnel | None
    over: bool

    @property
    def side(self) -> Abortable | None:
        """The side call that is under way."""

    def fail(self, refusal: Refusal) -> None:
        """Refuse the call, or cut its answer."""

    def end(self, outcome: Outcome, reason: str) -> None:
        """Record the end of the call."""


P = ParamSpec("P")
C = TypeVar("C", bound=Guarded)


def entry(inside: Callable[Concatenate[C, P], Step | None]) -> Callable[Concatenate[C, P], None]:
    """Decorates a method of a call that is called from outside: by its client, its cluster, the disk, the clock, or the fetching of
    an issuer's keys.

    The guard calls the method, then the step that it returned, and so on until a step returns None. Then it flushes what the steps
    sent to the client. An exception ends the call (`_raised`). The guard costs 0.3 us an entry.
    """

    @functools.wraps(inside)
    def guarded(call: C, /, *arguments: P.args, **named: P.kwargs) -> None:
        try:
            step = inside(call, *arguments, **named)
            while step is not None and not call.over:
                step = step()
            call.client.flush()
        except Exception as error:
            _raised(call, error)

    return guarded


def _raised(call: Guarded, error: Exception) -> None:
    """An entry of the call raised. A Refusal is an answer. Anything else is a bug of ours: the client gets a 500, or its stream
    fails."""
    try:
        if isinstance(error, Refusal):
            call.fail(error)
        elif call.over:
            raise error  # it came after the call's end: nothing more is expected of its connections
        else:
            log.error("%s: the gateway failed at this call", call.audit_id, exc_info=error)
            if call.tunnel is not None:
                call.tunnel.end(OUR_FAULT)
            else:
                call.fail(Refusal(500, "InternalError", OUR_FAULT))
        call.client.flush()
    except Exception:
        log.exception("%s: the gateway failed at ending this call", call.audit_id)
        _force_close(call)


def _force_close(call: Guarded) -> None:
    """End what is left by force: each part by itself, as any of them may be the broken one."""
    upstream, call.upstream, call.tunnel = call.upstream, None, None
    if not call.over:
        with suppress(Exception):
            call.end("cut", OUR_FAULT)
    call.over = True
    if upstream is not None:
        with suppress(Exception):
            upstream.abort()
    with suppress(Exception):
        if call.side is not None:
            call.side.abort()
    with suppress(Exception):
        call.client.abort()
