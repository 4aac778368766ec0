"""What a reviewer is shown of a delete, an eviction or a deletecollection: what goes with it.

A dry run says nothing of what a namespace holds, what garbage collection takes, or which volume is lost. So it is listed: contents,
owned objects, volumes and their reclaim policy, and the PodDisruptionBudget that it would break. All of it is read as the
requester. What he may not read is named as not known.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from l7gw.approval.messages import MOST_ITEMS, Inventory, InventoryItem, Shown
from l7gw.errors import Refusal
from l7gw.gateway.hold_views import NAME, WHY, Look, Subject, View, can_be_rehearsed, in_words, told, uid_of
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.act import Act
from l7gw.kube.body_values import plain
from l7gw.kube.dry_runs import asked_options, is_eviction, known_option
from l7gw.kube.selectors import selects
from l7gw.name_rules import quoted

PAGE = 500  # objects of one list
MOST_DELETED = 2500  # objects of one deletecollection; nobody reads more before saying yes
MOST_OPTIONS, LONGEST_OPTION = 10, 200  # of a DeleteOptions that are shown, and characters of each; Kubernetes knows six
MOST_VOLUMES = 20  # whose reclaim policy is read
USUAL_POLICY = "Background"  # kubectl asks for it always, and the API server takes it where nothing is asked
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# What a namespace usually holds, as paths behind it. Of other kinds, and of custom resources, nothing is listed.
CONTENTS: dict[str, str] = {
    "pods": "api/v1", "services": "api/v1", "configmaps": "api/v1", "secrets": "api/v1", "persistentvolumeclaims": "api/v1",
    "serviceaccounts": "api/v1", "deployments": "apis/apps/v1", "statefulsets": "apis/apps/v1", "daemonsets": "apis/apps/v1",
    "jobs": "apis/batch/v1", "cronjobs": "apis/batch/v1", "ingresses": "apis/networking.k8s.io/v1",
}  # fmt: skip
# Which kinds are owned by objects of a resource, and by whom in turn
OWNED: dict[str, tuple[str, ...]] = {
    "deployments": ("apis/apps/v1/replicasets", "api/v1/pods"),
    "replicasets": ("api/v1/pods",), "statefulsets": ("api/v1/pods",), "daemonsets": ("api/v1/pods",), "jobs": ("api/v1/pods",),
    "replicationcontrollers": ("api/v1/pods",), "cronjobs": ("apis/batch/v1/jobs", "api/v1/pods"),
}  # fmt: skip

Reading = Generator[Asked, "SideAnswer | Refusal", Any]


class _Owner(msgspec.Struct):
    uid: str = ""


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    owner_references: list[_Owner] = []
    labels: dict[str, str] = {}


class _ListMeta(msgspec.Struct, rename="camel"):
    continue_: str = msgspec.field(default="", name="continue")


class _Object(msgspec.Struct):
    kind: str = ""
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[_Object] = []


class _Counting:
    """An inventory in the making."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.items: list[InventoryItem] = []
        self.counts: dict[str, int] = {}
        self.warnings: list[str] = []
        asked = asked_options(subject.act, subject.node)
        for name, value in list(asked.items())[:MOST_OPTIONS]:
            if value != USUAL_POLICY:
                which = "" if known_option(name) else ", which this version does not know"
                text = msgspec.json.encode(value).decode()
                self.warnings.append(f"it asks for {name[:LONGEST_OPTION]}{which}: {text[:LONGEST_OPTION]}")
        if len(asked) > MOST_OPTIONS:
            self.warnings.append(f"it asks for {len(asked) - MOST_OPTIONS} more things, which are not shown")

    def add(self, kind: str, found: _Meta, fate: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.items) < MOST_ITEMS:
            self.items.append(InventoryItem(kind=kind, name=found.name, namespace=found.namespace, fate=fate))

    def not_known(self, what: str, said: SideAnswer | Refusal) -> None:
        self.warnings.append(f"{what} cannot be read as the requester: {in_words(self.subject, said)}")

    def not_all(self, what: str, found: _List) -> None:
        if found.metadata.continue_:
            self.warnings.append(f"there are more than {PAGE} {what}; the first are listed")

    def inventory(self) -> Inventory:
        return Inventory(items=tuple(self.items), counts=self.counts, warnings=tuple(self.warnings))


