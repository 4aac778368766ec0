"""A cluster reached by a command, or the end of the command with what to do."""

from __future__ import annotations

from l7gw.cli.state import fail
from l7gw.cluster.api_server import ApiServer
from l7gw.cluster.trial import Trial
from l7gw.cluster.tried import reached
from l7gw.config.settings import Cluster

UNKNOWN = 3  # exit status


def the_api_server(cluster: Cluster) -> tuple[ApiServer, bytes]:
    """The cluster's API server, asked with the gateway's own credential, which the caller closes; and its CA in PEM."""
    trial = Trial(lambda _: None, lambda _: None)
    found = reached(trial, cluster)
    if found.server is None:
        step = next(step for step in trial.steps if step.outcome == "failed")
        hint = step.remedy or f"l7gw clusters test {cluster.name}"
        fail(f"cluster {cluster.name} cannot be reached: {step.name}: {step.said}\n  hint: {hint}", UNKNOWN)
    return found.server, found.authority
