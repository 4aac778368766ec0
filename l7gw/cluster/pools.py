"""The pools of one cluster: one for all callers, or one for each person, who each have a credential of their own. People never
share a connection (threats A17, F9).

A person's pool is made for his first call, and ends when nothing is left in it. There are `most` pools at most: where one more is
needed, the one goes that was unused longest. A call looks its pool up by one key, however many there are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from l7gw.cluster.pool import Pool
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal

MOST_POOLS = 1000  # people of one cluster at the same time; an unused pool ends within a minute or two

Key = tuple[str, str]  # issuer and user, which together name one person


class Pools(Protocol):
    """What the data path asks of the pools of a cluster."""

    def of(self, principal: Principal) -> Pool:
        """The pool whose connections carry this principal's calls. Raises Refusal 503 where there are too many people."""

    def tick(self) -> None:
        """Once a second."""

    def retire(self) -> None:
        """Use none of the present connections for another call. Running calls go on."""

    @property
    def over(self) -> bool:
        """Whether nothing is left in any pool."""

    def close(self) -> None:
        """Cut all connections."""


class OnePool:
    """The pool of a cluster to which the gateway shows one credential."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.tick, self.retire, self.close = pool.tick, pool.retire, pool.close

    def of(self, principal: Principal) -> Pool:
        return self._pool

    @property
    def over(self) -> bool:
        return self._pool.over


class PoolOfEach:
    """A pool for each person. `make` makes the pool of the person with this issuer and user."""

    def __init__(self, make: Callable[[Key], Pool], *, cluster: str, most: int = MOST_POOLS) -> None:
        self._make = make
        self._cluster = cluster
        self._most = most
        self._pools: OrderedDict[Key, Pool] = OrderedDict()  # the one that was asked for longest ago comes first

    def of(self, principal: Principal) -> Pool:
        key = principal.issuer, principal.user
        pool = self._pools.get(key)
        if pool is None:
            self._make_room()
            pool = self._pools[key] = self._make(key)
        else:
            self._pools.move_to_end(key)
        return pool

    def _make_room(self) -> None:
        """End the pool that was unused longest where there are as many as there may be. Only then are others looked at: each is
        asked one question."""
        if len(self._pools) < self._most:
            return
        key = next((key for key, pool in self._pools.items() if pool.unused), None)
        if key is None:
            words = f"{len(self._pools)} people are at work on cluster {self._cluster}, as many as this gateway serves at once"
            raise Refusal(503, "ServiceUnavailable", f"{words}; try again later")
        self._pools.pop(key).retire()

    def tick(self) -> None:
        for key, pool in list(self._pools.items()):
            pool.tick()
            if pool.over:
                del self._pools[key]

    def retire(self) -> None:
        for pool in self._pools.values():
            pool.retire()

    @property
    def over(self) -> bool:
        return all(pool.over for pool in self._pools.values())

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
