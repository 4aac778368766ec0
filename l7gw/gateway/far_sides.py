"""All clusters of a worker, those of earlier configurations among them while calls run there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from l7gw.clock import Clock
from l7gw.cluster.credentials import leased
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster, RecordMode, Settings
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.routing import Routes
from l7gw.limits import USUAL_LIMITS
from l7gw.timeouts import Timeouts


class Broker(leased.Broker, Protocol):
    """What a worker asks of the broker of AWS (`credentials.broker`). It survives reloads."""

    def configure(self, clusters: Mapping[str, Cluster]) -> None:
        """Put these clusters into force."""

    def tick(self) -> None:
        """Once a second."""

    def close(self) -> None: ...


def open_broker(clock: Clock, timeouts: Timeouts) -> Broker:
    """The broker, and with it the library of AWS, which takes 0.3 s to import."""
    from l7gw.cluster.credentials.broker import Broker

    return Broker({}, clock, timeouts)


class FarSides:
    """The clusters in force, by name. `most_people` and `remembered` are as in `FarSide`. `broker` is called for the first
    configuration that names AWS."""

    def __init__(
        self,
        clock: Clock,
        timeouts: Timeouts,
        *,
        most_people: int,
        remembered: int = USUAL_LIMITS.remembered,
        broker: Callable[[Clock, Timeouts], Broker] = open_broker,
    ) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._most_people = most_people
        self._remembered = remembered
        self._open_broker = broker
        self._broker: Broker | None = None
        self._far: dict[str, FarSide] = {}
        self._former: list[FarSide] = []  # of earlier configurations; each stays while a call runs on one of its connections
        self.routes: Routes[FarSide] = Routes([])

    def wanted(self, settings: Settings) -> dict[str, FarSide]:
        """The clusters of a configuration. Raises OSError or ssl.SSLError where a file cannot be used; nothing is changed."""
        if self._broker is None and any(map(_names_aws, settings.clusters.values())):
            self._broker = self._open_broker(self._clock, self._timeouts)
        return {name: self._made(cluster) for name, cluster in settings.clusters.items()}

    def _made(self, cluster: Cluster) -> FarSide:
        former = self._far.get(cluster.name)
        return FarSide(
            cluster,
            self._clock,
            self._timeouts,
            self._broker,
            most_people=self._most_people,
            remembered=self._remembered,
            former=former,
        )

    def use(self, far: dict[str, FarSide]) -> None:
        """Put these into force."""
        if self._broker is not None:
            self._broker.configure({name: one.cluster for name, one in far.items()})
        for name, former in self._far.items():
            former.retire(far.get(name))
            self._former.append(former)
        self._far = far
        self.routes = Routes(list(far.values()))
        self.policy_changed()

    def policy_changed(self) -> None:
        """The policy changed, and with it the groups that are named to clusters."""
        for far in self._far.values():
            far.standing.policy_changed()

    @property
    def in_force(self) -> dict[str, FarSide]:
        """The clusters of the configuration in force, by name."""
        return self._far

    def __contains__(self, name: str) -> bool:
        return name in self._far

    def records(self, name: str) -> RecordMode:
        """What is recorded of a cluster's calls. Of one that is configured no more it is `all`: a hold of it may live on."""
        far = self._far.get(name)
        return far.record if far is not None else "all"

    def _all(self) -> Iterator[FarSide]:
        yield from self._far.values()
        yield from self._former

    def tick(self) -> None:
        """Once a second."""
        if self._broker is not None:
            self._broker.tick()
        self._former = [far for far in self._former if not far.over]
        for far in self._all():
            far.tick()

    def close(self) -> None:
        for far in self._all():
            far.close()
        if self._broker is not None:
            self._broker.close()


def _names_aws(cluster: Cluster) -> bool:
    return cluster.eks is not None or isinstance(cluster.credential, AwsRole)
