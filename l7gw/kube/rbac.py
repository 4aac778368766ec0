"""RBAC's rules and objects: what a rule lets pass, and how rules, roles and bindings are written.

A rule is matched as kube-apiserver does it (KK plugin/pkg/auth/authorizer/rbac/rbac.go, KK
pkg/apis/rbac/v1/evaluation_helpers.go): the verb, the API group, the resource with its subresource, and the name, which is "" for a
create in a collection and for a list of all objects. No list of names matches that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

API = "rbac.authorization.k8s.io"
ALL = "*"  # of verbs, groups, resources and paths; of names it is a name

SubjectKind = Literal["User", "Group", "ServiceAccount"]


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that RBAC is asked for. `resource` has its subresource behind a slash (`pods/exec`), and is "" for a path that is
    no resource. `namespace` is "" for what belongs to the cluster, and for a list of all namespaces."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def kind(self) -> str:
        """The resource as policy and kubectl spell it: `deployments.apps/scale`; the path where it is none."""
        if self.path:
            return self.path
        base, slash, sub = self.resource.partition("/")
        return f"{base}.{self.group}{slash}{sub}" if self.group else self.resource

    def __str__(self) -> str:
        where = f" -n {self.namespace}" if self.namespace else "" if self.path else " (cluster)"
        return " ".join(filter(None, (self.verb, self.kind, self.name))) + where


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A PolicyRule. Without `names` it is about all names. A rule has either `urls` or `resources`."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def allows(self, right: Right) -> bool:
        """Whether the rule lets it pass, where it is bound in the right's namespace or in the cluster."""
        if ALL not in self.verbs and right.verb not in self.verbs:
            return False
        if right.path:
            return any(_url(url, right.path) for url in self.urls)
        if ALL not in self.groups and right.group not in self.groups:
            return False
        if self.names and right.name not in self.names:
            return False
        sub = right.resource.partition("/")[2]
        return any(one in (ALL, right.resource) or (sub != "" and one == f"*/{sub}") for one in self.resources)

    def __str__(self) -> str:
        kinds = (f"{one}.{group}" if group else one for group in self.groups for one in self.resources)
        names = f" [{', '.join(self.names)}]" if self.names else ""
        return f"{', '.join(self.verbs)} {', '.join(self.urls or kinds)}{names}"

    def document(self) -> dict[str, Any]:
        """The rule as it stands in a role."""
        if self.urls:
            return {"nonResourceURLs": list(self.urls), "verbs": list(self.verbs)}
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": list(self.groups), "resources": list(self.resources), **names, "verbs": list(self.verbs)}


def _url(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Whom a binding names. `namespace` is that of a service account, and "" else."""

    kind: SubjectKind
    name: str
    namespace: str = ""

    def document(self) -> dict[str, str]:
        if self.kind == "ServiceAccount":
            return {"kind": self.kind, "namespace": self.namespace, "name": self.name}
        return {"kind": self.kind, "apiGroup": API, "name": self.name}

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def role(name: str, rules: Iterable[Rule], namespace: str = "") -> dict[str, Any]:
    """A Role in a namespace, or a ClusterRole without one."""
    return {**_head("Role", name, namespace), "rules": [rule.document() for rule in rules]}


def binding(name: str, subjects: Iterable[Subject], namespace: str = "", *, of_cluster: bool = False) -> dict[str, Any]:
    """A binding of the role of the same name: in a namespace of the Role there (`of_cluster`: of the ClusterRole), else of the
    ClusterRole in the whole cluster."""
    kind = "Role" if namespace and not of_cluster else "ClusterRole"
    return {
        **_head("RoleBinding", name, namespace),
        "roleRef": {"apiGroup": API, "kind": kind, "name": name},
        "subjects": [subject.document() for subject in subjects],
    }


def _head(kind: str, name: str, namespace: str) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": f"{API}/v1", "kind": kind if namespace else f"Cluster{kind}", "metadata": {"name": name, **where}}
