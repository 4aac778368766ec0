"""All clusters of a worker, those of earlier configurations among them while calls run there."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.clock import Clock
from l7gw.config.settings import RecordMode, Settings
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.routing import Routes
from l7gw.timeouts import Timeouts


class FarSides:
    """The clusters in force, by name. `most_people` is as in `FarSide`."""

    def __init__(self, clock: Clock, timeouts: Timeouts, *, most_people: int) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._most_people = most_people
        self._far: dict[str, FarSide] = {}
        self._former: list[FarSide] = []  # of earlier configurations; each stays while a call runs on one of its connections
        self.routes: Routes[FarSide] = Routes([])

    def wanted(self, settings: Settings) -> dict[str, FarSide]:
        """The clusters of a configuration. Raises OSError or ssl.SSLError where a file cannot be used; nothing is changed."""
        return {
            name: FarSide(cluster, self._clock, self._timeouts, most_people=self._most_people, former=self._far.get(name))
            for name, cluster in settings.clusters.items()
        }

    def use(self, far: dict[str, FarSide]) -> None:
        """Put these into force."""
        for former in self._far.values():
            former.retire()
            self._former.append(former)
        self._far = far
        self.routes = Routes(list(far.values()))
        self.policy_changed()

    def policy_changed(self) -> None:
        """The policy changed, and with it the groups that are named to clusters."""
        for far in self._far.values():
            far.standing.policy_changed()

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
        self._former = [far for far in self._former if not far.over]
        for far in self._all():
            far.tick()

    def close(self) -> None:
        for far in self._all():
            far.close()
