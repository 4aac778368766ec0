"""The calls of kubectl's commands that read."""

from __future__ import annotations

from l7gw.config.document import shown
from l7gw.policy.kubectl.calls import NODES, PODS, SOME, Asked, Call, described
from l7gw.policy.kubectl.resources import ALL, Resource, resource_of
from l7gw.policy.kubectl.shared import manifests, raw_call
from l7gw.policy.kubectl.words import MakesNoCall, NotRead

EVENTS, NAMESPACES = Resource("events"), Resource("namespaces")


def read_objects(asked: Asked) -> list[Call]:
    if raw := asked.words.flag("raw"):
        return [raw_call("GET", raw)]
    if asked.arguments[:1] == ["all"]:
        asked.arguments = [",".join(ALL)]
    subresource = asked.words.flag("subresource")
    watches = asked.words.has("watch") or asked.words.has("watch-only")
    selectors = [(key, asked.words.flag(flag)) for key, flag in SELECTORS if asked.words.flag(flag)]
    found = []
    for resource, name in asked.named(asked.arguments):
        found.append(asked.call("get" if name else "list", resource, name, subresource, [] if name else selectors))
        if watches:
            chosen = [("fieldSelector", f"metadata.name={name}")] if name else selectors
            found.append(asked.call("watch", resource, query=chosen))
    return found


SELECTORS = (("labelSelector", "selector"), ("fieldSelector", "field-selector"))


# What `describe` reads beside the object, and does without: resource -> (verb, resource)
BESIDE: dict[str, tuple[tuple[str, Resource], ...]] = {
    "deployments": (("list", Resource("replicasets", "apps")),),
    **dict.fromkeys(
        ("replicasets", "statefulsets", "daemonsets", "jobs", "replicationcontrollers", "persistentvolumeclaims"),
        (("list", PODS),),
    ),
    "nodes": (
        ("list", PODS),
        ("get", Resource("leases", "coordination.k8s.io")),
        ("list", Resource("resourceslices", "resource.k8s.io")),
    ),
    "namespaces": (("list", Resource("resourcequotas")), ("list", Resource("limitranges"))),
    "services": (("list", Resource("endpointslices", "discovery.k8s.io")), ("get", Resource("endpoints"))),
    "serviceaccounts": (("list", Resource("secrets")),),
    "ingresses": (("get", Resource("services")), ("list", Resource("endpointslices", "discovery.k8s.io"))),
}


def describe(asked: Asked) -> list[Call]:
    """Objects that are not named are listed, then read one by one. Events, and what belongs to the object, kubectl does without."""
    named = asked.named(asked.arguments)
    found = []
    for resource, name in named:
        found += [asked.call("list", resource)] if not name else []
        found.append(asked.call("get", resource, name or SOME))
        place = None if resource == NODES else name or None if resource == NAMESPACES else ""
        for verb, beside in BESIDE.get(resource.plural, ()):
            at = "kube-node-lease" if beside.plural == "leases" else place
            found.append(asked.call(verb, beside, (name or SOME) if verb == "get" else "", namespace=at, spare=True))
        found.append(asked.call("list", EVENTS, namespace=None if not resource.namespaced else "", spare=True))
    return found


def logs(asked: Asked) -> list[Call]:
    follow = [("follow", "true")] if asked.words.has("follow") else []
    if not asked.arguments:
        if not asked.words.flag("selector"):
            raise NotRead("logs names no pod", "such as kubectl logs web-0")
        return [asked.call("list", PODS), asked.call("get", PODS, SOME, "log", follow)]
    found = asked.pods(asked.arguments[0])
    return [*found, asked.call("get", PODS, found[-1].act.name or SOME, "log", follow)]


def top(asked: Asked) -> list[Call]:
    what = resource_of(asked.arguments[0]) if asked.arguments else None
    if what not in (PODS, NODES):
        raise NotRead("top is of pods or nodes", "kubectl top pods")
    metrics = Resource(what.plural, "metrics.k8s.io")
    namespace = None if what == NODES else ""
    name = asked.arguments[1] if len(asked.arguments) > 1 else ""
    nodes = [asked.call("get" if name else "list", NODES, name)] if what == NODES else []  # how much each has
    return [asked.call("get" if name else "list", metrics, name, namespace=namespace), *nodes]


def events(asked: Asked) -> list[Call]:
    return [asked.call("list", EVENTS), *([asked.call("watch", EVENTS)] if asked.words.has("watch") else [])]


def auth(asked: Asked) -> list[Call]:
    what = asked.arguments[0] if asked.arguments else ""
    if what == "reconcile":
        return [
            asked.call(verb, *(asked.of(one) if verb != "create" else (asked.of(one)[0],)), sent=one, namespace=asked.place_of(one))
            for one in manifests(asked, "auth reconcile")
            for verb in ("get", "create", "update")
        ]
    lists = what == "can-i" and asked.words.has("list")
    known = {"can-i": RULES_REVIEWS if lists else ACCESS_REVIEWS, "whoami": SELF_REVIEWS}.get(what)
    if known is None:
        raise NotRead(f"auth {shown(what)} is not read here", "one of can-i, whoami, reconcile")
    return [asked.call("create", known, namespace=None)]


ACCESS_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io")
RULES_REVIEWS = Resource("selfsubjectrulesreviews", "authorization.k8s.io")
SELF_REVIEWS = Resource("selfsubjectreviews", "authentication.k8s.io")


def discovery(asked: Asked) -> list[Call]:
    """Of what the cluster is: which version, and which resources it has."""
    name = asked.words.arguments[0]
    if name == "version" and asked.words.has("client"):
        raise MakesNoCall("kubectl version --client asks the cluster nothing")
    return [Call("GET", described("GET", {"version": "/version", "explain": "/openapi/v3"}.get(name, "/apis"), []))]


def cluster_info(asked: Asked) -> list[Call]:
    """Services that say they are the cluster's; with `dump` everything of the namespace kube-system and of the command's."""
    own = asked.words.flag("namespace") or "kube-system"
    if asked.arguments[:1] != ["dump"]:
        return [
            asked.call("list", Resource("services"), query=[("labelSelector", "kubernetes.io/cluster-service=true")], namespace=own)
        ]
    places = [one for one in asked.words.flag("namespaces").split(",") if one] or ["kube-system", asked.namespace or "default"]
    spaces: list[str | None] = [None] if asked.words.has("all-namespaces") else [*dict.fromkeys(places)]
    found = [asked.call("list", NODES)]
    for place in spaces:
        found += [asked.call("list", resource_of(word), namespace=place) for word in DUMPED]
        found.append(asked.call("get", PODS, SOME, "log", namespace=place))
    return found


DUMPED = ("events", "rc", "svc", "ds", "deploy", "rs", "pods")


def wait(asked: Asked) -> list[Call]:
    """Each object is read, then listed and watched by its name."""
    found = []
    for resource, name in asked.named(asked.arguments):
        chosen = [("fieldSelector", f"metadata.name={name}")] if name else []
        found += [asked.call("get", resource, name)] if name else []
        found += [asked.call("list", resource, query=chosen), asked.call("watch", resource, query=chosen)]
    return found
