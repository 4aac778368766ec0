"""What kubectl tells its credential plugin, and what it reads from it.

Sources: client.authentication.k8s.io/v1 and v1beta1 (CG `pkg/apis/clientauthentication`), CG `plugin/pkg/client/auth/exec/exec.go`.
"""

from __future__ import annotations

import json
import time

VARIABLE = "KUBERNETES_EXEC_INFO"
API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class Asked:
    """How kubectl asks. `interactive`: its stdin is a terminal, and the plugin may use it. `server` is the cluster's URL, which
    kubectl tells where the kubeconfig says `provideClusterInfo: true`; else ""."""

    __slots__ = ("api_version", "interactive", "server")

    def __init__(self, api_version: str, server: str, *, interactive: bool) -> None:
        self.api_version = api_version
        self.interactive = interactive
        self.server = server


def read(text: str) -> Asked:
    """What the variable says. Raises ValueError, in words, for what is no ExecCredential of a version that is spoken here."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{VARIABLE} is no JSON") from None
    version = said.get("apiVersion") if isinstance(said, dict) else None
    if version not in API_VERSIONS:
        raise ValueError(f"{VARIABLE} has none of the versions {', '.join(API_VERSIONS)}; the kubeconfig's exec block says which")
    spec = said.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    cluster = spec.get("cluster")
    server = cluster.get("server") if isinstance(cluster, dict) else ""
    return Asked(str(version), server if isinstance(server, str) else "", interactive=spec.get("interactive") is True)


def written(api_version: str, token: str, expires: float) -> str:
    """The ExecCredential. `expires` is in seconds since 1970: kubectl asks again from then on."""
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    status = {"token": token, "expirationTimestamp": until}
    return json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": status})
