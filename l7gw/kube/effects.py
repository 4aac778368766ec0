"""What a call does to a cluster, as a table. A call has the effect of its verb and those of its row; the closest row counts. An
unknown verb, or a subresource that no row names, is `other` besides, so that nothing unknown ever looks harmless."""

from __future__ import annotations

from dataclasses import dataclass

READS = frozenset(("get", "list", "watch"))
WRITES = frozenset(("create", "update", "patch"))
DELETES = frozenset(("delete", "deletecollection"))

RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CERTIFICATES = "certificates.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Row:
    """`resource` as `plural` or `plural/subresource` of `group`; `*` is any. `verbs` empty: any. `effects` are added to those
    by verb, or with `alone` replace them."""

    group: str
    resource: str
    effects: tuple[str, ...]
    verbs: frozenset[str] = frozenset()
    alone: bool = False


# Objects whose writing starts code: pods and whatever templates them.
TEMPLATES = (
    ("", "pods"),
    ("", "podtemplates"),
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "controllerrevisions"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("extensions", "daemonsets"),
    ("extensions", "deployments"),
    ("extensions", "replicasets"),
)

# What may be scaled from nothing to many of the above: as good as writing it.
SCALED = (
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("extensions", "deployments"),
    ("extensions", "replicasets"),
    ("extensions", "replicationcontrollers"),
)

# Whose status tells what a controller or a node saw. Writing it deceives whoever reads it, which is a write; it starts no code
# and gives nobody a right. The others, where the status is the decision itself (a certificate is issued by it), have rows.
TOLD = {
    "": "namespaces nodes persistentvolumeclaims persistentvolumes pods replicationcontrollers resourcequotas services",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apps": "daemonsets deployments replicasets statefulsets",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "internal.apiserver.k8s.io": "storageversions",
    "networking.k8s.io": "ingresses servicecidrs",
    "policy": "poddisruptionbudgets",
    "resource.k8s.io": "devicetaintrules resourceclaims resourcepoolstatusrequests",
    "scheduling.k8s.io": "podgroups",
    "storage.k8s.io": "volumeattachments",
    "storagemigration.k8s.io": "storageversionmigrations",
}

ROWS = (
    # self reviews tell what one may do oneself, and change nothing
    Row(AUTHORIZATION, "selfsubjectaccessreviews", ("discovery",), frozenset(("create",)), alone=True),
    Row(AUTHORIZATION, "selfsubjectrulesreviews", ("discovery",), frozenset(("create",)), alone=True),
    Row(AUTHENTICATION, "selfsubjectreviews", ("discovery",), frozenset(("create",)), alone=True),
    # code execution: one class for policy, approval and recorder, whatever the method (threats D5, D8)
    Row("", "pods/exec", ("execute",), alone=True),
    Row("", "pods/attach", ("execute",), alone=True),
    Row("", "pods/ephemeralcontainers", ("execute",)),
    # tunnels: what travels inside is not Kubernetes'
    Row("", "pods/portforward", ("tunnel",), alone=True),
    Row("", "pods/proxy", ("tunnel",), alone=True),
    Row("", "services/proxy", ("tunnel",), alone=True),
    Row("", "nodes/proxy", ("tunnel", "escalate", "execute"), alone=True),  # reaches the kubelet's exec (threats D6)
    # secrets and tokens
    Row("", "secrets", ("secrets",)),
    Row("", "secrets/*", ("secrets",)),
    Row("", "serviceaccounts/token", ("secrets", "escalate")),
    Row(AUTHENTICATION, "tokenreviews", ("secrets",)),
    # who may do what
    Row(RBAC, "*", ("escalate",), WRITES | DELETES | {"bind", "escalate"}),
    Row(RBAC, "*/*", ("escalate",), WRITES | DELETES | {"bind", "escalate"}),
    Row(CERTIFICATES, "certificatesigningrequests/approval", ("escalate",)),
    Row(CERTIFICATES, "certificatesigningrequests/status", ("escalate",), WRITES),
    Row(CERTIFICATES, "podcertificaterequests/status", ("escalate",), WRITES),  # the issued certificate stands there
    Row(CERTIFICATES, "signers", ("escalate",)),
    Row(CERTIFICATES, "signers/*", ("escalate",)),
    Row(CERTIFICATES, "clustertrustbundles", ("escalate",), WRITES | DELETES),
    Row(ADMISSION, "*", ("escalate",), WRITES | DELETES),
    Row(ADMISSION, "*/*", ("escalate",), WRITES | DELETES),
    Row("apiregistration.k8s.io", "*", ("escalate",), WRITES | DELETES),
    Row("apiregistration.k8s.io", "*/*", ("escalate",), WRITES | DELETES),
    # placing a pod is starting it
    Row("", "pods/binding", ("workload",)),
    Row("", "bindings", ("workload",)),
    Row("", "pods/resize", ("workload",), WRITES),
    Row("", "namespaces/finalize", ()),
    # an eviction deletes
    Row("", "pods/eviction", ("delete",), alone=True),
    Row("", "pods/log", ("read",), frozenset(("get",)), alone=True),
    *(Row(group, resource, ("workload",), WRITES) for group, resource in TEMPLATES),
    *(Row(group, f"{resource}/scale", ("workload",), WRITES) for group, resource in SCALED),
    *(Row(group, f"{resource}/status", ()) for group, resources in TOLD.items() for resource in resources.split()),
)

# Subresources that a custom resource may have, a part of their object: their effects are those of the verb.
PLAIN_SUBRESOURCES = frozenset(("status", "scale"))

DISCOVERY_ROOTS = frozenset(("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"))
# OpenAPI by its older names: kubectl before 1.29 asks for the second where /openapi/v2 is missing
DISCOVERY_ROOTS |= {"/swagger.json", "/swagger-2.0.0.pb-v1"}

_INDEX = {(row.group, row.resource): row for row in ROWS}


def resource_effects(verb: str, group: str, resource: str, subresource: str) -> frozenset[str]:
    """The effects of a call on a resource. Never empty."""
    name = f"{resource}/{subresource}" if subresource else resource
    row = _row(verb, group, name, subresource)
    if row is not None and row.alone:
        return frozenset(row.effects)
    found = set(row.effects) if row is not None else set()
    if verb in READS:
        found.add("read")
    elif verb in WRITES:
        found.add("write")
    elif verb in DELETES:
        found.add("delete")
    else:
        found.add("other")
    if subresource and subresource not in PLAIN_SUBRESOURCES and (group, name) not in _INDEX:
        found.add("other")
    if verb == "impersonate":
        found.add("impersonate")
    return frozenset(found)


def _row(verb: str, group: str, name: str, subresource: str) -> Row | None:
    base = name.partition("/")[0]
    for resource in (name, f"{base}/*" if subresource else "", "*/*" if subresource else "*"):
        row = _INDEX.get((group, resource))
        if row is not None and (not row.verbs or verb in row.verbs):
            return row
    return None


def path_effects(verb: str, path: str) -> frozenset[str]:
    """The effects of a call on a path that is no resource: discovery, or other. `path` is decoded and begins with a slash."""
    if verb in ("get", "head"):
        root = "/" + path.strip("/").partition("/")[0]
        if root in DISCOVERY_ROOTS:
            return frozenset(("discovery",))
        return frozenset(("other", "read"))
    return frozenset(("other", "write"))
