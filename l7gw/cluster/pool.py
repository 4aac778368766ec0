"""Connections to one cluster. They are dialled when they are needed and kept for the next call; one in doubt is not used again.
Each cluster and credential has a pool of its own (threats A17).

The pool never sends a call again: a request that may have been received may have been carried out (RFC 9110 section 9.2.2). Where
the cluster itself says that it did not act upon a request (HTTP/2's REFUSED_STREAM and GOAWAY), the call sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from l7gw.clock import Clock
from l7gw.cluster.credentials.credential import Credential
from l7gw.cluster.dials import Dials
from l7gw.cluster.endpoint import Dialled
from l7gw.cluster.transport import Arrival
from l7gw.cluster.upstream import ADAPTIVE, FRESH, KEPT, SHARED, Upstream, Wanted
from l7gw.cluster.upstream_http1 import UpstreamConnection
from l7gw.cluster.upstream_http2 import SharedConnection
from l7gw.errors import Refusal
from l7gw.limits import USUAL_LIMITS
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from l7gw.wire.answer_shapes import AnswerShapes

log = logging.getLogger(__name__)

DIALS_WAITING = 1024  # calls that wait for a dial; further ones are refused with 503, because the cluster cannot keep up
SHARES_WAITING = 16 * 1024  # calls that wait for a stream; a hundred of them need one connection
STREAMS_EXPECTED = 100  # streams of the first shared connection, as kube-apiserver allows; later, as many as the last one allowed
MOST_IDLE = 64  # idle connections kept for each cluster; one more is closed when its call is over
UNSHARED_FOR = 60.0  # seconds until a cluster that does not speak HTTP/2 is offered it again

Connected = Callable[["Upstream | Refusal"], None]


class Pool:
    """Connections to one cluster under one credential. `dials` counts the dials of all pools of the cluster, and `shapes` are
    those of its answers."""

    def __init__(
        self,
        endpoint: Dialled,
        credential: Credential,
        clock: Clock,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        *,
        dials: Dials | None = None,
        shapes: AnswerShapes | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.credential = credential
        self.timeouts = timeouts
        self.shapes = shapes or AnswerShapes(USUAL_LIMITS.remembered)
        self._clock = clock
        self._idle: deque[UpstreamConnection] = deque()  # the one that is idle longest comes first
        # In the order in which they were made, so that they end in it: the same traffic gives the same log
        self._all: dict[UpstreamConnection, None] = {}
        self._leaving: dict[UpstreamConnection, None] = {}  # connections of an earlier credential; each ends with its call
        self._shared: list[SharedConnection] = []
        self._retired: list[SharedConnection] = []  # connections of an earlier credential; each ends with its last stream
        self._waiting: deque[Connected] = deque()
        self._sharing: deque[Connected] = deque()  # the calls that wait for a stream
        self._share_dials = 0
        self._streams_expected = STREAMS_EXPECTED
        self._unshared_until = 0.0
        self._retirements = 0
        self._gate = dials or Dials(clock)
        self._dials: dict[asyncio.Task[None], None] = {}
        self._unready = 0  # calls that wait for the endpoint or the credential

    def connect(self, then: Connected, kind: Wanted = KEPT) -> None:
        """Call `then` with a connection or stream of this `kind` (see `upstream`), or with the Refusal that says why there is none.
        The call happens at once where a connection is free. Where the endpoint or the credential is not there yet, it is waited for
        first: what goes up is the credential as it is then."""
        if self.endpoint.ready() and self.credential.ready():
            self._lend(then, kind)
        elif self._unready < DIALS_WAITING:
            self._unready += 1
            self.endpoint.wait(partial(self._endpoint_came, then, kind))
        else:
            then(self._crowded())

    def _endpoint_came(self, then: Connected, kind: Wanted, refusal: Refusal | None) -> None:
        if refusal is not None:
            self._credential_came(then, kind, refusal)
        else:
            self.credential.wait(partial(self._credential_came, then, kind))

    def _credential_came(self, then: Connected, kind: Wanted, refusal: Refusal | None) -> None:
        self._unready -= 1
        if refusal is not None:
            then(refusal)
        else:
            self._lend(then, kind)

    def _lend(self, then: Connected, kind: Wanted) -> None:
        if kind == ADAPTIVE:
            kind = SHARED if self._dials or len(self._all) > len(self._idle) else KEPT
        if kind == SHARED and self._clock.monotonic() >= self._unshared_until:
            self._share(then)
            return
        while self._idle and kind != FRESH:
            connection = self._idle.pop()
            if connection.usable and self._clock.monotonic() - connection.idle_since < self.timeouts.upstream_idle:
                then(connection)
                return
            connection.close()
        if self._gate.free:
            self._start(self._dial(then))
        elif len(self._waiting) < DIALS_WAITING:
            self._waiting.append(then)
            self._gate.wait(self)
        else:
            then(self._crowded())

    def _crowded(self) -> Refusal:
        return Refusal(503, "ServiceUnavailable", f"too many calls wait for cluster {self.endpoint.name}")

    # ------------------------------------------------------------------ connections of one call at a time

    def _start(self, dial: Coroutine[Any, Any, None]) -> None:
        self._dials[self._gate.start(dial, self._dialled)] = None

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._dials.pop(task, None)
        if self._waiting or self._sharing:
            self._gate.wait(self)

    def take_turn(self) -> bool:
        """Start a dial for the calls that wait. Returns whether there are more of them than that dial will serve."""
        if self._waiting:
            self._start(self._dial(self._waiting.popleft()))
        elif self._wants_share:
            self._share_dials += 1
            self._start(self._dial_share())
        return bool(self._waiting) or self._wants_share

    async def _dial(self, then: Connected) -> None:
        answer: UpstreamConnection | Refusal
        credential = self._retirements
        try:
            async with asyncio.timeout(self.timeouts.dial):
                connection = await self.endpoint.dial(lambda: UpstreamConnection(self), self.timeouts, shared=False)
            self._gate.outage.over()
            (self._all if credential == self._retirements else self._leaving)[connection] = None
            answer = connection
        except Exception as error:  # OSError, ssl.SSLError, TimeoutError, or whatever the resolver raises for an odd name
            answer = self._unreachable(error)
        then(answer)

    def _unreachable(self, error: Exception) -> Refusal:
        refusal = self.endpoint.unreachable(error)
        words = f"calls are answered with {refusal.code}: {refusal.message}"
        self._gate.outage.failed(f"cluster {self.endpoint.name} at {self.endpoint.authority}", words)
        return refusal

    def keep(self, connection: UpstreamConnection) -> None:
        if len(self._idle) >= MOST_IDLE or connection not in self._all:
            connection.close()
            return
        connection.idle_since = self._clock.monotonic()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.pop(connection, None)
        self._leaving.pop(connection, None)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    # ------------------------------------------------------------------ streams of shared connections

    def _share(self, then: Connected) -> None:
        for connection in reversed(self._shared):
            if connection.free:
                then(connection.open())
                return
        if len(self._sharing) >= SHARES_WAITING:
            then(self._crowded())
            return
        self._sharing.append(then)
        self._dial_shares()

    @property
    def _wants_share(self) -> bool:
        """Whether more calls wait for a stream than the dials under way will serve."""
        return len(self._sharing) > self._share_dials * self._streams_expected

    def _dial_shares(self) -> None:
        """Start as many dials as the calls that wait will need."""
        while self._wants_share and self._gate.free:
            self._share_dials += 1
            self._start(self._dial_share())
        if self._wants_share:
            self._gate.wait(self)

    async def _dial_share(self) -> None:
        made: SharedConnection | UpstreamConnection | Refusal | None = None
        credential = self._retirements
        try:
            async with asyncio.timeout(self.timeouts.dial):
                arrival = await self.endpoint.dial(lambda: Arrival(self._spoken), self.timeouts, shared=True)
                made = arrival.chosen
                if isinstance(made, SharedConnection):
                    await made.ready
                    if not made.allowed:
                        raise ConnectionRefusedError("it allows no stream")
                    if not made.free:  # it ended at once: refuse the calls that wait, or dialling would never end
                        raise ConnectionResetError("it takes no call")
        except Exception as error:  # as in `_dial`
            if isinstance(made, SharedConnection):
                made.abort()
            made = self._unreachable(error)
        else:
            self._gate.outage.over()
        finally:
            self._share_dials -= 1
        if credential != self._retirements and not isinstance(made, Refusal):
            made.abort()  # made with an earlier credential; another is dialled for the calls that wait
            return
        if isinstance(made, SharedConnection):
            self._shared.append(made)
            self._streams_expected = min(made.allowed, STREAMS_EXPECTED)
            while self._sharing and made.free:
                self._sharing.popleft()(made.open())
            return
        waiting, self._sharing = self._sharing, deque()
        if isinstance(made, UpstreamConnection):
            log.info("cluster %s does not speak HTTP/2; each watch has a connection of its own", self.endpoint.name)
            self._unshared_until = self._clock.monotonic() + UNSHARED_FOR
            self._all[made] = None
            self.keep(made)
        for then in waiting:
            if isinstance(made, Refusal):
                then(made)
            else:
                self._lend(then, KEPT)

    def _spoken(self, protocol: str) -> SharedConnection | UpstreamConnection:
        return SharedConnection(self._clock, self.timeouts, self.shapes) if protocol == "h2" else UpstreamConnection(self)

    # ------------------------------------------------------------------ time and ends

    def tick(self) -> None:
        """Once a second: end connections that were idle for too long or are dead, and read a token that changed."""
        now = self._clock.monotonic()
        while self._idle and now - self._idle[0].idle_since >= self.timeouts.upstream_idle:
            self._idle.popleft().close()
        for connection in (*self._all, *self._leaving):
            connection.tick(now)
        for shared in (*self._shared, *self._retired):
            shared.tick(now)
        self._shared = [shared for shared in self._shared if not shared.over]
        self._retired = [shared for shared in self._retired if not shared.over]
        try:
            self.credential.tick(now)
        except (OSError, ValueError) as error:
            log.error("cluster %s: the new token is not used: %s", self.endpoint.name, error)

    def retire(self) -> None:
        """The credential or CA has changed: use none of the present connections for another call. Running calls go on."""
        self._retirements += 1
        while self._idle:
            self._idle.pop().close()
        self._leaving.update(self._all)
        self._all.clear()
        for connection in self._shared:
            connection.retire()
        self._retired += self._shared
        self._shared = []

    @property
    def over(self) -> bool:
        """Whether nothing is left in the pool: no connection, and no call that waits for one."""
        return not (self._all or self._leaving or self._retired or self._shared or self._dials or self._waits)

    @property
    def unused(self) -> bool:
        """Whether no call uses a connection of the pool, or waits for one."""
        if self._leaving or self._dials or self._waits or len(self._all) > len(self._idle):
            return False
        return all(shared.unused for shared in (*self._shared, *self._retired))

    @property
    def _waits(self) -> bool:
        return bool(self._waiting or self._sharing or self._unready)

    def close(self) -> None:
        for task in self._dials:
            task.cancel()
        for connection in (*self._all, *self._leaving):
            connection.abort()
        for shared in (*self._shared, *self._retired):
            shared.abort()
