"""Whether a cluster answers, asked by `l7gw init` before it writes: without a credential, and as the gateway will trust it."""

from __future__ import annotations

import ssl

import click

from l7gw.cli.init.wanted import Cluster
from l7gw.cluster.api_server import ApiServer, Place, connect
from l7gw.cluster.trial import Failure, Step, Trial
from l7gw.recording.terminal.unseen import safe


def reached(name: str, cluster: Cluster) -> str:
    """A sentence about the cluster that answers. Raises UsageError where it does not, with the step that failed."""
    context = ssl.create_default_context(cadata=cluster.authority.decode("ascii"))
    place = Place(name, cluster.host, cluster.port, context, "the CA that the gateway would trust")
    trial = Trial(lambda _: None, lambda _: None)
    tls = connect(trial, place)
    failed = next((step for step in trial.steps if step.outcome == "failed"), None)
    if tls is None or failed is not None:
        raise _unreached(cluster, failed)
    server = ApiServer(place)
    server.carry(tls)
    try:
        answer = server.ask("GET", "/version")  # open to all by default; where it is not, a refusal is an answer too
    except Failure as failure:
        raise _unreached(cluster, Step("answer", "failed", str(failure), failure.remedy)) from None
    finally:
        server.close()
    version = answer.at("gitVersion")
    said = f"Kubernetes {safe(version[:40])}" if isinstance(version, str) else "an API server"
    return f"{cluster.server} answers: {said}."


def _unreached(cluster: Cluster, failed: Step | None) -> click.UsageError:
    what = f"{failed.name}: {failed.said}" if failed is not None else "it does not answer"
    remedy = f"{failed.remedy}; " if failed is not None and failed.remedy else ""
    text = f"the cluster at {cluster.server} cannot be reached, and nothing was written: {what}"
    return click.UsageError(f"{text}\n  hint: {remedy}--offline writes without asking")
