"""One cluster as the data path uses it: its endpoint, its pools of connections, and whether it accepts the gateway's credential."""

from __future__ import annotations

import logging
from pathlib import Path

from l7gw.clock import Clock
from l7gw.cluster.credentials.brokered import BrokeredCredential
from l7gw.cluster.credentials.credential import Credential
from l7gw.cluster.credentials.leased import Broker, LeasedBroker
from l7gw.cluster.credentials.messages import TokenWanted
from l7gw.cluster.credentials.static import StaticCredential
from l7gw.cluster.described import DescribedEndpoint
from l7gw.cluster.dials import Dials
from l7gw.cluster.endpoint import Dialled, Endpoint
from l7gw.cluster.pool import Pool
from l7gw.cluster.pools import Key, OnePool, PoolOfEach, Pools
from l7gw.cluster.standing import Standing
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.limits import USUAL_LIMITS
from l7gw.os_faults import in_words
from l7gw.timeouts import Timeouts
from l7gw.wire.answer_shapes import AnswerShapes

log = logging.getLogger(__name__)


class FarSide:
    """One cluster. `broker` is asked for tokens of AWS; `most_people` is how many pools there may be where each person has one.
    `remembered` is how many bytes of the heads of its answers are kept. `former` is the same cluster under the configuration before
    a reload; what was known of an outage is kept."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        timeouts: Timeouts,
        broker: Broker | None = None,
        *,
        most_people: int,
        remembered: int = USUAL_LIMITS.remembered,
        former: FarSide | None = None,
    ) -> None:
        self.name = cluster.name
        self.hosts = cluster.hosts
        self.record = cluster.record
        self.cluster = cluster
        self.standing: Standing = former.standing if former is not None else Standing(cluster.name)
        self._clock = clock
        self._timeouts = timeouts
        self._broker = LeasedBroker(broker) if broker is not None else None
        self._dials = Dials(clock)
        self._shapes = AnswerShapes(remembered)
        role = cluster.credential
        if isinstance(role, AwsRole):
            self.standing.hint = f"has {role.role} an access entry there? l7gw clusters test {self.name}"
        self.retired = False  # whether another configuration is in force
        shared = None if isinstance(role, AwsRole) and role.per == "person" else self._credential()
        self.endpoint = self._endpoint(shared.pair if shared is not None else (), former)
        self._pools: Pools = (
            OnePool(self._pool(shared)) if shared is not None else PoolOfEach(self._pool_of, cluster=self.name, most=most_people)
        )
        self.pool_of = self._pools.of

    def _endpoint(self, pair: tuple[Path, Path] | tuple[()], former: FarSide | None) -> Dialled:
        """Raises OSError or ssl.SSLError where a file cannot be used."""
        if self.cluster.eks is None:
            return Endpoint(self.cluster, pair, self._clock)
        assert self._broker is not None
        known = former.endpoint if former is not None and former.cluster.eks == self.cluster.eks else None
        known = known if isinstance(known, DescribedEndpoint) else None
        return DescribedEndpoint(self.name, self._broker, self._clock, self._timeouts, former=known)

    def _credential(self, issuer: str = "", user: str = "") -> Credential:
        """The gateway's credential for this person. Raises OSError where a token's file holds no usable token."""
        credential = self.cluster.credential
        if not isinstance(credential, AwsRole):
            return StaticCredential(credential)
        assert self._broker is not None
        wanted = TokenWanted(self.name, issuer, user)
        return BrokeredCredential(self._broker, wanted, self._clock, within=self._timeouts.credential)

    def _pool(self, credential: Credential) -> Pool:
        return Pool(self.endpoint, credential, self._clock, self._timeouts, dials=self._dials, shapes=self._shapes)

    def _pool_of(self, key: Key) -> Pool:
        return self._pool(self._credential(*key))

    def tick(self) -> None:
        """Once a second: read files that changed, and end connections that were idle for too long or are dead."""
        self._pools.tick()
        self._dials.tick()
        if self.retired:
            return  # its endpoint is followed no more
        try:
            if self.endpoint.refresh(self._clock.monotonic()):
                self._pools.retire()
        except (OSError, ValueError) as error:
            log.error("cluster %s: the new files are not used: %s", self.name, in_words(error, named=True))

    def retire(self, successor: FarSide | None = None) -> None:
        """Another configuration is in force, in which `successor` has this name: running calls go on, and no other call is lent a
        connection."""
        self.retired = True
        if self._broker is not None and successor is not None and not self._is_at_aws_as(successor.cluster):
            self._broker.end()
        self._pools.retire()

    def _is_at_aws_as(self, other: Cluster) -> bool:
        """Whether the broker gives this cluster what it gives the other one."""
        mine = self.cluster
        return (mine.credential, mine.eks, mine.aws_id) == (other.credential, other.eks, other.aws_id)

    @property
    def over(self) -> bool:
        """Whether it is retired and no call runs on its connections, so that it needs no more ticks."""
        return self._pools.over

    def close(self) -> None:
        self._pools.close()
