"""What a cluster must let the gateway do there: the permissions that impersonation needs, one by one.

Kubernetes asks its RBAC for the verb `impersonate` of each user, group and extra that a call names (AS
pkg/endpoints/filters/impersonation/impersonation.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from l7gw.cluster.impersonation import GATEWAY_USER
from l7gw.config.settings import Cluster
from l7gw.kube.rbac import API
from l7gw.policy.judge import Policy

EXTRAS = ("l7gw-user", "l7gw-session")
GROUP = "l7gw-gateways"  # which `l7gw rbac render` gives the rights, where no --to says another
AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


class Need(NamedTuple):
    """One permission. An empty `name` is any name. `namespace` is "" for what is asked of the whole cluster."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        group = f".{self.group}" if self.group and self.verb != "impersonate" else ""
        return " ".join(filter(None, (self.verb, what + group, self.name, self.namespace and f"in {self.namespace}")))

    @property
    def attributes(self) -> dict[str, str]:
        """As a SelfSubjectAccessReview asks for it."""
        return {name: value for name, value in self._asdict().items() if value}


ANYBODY = Need("impersonate", "", "users")  # what makes a stolen credential as good as cluster-admin


def needs(cluster: Cluster, policy: Policy) -> tuple[list[Need], list[str]]:
    """What the cluster must let the gateway do; and what of it cannot be asked, in words: names that only calls will show."""
    if cluster.impersonate == "none":
        return list(_of_binds(cluster, policy)), []
    found: list[Need] = []
    unknown: list[str] = []
    if cluster.impersonate == "groups":
        found.append(Need("impersonate", "", "users", GATEWAY_USER))
    else:
        unknown.append(f"impersonate users {cluster.prefix}*: which users come is seen when they call")
    groups = policy.groups_going_up(cluster.name, cluster.groups)
    for text in ("",) if groups.everything else groups.texts:
        if "*" in text:
            unknown.append(f"impersonate groups {cluster.prefix}{text}: which groups come is seen when they call")
        else:
            found.append(Need("impersonate", "", "groups", text and cluster.prefix + text))
    found += [Need("impersonate", AUTHENTICATION, "userextras", subresource=extra) for extra in EXTRAS]
    acted_as = policy.acted_as(cluster.name)
    for text in acted_as:
        resource, _, name = text.partition(" ")
        if "*" in name:
            unknown.append(f"impersonate {text}: whom callers act as is seen when they call")
        else:
            space, slash, account = name.partition("/") if resource == "serviceaccounts" else ("", "", "")
            found.append(Need("impersonate", "", resource, account if slash else name, space))
    if acted_as:
        found.append(Need("create", AUTHORIZATION, "subjectaccessreviews"))
    return [*found, *_of_binds(cluster, policy)], unknown


def _of_binds(cluster: Cluster, policy: Policy) -> Iterator[Need]:
    """What `bind:` of grants and rules needs: RoleBindings made and removed, and the right to bind these roles alone."""
    found: dict[Need, None] = {}
    for bind in policy.binds(cluster.name):
        for space in bind.namespaces:
            found |= dict.fromkeys(Need(verb, API, "rolebindings", namespace=space) for verb in ("create", "delete", "list"))
            found[Need("bind", API, f"{bind.kind.lower()}s", bind.role, space)] = None
    yield from found
