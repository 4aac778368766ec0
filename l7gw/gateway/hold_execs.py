"""What a reviewer is shown of an exec, attach or port-forward: in which pod, of whom, and what its service account may do."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from l7gw.approval.messages import ExecView, Shown
from l7gw.errors import Refusal
from l7gw.gateway.hold_views import NAME, WHY, Look, Subject, View, in_words, told
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.act import Act

MOST_BINDINGS = 500  # of a list that is read
MOST_LINES = 20  # of what the service account may do

Reading = Generator[Asked, "SideAnswer | Refusal", Any]


class _Container(msgspec.Struct):
    name: str = ""
    image: str = ""


class _Owner(msgspec.Struct):
    kind: str = ""
    name: str = ""
    controller: bool = False


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    uid: str = ""
    annotations: dict[str, str] = {}
    owner_references: list[_Owner] = []


class _Spec(msgspec.Struct, rename="camel"):
    service_account_name: str = ""
    containers: list[_Container] = []
    init_containers: list[_Container] = []
    ephemeral_containers: list[_Container] = []


class _Pod(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: _Spec = msgspec.field(default_factory=_Spec)


class _Role(msgspec.Struct):
    kind: str = ""
    name: str = ""


class _Subject(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Binding(msgspec.Struct, rename="camel"):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    role_ref: _Role = msgspec.field(default_factory=_Role)
    subjects: list[_Subject] | None = None


class _ListMeta(msgspec.Struct):
    continue_: str = msgspec.field(name="continue", default="")


class _Bindings(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[_Binding] = []


def look_at_pod(subject: Subject, shown: Act) -> Look:
    """The pod in which a command would run, or to which a connection would be forwarded. `shown` is the act as it is recorded: with
    the passwords among its arguments masked. Raises Refusal 404 where the pod is gone."""
    act = subject.act
    said = yield subject.asks(act.path.removesuffix(f"/{act.subresource}"))
    if isinstance(said, SideAnswer) and said.status == 404:
        raise said.refusal(WHY)
    words, rbac, owner = "", (), ""
    pod = told(said, _Pod)
    if pod is None:
        words, pod = f"the pod cannot be read as the requester: {in_words(subject, said)}", _Pod()
    else:
        owner = yield from _owner(subject, pod)
        rbac = yield from _rbac(subject, act.namespace, pod.spec.service_account_name or "default")
    container = _container(act, pod)
    view = ExecView(
        pod=act.name,
        container=container.name or act.container,
        image=container.image,
        owner=owner,
        service_account=pod.spec.service_account_name,
        rbac=tuple(rbac),
        argv=shown.argv,
        stdin=act.stdin,
        tty=act.tty,
    )
    uids = (pod.metadata.uid,) if pod.metadata.uid else ()
    images = [container.image] if container.name else [one.image for one in pod.spec.containers]
    return View(shown=Shown(exec=view, dry_run=words), options=(*_options(act), *images), uids=uids)


def _options(act: Act) -> tuple[str, ...]:
    """What decides about the outcome beside the argv. A WebSocket exec and its retry over SPDY have the same."""
    ports = [str(port) for port in act.ports or ()]
    return (act.subresource, act.container, f"stdin={act.stdin}", f"tty={act.tty}", *ports)


def _container(act: Act, pod: _Pod) -> _Container:
    """The container that is meant: without a name the one that an annotation names, else the first (KC
    pkg/cmd/util/podcmd/podcmd.go)."""
    every = [*pod.spec.containers, *pod.spec.init_containers, *pod.spec.ephemeral_containers]
    if not every or act.subresource == "portforward":
        return _Container()
    annotated = pod.metadata.annotations.get("kubectl.kubernetes.io/default-container", "")
    wanted = act.container or annotated or every[0].name
    return next((one for one in every if one.name == wanted), _Container())


def _owner(subject: Subject, pod: _Pod) -> Reading:
    """Who made the pod, such as `Deployment web`."""
    owner = next((one for one in pod.metadata.owner_references if one.controller), None)
    if owner is None:
        return ""
    if owner.kind == "ReplicaSet" and NAME.fullmatch(owner.name):  # whoever makes a pod may write any name there
        said = yield subject.asks(f"/apis/apps/v1/namespaces/{subject.act.namespace}/replicasets/{owner.name}")
        found = told(said, _Pod)
        above = next((one for one in found.metadata.owner_references if one.controller), None) if found is not None else None
        owner = above or owner
    return f"{owner.kind} {owner.name}"


def _rbac(subject: Subject, namespace: str, account: str) -> Reading:
    """The roles that the service account has by name, as lines."""
    groups = {f"system:serviceaccounts:{namespace}", "system:serviceaccounts"}
    lines: list[str] = []
    more: list[str] = []
    for kind, place in (("ClusterRoleBinding", ""), ("RoleBinding", f"/namespaces/{namespace}")):
        target = f"/apis/rbac.authorization.k8s.io/v1{place}/{kind.lower()}s?limit={MOST_BINDINGS}"
        said = yield subject.asks(target)
        found = told(said, _Bindings)
        if found is None:
            lines.append(f"{kind}s cannot be read as the requester: {in_words(subject, said)}")
            continue
        if found.metadata.continue_:
            more.append(f"there are more than {MOST_BINDINGS} {kind}s; the others are not looked at")
        for one in found.items:
            own = any(
                (who.kind == "ServiceAccount" and (who.name, who.namespace or namespace) == (account, namespace))
                or (who.kind == "Group" and who.name in groups)
                for who in one.subjects or ()
            )
            if own:
                lines.append(f"{one.role_ref.kind} {one.role_ref.name} by {kind} {one.metadata.name}")
    if len(lines) > MOST_LINES:
        more.append(f"and {len(lines) - MOST_LINES} more")
    return [*(lines[:MOST_LINES] or ["nothing by a role of its own"]), *more]
