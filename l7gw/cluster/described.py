"""The endpoint of a cluster of EKS: address and CA are what DescribeCluster says, and are followed (threats I6).

The broker is asked every minute, and at once where a dial fails. A dial that failed because the cluster has moved,
or has another CA, is made once more: nothing was sent over it. While DescribeCluster fails, its last answer stays in force. A
server whose CA is not the one described is refused, as at any other cluster.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from l7gw.clock import Clock
from l7gw.cluster.addresses import Addresses, Lookup, system_lookup
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed
from l7gw.cluster.credentials.waiting import Then, Waiting
from l7gw.cluster.endpoint import Way, unreachable, way_to
from l7gw.cluster.transport import OverTls
from l7gw.config.settings import host_and_port
from l7gw.errors import Refusal
from l7gw.timeouts import Timeouts

log = logging.getLogger(__name__)

AGAIN_AFTER = 5.0  # seconds between two questions because dials fail; EKS lets an account describe a few times a second
MOVED_WITHIN = 3.0  # seconds that a dial which failed waits for the answer; its call has 10 in all


class Describing(Protocol):
    """What an endpoint asks of the broker."""

    def ask(self, wanted: DescribeWanted, then: Callable[[Described | Failed], None]) -> None:
        """Call `then` on the loop with what EKS says."""


class DescribedEndpoint:
    """How to reach the cluster of this name. `former` is the endpoint of the same cluster before a reload, whose way is taken until
    the first answer."""

    def __init__(
        self,
        name: str,
        broker: Describing,
        clock: Clock,
        timeouts: Timeouts,
        former: DescribedEndpoint | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self.name = name
        self._broker = broker
        self._clock = clock
        self._lookup = lookup
        self._way: Way | None = former._way if former is not None else None
        self._described: Described | None = former._described if former is not None else None
        self._waiting = Waiting(self._ask, clock, within=timeouts.credential, what=f"answer of DescribeCluster for cluster {name}")
        self._asking: asyncio.Future[None] | None = None  # done with the answer
        self._every = timeouts.described_again
        self._asked = -self._every  # monotonic second of the last question
        self._asked_again = -AGAIN_AFTER  # of the last one because a dial failed
        self._moved = False
        self._failed = ""  # why the last answer cannot be used, which is logged once; "" where it can

    # ------------------------------------------------------------------ what the data path asks

    @property
    def authority(self) -> str:
        return host_and_port(self._known.host, self._known.port)

    def ready(self) -> bool:
        return self._way is not None

    def wait(self, then: Then) -> None:
        if self.ready():
            then(None)
        else:
            self._waiting.wait(then)

    async def dial(self, make: Callable[[], OverTls], timeouts: Timeouts, *, shared: bool) -> Any:
        way = self._known
        try:
            return await way.dial(make, timeouts, shared=shared)
        except asyncio.CancelledError:  # the dial's time is over
            self._ask_again()
            raise
        except OSError:
            if not await self._has_moved(way):
                raise
        return await self._known.dial(make, timeouts, shared=shared)

    @property
    def _known(self) -> Way:
        assert self._way is not None, "a pool waits until it is known"
        return self._way

    async def _has_moved(self, way: Way) -> bool:
        """Ask EKS whether the cluster is elsewhere now, or has another CA than this way."""
        if self._way is way and self._ask_again() and self._asking is not None:
            await asyncio.wait((self._asking,), timeout=MOVED_WITHIN)
        return self._way is not way

    def unreachable(self, error: Exception) -> Refusal:
        if isinstance(error, ssl.SSLCertVerificationError):
            words = f"cluster {self.name} shows a certificate of another CA or name than EKS describes: {error.verify_message}"
            return Refusal(503, "ServiceUnavailable", f"{words}; who answers at {self.authority}?")
        return unreachable(self.name, error)

    def refresh(self, now: float) -> bool:
        self._waiting.tick(now)
        if now - self._asked >= self._every:
            self._ask()
        moved, self._moved = self._moved, False
        return moved

    # ------------------------------------------------------------------ what EKS says

    def _ask_again(self) -> bool:
        """A dial failed: ask EKS, unless that was done just now. Returns whether an answer is awaited."""
        now = self._clock.monotonic()
        if now - self._asked_again >= AGAIN_AFTER:
            self._asked_again = now
            self._ask()
        return self._asking is not None

    def _ask(self) -> None:
        self._asked = self._clock.monotonic()
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_future()
            self._broker.ask(DescribeWanted(self.name), self._answered)

    def _answered(self, said: Described | Failed) -> None:
        failed = said if isinstance(said, Failed) else self._take(said)
        why = failed.message if failed is not None else ""
        if why and why != self._failed:
            kept = "its last answer stays in force" if self._way is not None else "calls get a 503"
            log.error("%s; %s", why, kept)
        self._failed = why
        asking, self._asking = self._asking, None
        if asking is not None and not asking.done():
            asking.set_result(None)
        self._waiting.answered(failed if self._way is None else None)

    def _take(self, said: Described) -> Failed | None:
        """Put what EKS says into force. Returns why that cannot be used."""
        former = self._described
        if former is not None and (former.endpoint, former.certificate_authority) == (said.endpoint, said.certificate_authority):
            return None
        try:
            way = self._way_to(said)
        except (OSError, ValueError) as error:
            return Failed(503, "ServiceUnavailable", f"cluster {self.name}: DescribeCluster says what cannot be used: {error}")
        self._moved = self._way is not None
        if former is not None:
            what = "another address" if former.endpoint != said.endpoint else "another CA"
            log.warning("cluster %s has %s now: %s", self.name, what, said.endpoint)
        self._way, self._described = way, said
        return None

    def _way_to(self, said: Described) -> Way:
        """Raises ValueError or OSError for an endpoint that is no https://HOST[:PORT], or a CA that is none."""
        url = urlsplit(said.endpoint)
        if url.scheme != "https" or not url.hostname or url.path.strip("/") or url.query or url.fragment or url.username:
            raise ValueError(f"the endpoint is {said.endpoint[:100]!r}, not https://HOST")
        port = url.port or 443
        addresses = Addresses(url.hostname, port, self._clock, self._lookup)
        try:
            return way_to(url.hostname, port, addresses, said.certificate_authority)
        except (OSError, ValueError):
            raise ValueError("its certificate authority is no certificate in PEM") from None
