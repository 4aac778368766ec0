"""Connections to one cluster: dialled late, kept alive, never used again in doubt. One pool a cluster and credential (threats A17).

A call that was sent is never sent again: what may have been received may have been done (RFC 9110 section 9.2.2). Only what the
cluster itself says it did not act upon (HTTP/2's REFUSED_STREAM and GOAWAY) goes once more, and that is the call's to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from l7gw.clock import Clock
from l7gw.cluster.endpoint import Endpoint, unreachable
from l7gw.cluster.transport import Arrival, connect
from l7gw.cluster.upstream import FASTER, FRESH, IDLE_FOR, KEPT, SHARED, Upstream
from l7gw.cluster.upstream_http1 import UpstreamConnection
from l7gw.cluster.upstream_http2 import SharedConnection
from l7gw.errors import Refusal
from l7gw.log import CountedLog

log = logging.getLogger(__name__)

DIAL_TIMEOUT = 10.0  # seconds for TCP and TLS together
DIALS_AT_ONCE = 64  # a flood of resets must not become a flood of handshakes (threats B1)
DIALS_WAITING = 1024  # beyond it the answer is 503: the cluster cannot keep up
SHARES_WAITING = 16 * 1024  # calls that wait for a stream; a hundred of them need one connection
STREAMS_EXPECTED = 100  # of the first shared connection; kube-apiserver's number. Of the next, what the last allowed
MOST_IDLE = 64  # per cluster; more are closed when their call is over
UNSHARED_FOR = 60.0  # seconds that a cluster which does not speak HTTP/2 is not asked again

Connected = Callable[["Upstream | Refusal"], None]


class Pool:
    """Connections to one cluster under one credential."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._told = CountedLog(log, clock.monotonic)  # each call fails anew while the cluster is down
        self._idle: deque[UpstreamConnection] = deque()  # the longest idle first
        self._all: set[UpstreamConnection] = set()
        self._leaving: set[UpstreamConnection] = set()  # of a former credential: they end with their call
        self._shared: list[SharedConnection] = []
        self._retired: list[SharedConnection] = []  # they end with their last stream
        self._waiting: deque[Connected] = deque()
        self._sharing: deque[Connected] = deque()  # who waits for a stream
        self._share_dials = 0
        self._streams_expected = STREAMS_EXPECTED
        self._unshared_until = 0.0
        self._retirements = 0
        self._dials: set[asyncio.Task[None]] = set()

    def connect(self, then: Connected, kind: str = KEPT) -> None:
        """Give `then` what `kind` says, at once where it is there, or a Refusal that says why not."""
        if kind == FASTER:
            kind = SHARED if self._dials or len(self._all) > len(self._idle) else KEPT
        if kind == SHARED and self._clock.monotonic() >= self._unshared_until:
            self._share(then)
            return
        while self._idle and kind != FRESH:
            connection = self._idle.pop()
            if connection.usable and self._clock.monotonic() - connection.idle_since < IDLE_FOR:
                then(connection)
                return
            connection.close()
        if len(self._dials) < DIALS_AT_ONCE:
            self._start(self._dial(then))
        elif len(self._waiting) < DIALS_WAITING:
            self._waiting.append(then)
        else:
            then(self._crowded())

    def _crowded(self) -> Refusal:
        return Refusal(503, "ServiceUnavailable", f"too many calls wait for cluster {self.endpoint.cluster.name}")

    # ------------------------------------------------------------------ connections of one call at a time

    def _start(self, dial: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(dial)
        self._dials.add(task)
        task.add_done_callback(self._dialled)

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._dials.discard(task)
        if len(self._dials) >= DIALS_AT_ONCE:
            return
        if self._waiting:
            self._start(self._dial(self._waiting.popleft()))
        elif self._sharing:
            self._dial_shares()

    async def _dial(self, then: Connected) -> None:
        answer: UpstreamConnection | Refusal
        credential = self._retirements
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                connection = await self._reach(lambda: UpstreamConnection(self), self.endpoint.tls)
            (self._all if credential == self._retirements else self._leaving).add(connection)
            answer = connection
        except Exception as error:  # OSError, ssl.SSLError, TimeoutError, or what a name can make the resolver raise
            answer = self._unreachable(error)
        then(answer)

    async def _reach(self, make: Callable[[], Any], context: Any) -> Any:
        return await connect(make, self.endpoint.host, self.endpoint.port, context)

    def _unreachable(self, error: Exception) -> Refusal:
        self._told.warning(f"cluster {self.endpoint.cluster.name}", "%s", error)
        return unreachable(self.endpoint.cluster.name, error)

    def keep(self, connection: UpstreamConnection) -> None:
        if len(self._idle) >= MOST_IDLE or connection not in self._all:
            connection.close()
            return
        connection.idle_since = self._clock.monotonic()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        self._leaving.discard(connection)
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

    def _dial_shares(self) -> None:
        """As many dials as those who wait will need."""
        while len(self._sharing) > self._share_dials * self._streams_expected and len(self._dials) < DIALS_AT_ONCE:
            self._share_dials += 1
            self._start(self._dial_share())

    async def _dial_share(self) -> None:
        made: SharedConnection | UpstreamConnection | Refusal | None = None
        credential = self._retirements
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                arrival = await self._reach(lambda: Arrival(self._spoken), self.endpoint.shared_tls)
                made = arrival.chosen
                if isinstance(made, SharedConnection):
                    await made.ready
                    if not made.allowed:
                        raise ConnectionRefusedError("it allows no stream")
                    if not made.free:  # it went away in the same breath: who waits is told, or would be dialled for without end
                        raise ConnectionResetError("it takes no call")
        except Exception as error:  # as in `_dial`
            if isinstance(made, SharedConnection):
                made.abort()
            made = self._unreachable(error)
        finally:
            self._share_dials -= 1
        if credential != self._retirements and not isinstance(made, Refusal):
            made.abort()  # a former credential's; who waits is dialled for once more
            return
        if isinstance(made, SharedConnection):
            self._shared.append(made)
            self._streams_expected = min(made.allowed, STREAMS_EXPECTED)
            while self._sharing and made.free:
                self._sharing.popleft()(made.open())
            return
        waiting, self._sharing = self._sharing, deque()
        if isinstance(made, UpstreamConnection):
            log.info("cluster %s does not speak HTTP/2; each watch has a connection of its own", self.endpoint.cluster.name)
            self._unshared_until = self._clock.monotonic() + UNSHARED_FOR
            self._all.add(made)
            self.keep(made)
        for then in waiting:
            if isinstance(made, Refusal):
                then(made)
            else:
                self.connect(then)

    def _spoken(self, protocol: str) -> SharedConnection | UpstreamConnection:
        return SharedConnection(self._clock) if protocol == "h2" else UpstreamConnection(self)

    # ------------------------------------------------------------------ time and ends

    def tick(self) -> None:
        """Once a second: end what was idle for too long or is dead, read again what changed on the disk."""
        now = self._clock.monotonic()
        self._told.tick()
        while self._idle and now - self._idle[0].idle_since >= IDLE_FOR:
            self._idle.popleft().close()
        for connection in (*self._all, *self._leaving):
            connection.tick(now)
        for shared in (*self._shared, *self._retired):
            shared.tick(now)
        self._shared = [shared for shared in self._shared if not shared.over]
        self._retired = [shared for shared in self._retired if not shared.over]
        try:
            if self.endpoint.refresh():
                self.retire()
        except (OSError, ValueError) as error:
            log.error("cluster %s: the new files are not used: %s", self.endpoint.cluster.name, error)

    def retire(self) -> None:
        """Use no connection again that stands now: its credential or CA is a former one. Running calls go on."""
        self._retirements += 1
        while self._idle:
            self._idle.pop().close()
        self._leaving |= self._all
        self._all.clear()
        for connection in self._shared:
            connection.retire()
        self._retired += self._shared
        self._shared = []

    @property
    def over(self) -> bool:
        """Retired, and nothing runs on its connections any more: nobody need look after it."""
        return not (self._all or self._leaving or self._retired or self._shared or self._dials)

    def close(self) -> None:
        for task in self._dials:
            task.cancel()
        for connection in (*self._all, *self._leaving):
            connection.abort()
        for shared in (*self._shared, *self._retired):
            shared.abort()
