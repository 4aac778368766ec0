"""The effects of a call on a cluster, as a table. A call has the effect of its verb, and the
effects of the row that fits it closest.

An unknown verb, and a subresource that no row names, add the effect `other`, so that nothing unknown looks harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from l7gw.kube.act import Effect

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
    """One row. `resource` is `plural` or `plural/subresource` in the API group `group`; `*`
    is any. An empty `verbs` means all verbs.

    `effects` are added to the effect of the verb. With `alone` they replace it.
    """

    group: str
    resource: str
    effects: tuple[Effect, ...]
    verbs: frozenset[str] = frozenset()
    alone: bool = False


# Writing these objects starts code: pods, and objects that hold a template of pods.
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

# Scaling these objects starts pods, so it has the effects of writing them.
SCALED = (
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("extensions", "deployments"),
    ("extensions", "replicasets"),
    ("extensions", "replicationcontrollers"),
)

# The status of these objects reports what a controller or a node saw. Writing such a status is a write: it can deceive its readers,
# but it starts no code and gives nobody a right. Objects whose status is itself a decision, as of a certificate, have rows.
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
    # a self review tells callers what they may do, and changes nothing
    Row(AUTHORIZATION, "selfsubjectaccessreviews", ("discovery",), frozenset(("create",)), alone=True),
    Row(AUTHORIZATION, "selfsubjectrulesreviews", ("discovery",), frozenset(("create",)), alone=True),
    Row(AUTHENTICATION, "selfsubjectreviews", ("discovery",), frozenset(("create",)), alone=True),
    # these run code in a container, whatever the method (threats D5, D8)
    Row("", "pods/exec", ("execute",), alone=True),
    Row("", "pods/attach", ("execute",), alone=True),
    Row("", "pods/ephemeralcontainers", ("execute",)),
    # tunnels: the bytes inside are not Kubernetes' own
    Row("", "pods/portforward", ("tunnel",), alone=True),
    Row("", "pods/proxy", ("tunnel",), alone=True),
    Row("", "services/proxy", ("tunnel",), alone=True),
    Row("", "nodes/proxy", ("tunnel", "escalate", "execute"), alone=True),  # leads to the exec of the kubelet's API (threats D6)
    # secrets and tokens
    Row("", "secrets", ("secrets",)),
    Row("", "secrets/*", ("secrets",)),
    Row("", "serviceaccounts/token", ("secrets", "escalate")),
    Row(AUTHENTICATION, "tokenreviews", ("secrets",)),
    # rights: who may do what
    Row(RBAC, "*", ("escalate",), WRITES | DELETES | {"bind", "escalate"}),
    Row(RBAC, "*/*", ("escalate",), WRITES | DELETES | {"bind", "escalate"}),
    Row(CERTIFICATES, "certificatesigningrequests/approval", ("escalate",)),
    Row(CERTIFICATES, "certificatesigningrequests/status", ("escalate",), WRITES),
    Row(CERTIFICATES, "podcertificaterequests/status", ("escalate",), WRITES),  # the status holds the issued certificate
    Row(CERTIFICATES, "signers", ("escalate",)),
    Row(CERTIFICATES, "signers/*", ("escalate",)),
    Row(CERTIFICATES, "clustertrustbundles", ("escalate",), WRITES | DELETES),
    Row(ADMISSION, "*", ("escalate",), WRITES | DELETES),
    Row(ADMISSION, "*/*", ("escalate",), WRITES | DELETES),
    Row("apiregistration.k8s.io", "*", ("escalate",), WRITES | DELETES),
    Row("apiregistration.k8s.io", "*/*", ("escalate",), WRITES | DELETES),
    # a binding places a pod on a node, which starts it
    Row("", "pods/binding", ("workload",)),
    Row("", "bindings", ("workload",)),
    Row("", "pods/resize", ("workload",), WRITES),
    Row("", "namespaces/finalize", ()),
    # an eviction deletes its pod
    Row("", "pods/eviction", ("delete",), alone=True),
    Row("", "pods/log", ("read",), frozenset(("get",)), alone=True),
    *(Row(group, resource, ("workload",), WRITES) for group, resource in TEMPLATES),
    *(Row(group, f"{resource}/scale", ("workload",), WRITES) for group, resource in SCALED),
    *(Row(group, f"{resource}/status", ()) for group, resources in TOLD.items() for resource in resources.split()),
)

# Subresources that a custom resource may have. They are parts of their object, so a call on one has the effect of its verb alone.
PLAIN_SUBRESOURCES = frozenset(("status", "scale"))

DISCOVERY_ROOTS = frozenset(("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"))
# Older names of OpenAPI documents: kubectl before 1.29 asks for the second where /openapi/v2 is missing
DISCOVERY_ROOTS |= {"/swagger.json", "/swagger-2.0.0.pb-v1"}

_INDEX = {(row.group, row.resource): row for row in ROWS}


def resource_effects(verb: str, group: str, resource: str, subresource: str) -> frozenset[Effect]:
    """The effects of a call on a resource, at least one. `group` is "" for the core group, `subresource` "" for none."""
    name = f"{resource}/{subresource}" if subresource else resource
    row = _row(verb, group, name, subresource)
    if row is not None and row.alone:
        return frozenset(row.effects)
    found: set[Effect] = set(row.effects) if row is not None else set()
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


def path_effects(verb: str, path: str) -> frozenset[Effect]:
    """The effects of a call on a path that is no resource. `verb` is the method in lower case;
    `path` is decoded and begins with a slash."""
    if verb in ("get", "head"):
        root = "/" + path.strip("/").partition("/")[0]
        if root in DISCOVERY_ROOTS:
            return frozenset(("discovery",))
        return frozenset(("other", "read"))
    return frozenset(("other", "write"))
