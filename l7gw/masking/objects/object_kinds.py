"""What a body may be: the kind that its URL stands for, and the single objects inside lists, tables and watch events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from l7gw.kube.act import Act
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.steps import spent

MOST_TOGETHER = 16  # items that are asked about at once: mostly none has to be read, and one question costs a tenth
MOST_LEVELS = 8  # lists in lists, events in events; Kubernetes itself has two (a list in a watch event), kubectl three

Holds = Callable[[bytes, str], bool]  # the bytes of an item and its kind: whether something in it may be masked

_NOTHING_APART: frozenset[str] = frozenset()

# The kinds that hold something by their structure, by API group and resource. Of `apps` and `batch` the older group `extensions`
# had some.
_KINDS = {
    ("", "secrets"): "Secret",
    ("", "configmaps"): "ConfigMap",
    ("", "pods"): "Pod",
    ("", "podtemplates"): "PodTemplate",
    ("", "replicationcontrollers"): "ReplicationController",
    ("", "serviceaccounts/token"): "TokenRequest",
    ("apps", "deployments"): "Deployment",
    ("apps", "replicasets"): "ReplicaSet",
    ("apps", "daemonsets"): "DaemonSet",
    ("apps", "statefulsets"): "StatefulSet",
    ("apps", "controllerrevisions"): "ControllerRevision",
    ("extensions", "deployments"): "Deployment",
    ("extensions", "replicasets"): "ReplicaSet",
    ("extensions", "daemonsets"): "DaemonSet",
    ("batch", "jobs"): "Job",
    ("batch", "cronjobs"): "CronJob",
    ("authentication.k8s.io", "tokenreviews"): "TokenReview",
}
STRUCTURAL = frozenset(_KINDS.values())


def kind_of(act: Act) -> str:
    """The kind that the URL's resource stands for, where that kind holds something by its structure; else ""."""
    if not act.is_resource:
        return ""
    if act.subresource:
        kind = _KINDS.get((act.group, f"{act.resource}/{act.subresource}"))
        if kind is not None:
            return kind
        if act.subresource == "scale":
            return ""
    return _KINDS.get((act.group, act.resource), "")


class Unit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One object of a body, or what stands around objects: a list without its items, a row of a table without its object."""

    node: Node
    kinds: tuple[str, ...]  # its own kind and that of the URL; a rule about either is kept
    namespace: str  # its own, else that of the URL
    group: str | None = None  # of its apiVersion, or that of the list around; None where neither names one
    apart: frozenset[str] = _NOTHING_APART  # members that are units of their own


def units(
    node: Node,
    kind: str,
    namespace: str | None,
    *,
    listed: str = "",
    listed_group: str | None = None,
    level: int = 0,
    holds: Holds | None = None,
) -> Iterator[Unit]:
    """The units of a body, each before those inside it. `kind` and `namespace` are those of the URL, which may stand for all
    namespaces (None, ""); `listed` and `listed_group` are the kind and API group of the items of the list around. Items of a list
    and rows of a table of which `holds` says no are left out. Raises Unreadable for more than MOST_LEVELS levels of lists and
    events.

    The namespace of the URL counts before what an object says, and that of an object for all inside it: who writes an object in one
    namespace must not learn about, or have masked, what is in another."""
    namespace = namespace if level else namespace or None
    if level > MOST_LEVELS:
        raise Unreadable("lists and events are nested too deep")
    if node.shape == "list":
        for item in node.items():
            yield from units(item, kind, namespace, listed=listed, level=level + 1)
        return
    if node.shape != "object":
        return
    own = text_of(node.member("kind")) or listed
    version = text_of(node.member("apiVersion"))
    group = version.rpartition("/")[0] if version else listed_group
    inside = namespace_of(node, namespace)
    kinds = (own, kind) if own and kind and own != kind else (own or kind,)
    items, inner = node.member("items"), node.member("object")
    rows = node.member("rows") if own == "Table" else None
    apart = _apart(own, kind, items, inner, rows)
    spent()
    yield Unit(node=node, kinds=kinds, namespace=inside or "", group=group, apart=apart)
    if "items" in apart and items is not None:
        inner_kind = own.removesuffix("List")
        inner_group = group if inner_kind else None
        for item in _that_hold(items.items(), inner_kind, holds):
            yield from units(item, kind, inside, listed=inner_kind, listed_group=inner_group, level=level + 1)
    if "object" in apart and inner is not None:
        yield from units(inner, kind, inside, level=level + 1, holds=holds)
    if "rows" in apart and rows is not None:
        for row in _that_hold(rows.items(), "", holds):
            yield from _row(row, kind, inside, level)


def _apart(own: str, kind: str, items: Node | None, inner: Node | None, rows: Node | None) -> frozenset[str]:
    """Which members of an object of this kind are units of their own."""
    return frozenset(
        name
        for name, there in (
            ("items", items is not None and items.shape == "list" and _all_objects(items)),
            ("object", inner is not None and inner.shape == "object" and own in ("", "WatchEvent", kind)),
            ("rows", rows is not None and rows.shape == "list" and _all_objects(rows)),
        )
        if there
    )


def _that_hold(items: Sequence[Node], kind: str, holds: Holds | None) -> Iterator[Node]:
    """The items of which `holds` says yes. `kind` is the one that the list gives them."""
    if holds is None:
        yield from items
        return
    for at in range(0, len(items), MOST_TOGETHER):
        some = items[at : at + MOST_TOGETHER]
        raw = [item.render("recorded") for item in some]
        if len(items) == 1 or holds(b"".join(raw), kind):
            for item, data in zip(some, raw, strict=True):
                if holds(data, kind):
                    yield item


def _all_objects(items: Node) -> bool:
    """Whether a list holds objects, or lists, alone. Anything else is no unit, and would be looked at by nobody."""
    return all(item.shape in ("object", "list") for item in items.items())


def namespace_of(node: Node, around: str | None) -> str | None:
    """The namespace that counts for an object and all inside it: that of the URL or the object around, else its own, "" where it
    has a name and none; None where another may follow, as within a list."""
    if around is not None:
        return around
    own = text_of(node.at("metadata", "namespace"))
    return own or ("" if text_of(node.at("metadata", "name")) else None)


def _row(row: Node, kind: str, namespace: str | None, level: int) -> Iterator[Unit]:
    inner = row.member("object")
    if inner is None or inner.shape != "object":
        yield Unit(node=row, kinds=("",), namespace=namespace or "")
        return
    yield Unit(
        node=row,
        kinds=("",),
        namespace=namespace_of(inner, namespace) or "",
        apart=frozenset(("object",)),
    )
    yield from units(inner, kind, namespace, level=level + 1)


def text_of(node: Node | None) -> str:
    """The text of a node; "" where there is none."""
    return (node.text() if node is not None else None) or ""


def members_of(node: Node, name: str) -> Sequence[tuple[str, Node]]:
    """The members of the object at a member of this name; empty where there is none."""
    return found.members() if (found := node.member(name)) is not None else ()
