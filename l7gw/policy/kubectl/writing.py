"""The calls of kubectl's commands that write."""

from __future__ import annotations

import json

from l7gw.config.document import shown
from l7gw.policy.kubectl.calls import PODS, SOME, Asked, Call
from l7gw.policy.kubectl.in_pods import joined
from l7gw.policy.kubectl.resources import Resource, resource_of
from l7gw.policy.kubectl.shared import each, manifests, raw_call, reads
from l7gw.policy.kubectl.words import MakesNoCall, NotRead

SERVICES, ACCOUNTS = Resource("services"), Resource("serviceaccounts")


def apply(asked: Asked) -> list[Call]:
    what = asked.arguments[0] if asked.arguments else ""
    if what == "view-last-applied":
        return reads(asked, asked.arguments[1:])
    if what in ("set-last-applied", "edit-last-applied"):
        return each(asked, asked.arguments[1:], lambda resource, name: [asked.call("patch", resource, name)])
    found = []
    for manifest in manifests(asked, "apply"):
        resource, name = asked.of(manifest)
        place = asked.place_of(manifest)
        if not asked.words.has("server-side"):
            found.append(asked.call("get", resource, name, namespace=place))
            if asked.client_only:
                continue
            found.append(asked.call("create", resource, sent=manifest, namespace=place))
        found.append(asked.call("patch", resource, name, sent=manifest, namespace=place))
    return found


def diff(asked: Asked) -> list[Call]:
    found = []
    for manifest in manifests(asked, "diff"):
        resource, name = asked.of(manifest)
        place = asked.place_of(manifest)
        found.append(asked.call("get", resource, name, namespace=place))
        found.append(asked.call("patch", resource, name, query=[("dryRun", "All")], sent=manifest, namespace=place))
    return found


def replace(asked: Asked) -> list[Call]:
    found = []
    for manifest in manifests(asked, "replace"):
        resource, name = asked.of(manifest)
        place = asked.place_of(manifest)
        found.append(asked.call("get", resource, name, namespace=place))
        if asked.words.has("force"):
            found.append(asked.call("delete", resource, name, namespace=place))
            found.append(asked.call("create", resource, sent=manifest, namespace=place))
        else:
            found.append(asked.call("update", resource, name, sent=manifest, namespace=place))
    return found


def create(asked: Asked) -> list[Call]:
    if asked.client_only:
        raise MakesNoCall("kubectl create --dry-run=client asks the cluster for nothing but which resources it has")
    if asked.objects is not None:
        return [
            asked.call("create", asked.of(one)[0], sent=one, namespace=asked.place_of(one)) for one in manifests(asked, "create")
        ]
    if asked.arguments[:1] == ["token"] and len(asked.arguments) == 2:
        return [asked.call("create", ACCOUNTS, asked.arguments[1], "token")]
    if len(asked.arguments) < 2:
        raise NotRead("create needs a file, or a resource and a name", "kubectl create -f web.yaml")
    return [asked.call("create", resource_of(asked.arguments[0]))]