def look_at_delete(subject: Subject) -> Look:
    """What a delete of one object, or an eviction, would destroy. Raises Refusal 404 where the object is gone."""
    act = subject.act
    path = act.path.removesuffix("/eviction") if is_eviction(act) else act.path
    counting = _Counting(subject)
    said = yield subject.asks(path)
    if isinstance(said, SideAnswer) and said.status == 404:
        raise said.refusal(WHY)
    standing = told(said, _Object)
    uids = (uid_of(said.body),) if standing is not None and isinstance(said, SideAnswer) else ()
    if standing is None:
        counting.not_known("the object", said)
    words = yield from _rehearse(subject)
    if standing is not None:
        yield from _inventory(counting, act, standing)
    shown = Shown(inventory=counting.inventory(), dry_run=words)
    return View(shown=shown, options=_options(subject), uids=uids, refused=bool(words))


def look_at_collection(subject: Subject) -> Look:
    """The objects that a deletecollection would delete, each by its uid. Raises Refusal: 403 for more than MOST_DELETED,
    and where the requester may not list them, as nobody could say what he approves."""
    act = subject.act
    counting = _Counting(subject)
    uids: list[str] = []
    mark = ""
    while True:
        pairs = [f"limit={PAGE}", *_selecting(act), *([f"continue={mark}"] if mark else [])]
        said = yield subject.asks(f"{act.path}?{'&'.join(pairs)}", accept=METADATA)
        found = told(said, _List)
        if found is None:
            if not isinstance(said, SideAnswer) or said.status != 403:
                raise said if isinstance(said, Refusal) else said.refusal(WHY)
            words = "nobody can approve this call, as what it deletes cannot be listed as you; delete each by its name"
            raise Refusal(403, "Forbidden", f"{words} ({in_words(subject, said)})")
        for one in found.items:
            uids.append(one.metadata.uid)
            counting.add(act.resource, one.metadata, "deleted")
        mark = found.metadata.continue_
        if not mark:
            break
        if len(uids) >= MOST_DELETED:
            words = (
                f"this deletes more than {MOST_DELETED} objects at once, more than anybody would look at; choose fewer by a label"
            )
            raise Refusal(403, "Forbidden", words)
    return View(shown=Shown(inventory=counting.inventory()), options=_options(subject), uids=tuple(sorted(uids)))


def _selecting(act: Act) -> list[str]:
    return [pair for pair in act.query.split("&") if pair.partition("=")[0] in ("labelSelector", "fieldSelector")]


def _options(subject: Subject) -> tuple[str, ...]:
    """What the DeleteOptions and the query ask, as one text each."""
    body = msgspec.json.encode(plain(subject.node), order="sorted").decode() if subject.node is not None else ""
    return (subject.act.query, body)


def _rehearse(subject: Subject) -> Generator[Asked, SideAnswer | Refusal, str]:
    """Make the dry run. Gives why it failed; "" where it succeeded, or none can be made."""
    if not (yield from can_be_rehearsed(subject)):
        return ""
    said = yield subject.rehearses(subject.body)
    if isinstance(said, SideAnswer) and said.status in (200, 201, 202):
        return ""
    return f"the dry run failed: {in_words(subject, said)}"


# ---------------------------------------------------------------------- what goes with it


def _inventory(counting: _Counting, act: Act, standing: _Object) -> Reading:
    kind = standing.kind or act.resource
    if (act.group, act.resource) == ("", "namespaces"):
        counting.add(kind, standing.metadata, "deleted with all that it holds")
        yield from _contents(counting, act.name)
        return
    counting.add(kind, standing.metadata, "evicted" if is_eviction(act) else "deleted")
    if act.resource == "persistentvolumeclaims" and not act.group:
        yield from _volumes(counting, [standing])
    elif act.resource == "pods" and not act.group:
        yield from _budgets(counting, act, standing)
    elif act.resource in OWNED and act.group in ("", "apps", "batch"):
        yield from _owned(counting, act, standing)
    elif (act.group, act.resource) == ("apiextensions.k8s.io", "customresourcedefinitions"):
        counting.warnings.append("every object of this kind is deleted with it")
    elif act.resource == "persistentvolumes" and not act.group:
        counting.warnings.append(f"its reclaim policy is {_text(standing.spec, 'persistentVolumeReclaimPolicy') or 'not known'}")


