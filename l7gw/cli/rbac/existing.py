"""The RBAC that `l7gw rbac suggest` compares with: from a file, or from the cluster itself."""

from __future__ import annotations

from pathlib import Path

import click

from l7gw.cli.reached_cluster import UNKNOWN, the_api_server
from l7gw.cli.state import fail
from l7gw.cluster.rbac_there import BY_KUBECTL, read_there
from l7gw.cluster.trial import Failure
from l7gw.config.settings import Cluster
from l7gw.kube.existing_rbac import Existing, Unfit, read
from l7gw.os_faults import told


def existing_in(path: Path) -> Existing:
    """The RBAC in a file, or on stdin. Raises UsageError."""
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            return read(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--existing {path} cannot be read: {told(error)}") from None
    except Unfit as error:
        raise click.UsageError(f"--existing {path} {error}\n  hint: {BY_KUBECTL}") from None


def existing_there(cluster: Cluster) -> Existing:
    """The RBAC of the cluster, read with the gateway's own credential. Ends the command where it cannot be read."""
    server, _ = the_api_server(cluster)
    try:
        return read_there(server)
    except Failure as error:
        remedy = f"\n  hint: {error.remedy}" if error.remedy else ""
        fail(f"{error}{remedy}", UNKNOWN)
    finally:
        server.close()
