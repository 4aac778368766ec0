"""What `l7gw init` may be asked for, made in a test's folder without options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from l7gw.cli.init.wanted import Cluster, Issuer, Wanted
from l7gw.demo.pki import Authority


def issuer(**changed: Any) -> Issuer:
    found = Issuer("https://idp.example.com", "l7gw", "email", "groups", "", None)
    return replace(found, **changed)


def wanted(folder: Path, **changed: Any) -> Wanted:
    """A cluster that does not exist, and people who come by client certificates."""
    authority = Authority(folder / "of-the-cluster", "cluster CA").certificate.read_bytes()
    cluster = Cluster("https://10.0.0.1:6443", "10.0.0.1", 6443, authority, "prod", ("--kubeconfig", "/home/ann/.kube/config"))
    found = Wanted(
        folder=folder / "gateway",
        name="prod",
        cluster=cluster,
        address="gw.example.com:8443",
        host="gw.example.com",
        listen="0.0.0.0:8443",
        state="state",
        pair=None,
        credential=None,
        issuer=None,
        user="ann",
        group="engineers",
        namespace="dev",
        agents=True,
        command="l7gw",
    )
    return replace(found, **changed)


def settled(folder: Path) -> None:
    """The step between `l7gw init` and the first start that only a cluster can do: its token for the gateway."""
    token = folder / "gateway.token"
    token.touch(mode=0o600)
    token.write_text("a-token")
