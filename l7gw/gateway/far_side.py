"""One cluster as the data path uses it: its endpoint, its connections, and whether it accepts the gateway's credential."""

from __future__ import annotations

from l7gw.clock import Clock
from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.pool import Pool
from l7gw.cluster.standing import Standing
from l7gw.config.settings import Cluster
from l7gw.timeouts import Timeouts


class FarSide:
    """One cluster. `former` is the same cluster under the configuration before a reload; what was known of an outage is kept."""

    def __init__(self, cluster: Cluster, clock: Clock, timeouts: Timeouts, former: FarSide | None = None) -> None:
        self.name = cluster.name
        self.hosts = cluster.hosts
        self.record = cluster.record
        self.endpoint = Endpoint(cluster)
        self.pool = Pool(self.endpoint, clock, timeouts)
        self.standing: Standing = former.standing if former is not None else Standing(cluster.name)
