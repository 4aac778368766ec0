"""The RBAC that `l7gw rbac suggest` compares with: from a file, or from the cluster itself."""

from __future__ import annotations

from pathlib import Path

import click

from l7gw.cli.state import fail
from l7gw.cluster.rbac_there import BY_KUBECTL, read_there
from l7gw.cluster.trial import Failure, Trial
from l7gw.cluster.tried import reached
from l7gw.config.settings import Cluster
from l7gw.kube.existing_rbac import Existing, Unfit, read

UNKNOWN = 3  # exit status


def existing_in(path: Path) -> Existing:
    """The RBAC in a file, or on stdin. Raises UsageError."""
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            return read(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--existing {path} cannot be read: {error}") from None
    except Unfit as error:
        raise click.UsageError(f"--existing {path} {error}\n  hint: {BY_KUBECTL}") from None


def existing_there(cluster: Cluster) -> Existing:
    """The RBAC of the cluster, read with the gateway's own credential. Ends the command where it cannot be read."""
    trial = Trial(lambda _: None, lambda _: None)
    found = reached(trial, cluster)
    if found is None:
        failed = next(step for step in trial.steps if step.outcome == "failed")
        fail(
            f"{cluster.name} cannot be reached: {failed.name}: {failed.said}\n  hint: {failed.remedy or 'l7gw clusters test'}",
            UNKNOWN,
        )
    try:
        return read_there(found.server)
    except Failure as error:
        remedy = f"\n  hint: {error.remedy}" if error.remedy else ""
        fail(f"{error}{remedy}", UNKNOWN)
    finally:
        found.server.close()
