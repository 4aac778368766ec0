"""The roles and bindings of a cluster, read with the gateway's own credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from l7gw.cluster.api_server import ApiServer
from l7gw.cluster.trial import Failure
from l7gw.kube.existing_rbac import MOST_OBJECTS, Existing
from l7gw.kube.rbac import API

RESOURCES = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
PAGE = 250  # objects of one answer; a role with a thousand rules has 100 KiB, and an answer of 4 MiB is read
BY_KUBECTL = f"kubectl get {','.join(RESOURCES.values())} -A -o yaml"


def read_there(server: ApiServer, told: Callable[[int], None] = lambda count: None) -> Existing:
    """All roles and bindings. `told` is called with how many more were read. Raises Failure."""
    found: list[dict[str, Any]] = []
    for kind, resource in RESOURCES.items():
        for items in _pages(server, resource):
            found += ({**one, "kind": kind} for one in items if isinstance(one, dict) and isinstance(one.get("metadata"), dict))
            told(len(items))
            if len(found) > MOST_OBJECTS:
                raise Failure(f"the cluster has more than {MOST_OBJECTS:,} roles and bindings", f"{BY_KUBECTL}, of some namespaces")
    return Existing(found)


def _pages(server: ApiServer, resource: str) -> Iterator[list[Any]]:
    """The items of each answer to a list."""
    after = ""
    while True:
        more = f"&continue={quote(after, safe='')}" if after else ""
        answer = server.ask("GET", f"/apis/{API}/v1/{resource}?limit={PAGE}{more}")
        if answer.status == 403:
            raise Failure(
                f"the cluster does not let the gateway list {resource}: {answer.said}", f"{BY_KUBECTL} | ... --existing -"
            )
        items, after = answer.at("items"), answer.at("metadata", "continue") or ""
        if answer.status != 200 or not isinstance(items, list) or not isinstance(after, str):
            raise Failure(f"the cluster does not list {resource}: {answer.said}")
        yield items
        if not after:
            return
