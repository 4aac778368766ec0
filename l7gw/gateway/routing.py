"""Chooses the cluster of a request: by the TLS server name, else by the first segment of the path, else the only cluster there
is."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from l7gw.errors import Refusal
from l7gw.wire.events import Request


class Routed(Protocol):
    """What routing asks of a cluster."""

    @property
    def name(self) -> str: ...

    @property
    def hosts(self) -> tuple[str, ...]: ...


C = TypeVar("C", bound=Routed)


class Routes(Generic[C]):
    """The clusters by host name and by path prefix."""

    def __init__(self, clusters: list[C]) -> None:
        self._by_name = {cluster.name: cluster for cluster in clusters}
        self._by_host = {host.lower(): cluster for cluster in clusters for host in cluster.hosts}
        self._only = clusters[0] if len(clusters) == 1 else None

    def of_host(self, server_name: str) -> C | None:
        """The cluster whose host name the client's TLS named; None where it named none. For records made before there is a
        request."""
        return self._by_host.get(server_name.lower())

    def address(self, cluster: C, server_name: str) -> str:
        """What `server:` in a kubeconfig that leads to this cluster looks like, for somebody who came to it by this server name."""
        if server_name and self._by_host.get(server_name.lower()) is cluster:
            return f"https://{server_name}, with no path behind it"
        prefixed = f"https://GATEWAY/{cluster.name}"
        return prefixed if self._only is None else f"{prefixed} or https://GATEWAY"

    def choose(self, request: Request, server_name: str) -> tuple[C, str]:
        """The cluster, and the request target without the path prefix.

        Raises Refusal 404 where nothing names a cluster, and 421 where Host names another cluster than the server name does. A Host
        that names no cluster is legitimate: a kubeconfig's `tls-server-name` leads to it (threats A8).
        """
        chosen = self._by_host.get(server_name.lower()) if server_name else None
        if chosen is not None:
            host = next((value for name, value in request.headers if name == "host"), "")
            named = self._by_host.get(host.rpartition(":")[0].lower() or host.lower()) or self._by_host.get(host.lower())
            if named is not None and named is not chosen:
                raise Refusal(421, "MisdirectedRequest", "Host and the TLS server name belong to different clusters")
            return chosen, request.target
        path, question, query = request.target[1:].partition("?")  # a slash in the query parts no segments
        name, _, rest = path.partition("/")
        prefixed = self._by_name.get(name)
        if prefixed is not None:
            return prefixed, f"/{rest}{question}{query}"
        if self._only is not None:
            return self._only, request.target
        raise Refusal(
            404,
            "NotFound",
            "neither the TLS server name nor the path names a cluster; in the kubeconfig, `server:` must be the cluster's "
            "own host name or https://GATEWAY/CLUSTER, CLUSTER being one that this gateway serves",
        )
