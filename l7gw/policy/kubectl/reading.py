"""The calls of kubectl's commands that read."""

from __future__ import annotations

from l7gw.policy.kubectl.calls import NODES, PODS, SOME, Asked, Call, described
from l7gw.policy.kubectl.resources import ALL, Resource, resource_of
from l7gw.policy.kubectl.shared import raw_call
from l7gw.policy.kubectl.words import NotRead


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


def describe(asked: Asked) -> list[Call]:
    return [asked.call("get" if name else "list", resource, name) for resource, name in asked.named(asked.arguments)]


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
    return [asked.call("get" if name else "list", metrics, name, namespace=namespace)]


def events(asked: Asked) -> list[Call]:
    return [asked.call("list", Resource("events"))]


def auth(asked: Asked) -> list[Call]:
    reviews = {
        "can-i": ("selfsubjectaccessreviews", "authorization.k8s.io"),
        "whoami": ("selfsubjectreviews", "authentication.k8s.io"),
    }
    known = reviews.get(asked.arguments[0]) if asked.arguments else None
    if known is None:
        raise NotRead("auth is read for can-i and whoami")
    return [asked.call("create", Resource(*known), namespace=None)]


def discovery(asked: Asked) -> list[Call]:
    return [Call("GET", described("GET", "/version" if asked.words.arguments[0] == "version" else "/apis", []))]


def wait(asked: Asked) -> list[Call]:
    found = []
    for resource, name in asked.named(asked.arguments):
        chosen = [("fieldSelector", f"metadata.name={name}")] if name else []
        found += [asked.call("list", resource, query=chosen), asked.call("watch", resource, query=chosen)]
    return found