def _contents(counting: _Counting, namespace: str) -> Reading:
    """What stands in a namespace, and what becomes of its volumes."""
    for resource, version in CONTENTS.items():
        claims = resource == "persistentvolumeclaims"
        target = f"/{version}/namespaces/{namespace}/{resource}?limit={PAGE}"
        said = yield counting.subject.asks(target, accept=METADATA if not claims else "application/json")
        found = told(said, _List)
        if found is None:
            counting.not_known(resource, said)
            continue
        for one in found.items:
            counting.add(resource, one.metadata, "deleted")
        counting.not_all(resource, found)
        if claims:
            yield from _volumes(counting, found.items)
    counting.warnings.append("objects of other kinds, and of custom resources, are deleted too; they are not listed")


def _volumes(counting: _Counting, claims: list[_Object]) -> Reading:
    """What becomes of the volumes behind some claims."""
    named = [name for name in (_text(one.spec, "volumeName") for one in claims) if name]
    for name in named[:MOST_VOLUMES]:
        if NAME.fullmatch(name) is None:  # whoever makes a claim may write anything there
            counting.warnings.append(f"a claim names a volume as no volume can be named: {quoted(name)}")
            continue
        said = yield counting.subject.asks(f"/api/v1/persistentvolumes/{name}")
        found = told(said, _Object)
        if found is None:
            counting.not_known(f"what becomes of the volume {name}", said)
            continue
        policy = _text(found.spec, "persistentVolumeReclaimPolicy")
        fate = (
            "its data are lost (reclaim policy Delete)" if policy == "Delete" else f"kept (reclaim policy {policy or 'not known'})"
        )
        counting.add("PersistentVolume", found.metadata, fate)
    if len(named) > MOST_VOLUMES:
        counting.warnings.append(f"there are {len(named)} volumes; what becomes of {MOST_VOLUMES} is listed")


def _owned(counting: _Counting, act: Act, standing: _Object) -> Reading:
    """What garbage collection takes, or leaves, with an object."""
    asked = asked_options(act, counting.subject.node)
    stays = asked.get("propagationPolicy") == "Orphan" or asked.get("orphanDependents") is True
    owners = {standing.metadata.uid}
    for place in OWNED[act.resource]:
        version, _, resource = place.rpartition("/")
        said = yield counting.subject.asks(f"/{version}/namespaces/{act.namespace}/{resource}?limit={PAGE}", accept=METADATA)
        found = told(said, _List)
        if found is None:
            counting.not_known(resource, said)
            continue
        counting.not_all(resource, found)
        for one in found.items:
            if owners.intersection(owner.uid for owner in one.metadata.owner_references):
                owners.add(one.metadata.uid)
                counting.add(resource, one.metadata, "stays without its owner" if stays else "deleted with its owner")
    if act.resource == "statefulsets":
        counting.warnings.append("claims of its volumes stay, unless its persistentVolumeClaimRetentionPolicy says otherwise")


def _budgets(counting: _Counting, act: Act, pod: _Object) -> Reading:
    """The budgets that the end of a pod would break. A delete does not ask them."""
    said = yield counting.subject.asks(f"/apis/policy/v1/namespaces/{act.namespace}/poddisruptionbudgets?limit={PAGE}")
    found = told(said, _List)
    if found is None:
        counting.not_known("disruption budgets", said)
        return
    counting.not_all("disruption budgets", found)
    for one in found.items:
        selector = (one.spec or {}).get("selector")
        left = (one.status or {}).get("disruptionsAllowed")
        if isinstance(selector, dict) and selects(selector, pod.metadata.labels) and left == 0:
            counting.warnings.append(f"it breaks the PodDisruptionBudget {one.metadata.name}, which allows no disruption now")


def _text(spec: dict[str, Any] | None, name: str) -> str:
    value = (spec or {}).get(name)
    return value if isinstance(value, str) else ""