def run(asked: Asked) -> list[Call]:
    if not asked.arguments:
        raise NotRead("run needs a name", "kubectl run web --image nginx")
    name = asked.arguments[0]
    container = {"name": name, "image": asked.words.flag("image")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
    if asked.client_only:
        raise MakesNoCall("kubectl run --dry-run=client asks the cluster nothing")
    found = [asked.call("create", PODS, sent=pod)]
    if asked.words.has("stdin") or asked.words.has("attach"):
        found += [*joined(asked, name), asked.call("get", PODS, name)]
    if asked.words.has("rm"):
        found += [asked.call("delete", PODS, name), asked.call("get", PODS, name, spare=True)]
    if asked.words.has("expose"):
        found.append(asked.call("create", SERVICES))
    return found


def delete(asked: Asked) -> list[Call]:
    """`delete` sends DeleteOptions. With --all or a selector it lists, and deletes one by one. It looks until each is
    gone, and does without that where it may not look."""
    if raw := asked.words.flag("raw"):
        return [raw_call("DELETE", raw)]
    found = []
    cascade = {"orphan": "Orphan", "foreground": "Foreground", "false": "Orphan"}.get(asked.words.flag("cascade"), "Background")
    options: dict[str, object] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": cascade}
    if asked.words.flag("dry-run") == "server":
        options["dryRun"] = ["All"]
    grace = "1" if asked.words.has("now") else asked.words.flag("grace-period")
    if grace.isdigit():
        options["gracePeriodSeconds"] = int(grace)
    if asked.objects is not None:
        for one in manifests(asked, "delete"):
            found.append(asked.call("delete", *asked.of(one), sent=options, namespace=asked.place_of(one)))
            found += _gone(asked, *asked.of(one), asked.place_of(one))
        return found
    for resource, name in asked.named(asked.arguments, some=True):
        if name == SOME:
            found.append(asked.call("list", resource))
        if not asked.client_only:
            found.append(asked.call("delete", resource, name, sent=options))
            found += _gone(asked, resource, name, "")
    return found


def _gone(asked: Asked, resource: Resource, name: str, namespace: str | None) -> list[Call]:
    """How kubectl sees that an object is gone: it reads it, and watches it where it is still there."""
    if asked.words.flag("wait") == "false" or asked.words.flag("dry-run") == "server":
        return []
    chosen = [("fieldSelector", f"metadata.name={name}")] if name != SOME else []
    verbs = (("get", name, None), ("list", "", chosen), ("watch", "", chosen))
    return [asked.call(verb, resource, one, query=query, namespace=namespace, spare=True) for verb, one, query in verbs]


def changed(asked: Asked) -> list[Call]:
    """`edit`, `label`, `annotate` and `taint`: each object is read, then patched."""
    arguments = [word for word in asked.arguments if not _is_change(word)]
    if asked.words.has("list") or asked.words.has("local"):
        return reads(asked, arguments)
    return each(asked, arguments, lambda resource, name: [asked.call("patch", resource, name, asked.words.flag("subresource"))])


def _is_change(word: str) -> bool:
    """Whether a word changes a label, an annotation or a taint: `team=web`, `team-`, `key=value:NoSchedule`."""
    return "=" in word or (word.endswith("-") and len(word) > 1)


def patch(asked: Asked) -> list[Call]:
    said = asked.words.flag("patch")
    try:
        sent = json.loads(said) if said else None
    except ValueError:
        sent = None  # YAML, which kubectl takes too: `object: FILE` says what is sent
    subresource = asked.words.flag("subresource")
    return each(asked, asked.arguments, lambda resource, name: [asked.call("patch", resource, name, subresource, sent=sent)])


def scale(asked: Asked) -> list[Call]:
    count = asked.words.flag("replicas")
    if not count.isdigit():
        raise NotRead("scale needs --replicas", "kubectl scale deploy/web --replicas 3")
    sent = {"spec": {"replicas": int(count)}}
    if asked.words.flag("current-replicas").isdigit() or asked.words.flag("resource-version"):
        verbs = ("get", "update")
        return each(asked, asked.arguments, lambda r, name: [asked.call(verb, r, name, "scale") for verb in verbs])
    return each(asked, asked.arguments, lambda resource, name: [asked.call("patch", resource, name, "scale", sent=sent)])


def rollout(asked: Asked) -> list[Call]:
    if not asked.arguments:
        raise NotRead("rollout needs a command", "kubectl rollout restart deploy/web")
    what, *named = asked.arguments
    if what == "status":
        return [call for one in reads(asked, named) for call in (one, *_followed(asked, one))]
    if what == "history":
        return [call for one in reads(asked, named) for call in (one, _revisions(asked, one))]
    if what == "undo":
        found = reads(asked, named)
        pairs = [(call, _revisions(asked, call)) for call in found]
        patches = [asked.call("patch", resource, name) for resource, name in asked.named(named, some=True)]
        return [*(call for pair in pairs for call in pair), *patches]
    if what not in ("restart", "undo", "pause", "resume"):
        raise NotRead(f"rollout {shown(what)} is not read here", "one of restart, undo, pause, resume, status, history")
    return each(asked, named, lambda resource, name: [asked.call("patch", resource, name)])


def _followed(asked: Asked, read: Call) -> list[Call]:
    chosen = [("fieldSelector", f"metadata.name={read.act.name}")] if read.act.name else []
    resource = Resource(read.act.resource, read.act.group)
    return [asked.call("list", resource, query=chosen), asked.call("watch", resource, query=chosen)]


def _revisions(asked: Asked, read: Call) -> Call:
    """Where the revisions of a workload are."""
    plural = "replicasets" if read.act.resource == "deployments" else "controllerrevisions"
    return asked.call("list", Resource(plural, "apps"))


def set_field(asked: Asked) -> list[Call]:
    if len(asked.arguments) < 2:
        raise NotRead("set needs a command and an object", "kubectl set image deploy/web web=nginx:1.27")
    named = [word for word in asked.arguments[1:] if not _is_change(word)]
    if asked.arguments[0] in ("serviceaccount", "sa") and len(named) > 1:
        named = named[:-1]  # the account
    return each(asked, named, lambda resource, name: [asked.call("patch", resource, name)])


def expose(asked: Asked) -> list[Call]:
    return [*reads(asked, asked.arguments), asked.call("create", SERVICES)]


def autoscale(asked: Asked) -> list[Call]:
    return [*reads(asked, asked.arguments), asked.call("create", Resource("horizontalpodautoscalers", "autoscaling"))]


def cordon(asked: Asked) -> list[Call]:
    return each(asked, ["nodes", *asked.arguments], lambda resource, name: [asked.call("patch", resource, name)])


def drain(asked: Asked) -> list[Call]:
    """The node is cordoned, its pods are listed over all namespaces, their DaemonSets are read, and each is evicted, or deleted
    with --disable-eviction. Each is read until it is gone."""
    found = cordon(asked)
    found.append(asked.call("list", PODS, namespace=None))
    found.append(asked.call("get", Resource("daemonsets", "apps"), SOME, namespace=None, spare=True))
    found.append(asked.call("get", PODS, SOME, namespace=None))
    if asked.words.has("disable-eviction"):
        found.append(asked.call("delete", PODS, SOME, namespace=None))
    else:
        found.append(asked.call("create", PODS, SOME, "eviction", namespace=None))
    return found


def certificate(asked: Asked) -> list[Call]:
    requests = Resource("certificatesigningrequests", "certificates.k8s.io")
    if len(asked.arguments) < 2 or asked.arguments[0] not in ("approve", "deny"):
        raise NotRead("certificate approves or denies a request", "kubectl certificate approve NAME")
    return [
        call
        for name in asked.arguments[1:]
        for call in (asked.call("get", requests, name), asked.call("update", requests, name, "approval"))
    ]
