"""Pools of connections as the gateway makes them for a cluster with a static credential."""

from __future__ import annotations

from l7gw.clock import Clock
from l7gw.cluster.credentials.static import StaticCredential
from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.pool import Pool
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts


def pool_for(cluster: Cluster, clock: Clock, timeouts: Timeouts = USUAL_TIMEOUTS) -> Pool:
    assert not isinstance(cluster.credential, AwsRole)
    credential = StaticCredential(cluster.credential)
    return Pool(Endpoint(cluster, credential.pair), credential, clock, timeouts)
