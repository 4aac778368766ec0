"""What a reviewer is shown of an exec, attach or port-forward."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from l7gw.errors import Refusal
from l7gw.gateway.hold_execs import look_at_pod
from l7gw.gateway.hold_views import View
from tests.support.looks import failed, said, seen, subject

POD = "/api/v1/namespaces/dev/pods/web-x"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def pod(**metadata: Any) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "web-7", "controller": True}
    containers = [{"name": "main", "image": "web:1"}, {"name": "side", "image": "side:2"}]
    spec = {"serviceAccountName": "runner", "containers": containers}
    return {"metadata": {"name": "web-x", "uid": "u-1", "ownerReferences": [owner], **metadata}, "spec": spec}


def binding(name: str, role: str, *subjects: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": list(subjects)}


ANSWERS = {
    f"GET {POD}": said(pod()),
    "GET /apis/apps/v1/namespaces/dev/replicasets/web-7": said({"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]}}),
    f"GET {RBAC}/clusterrolebindings": said({"items": [
        binding("all", "view", {"kind": "Group", "name": "system:serviceaccounts"}),
        binding("other", "admin", {"kind": "ServiceAccount", "name": "runner", "namespace": "prod"}), {"metadata": {"name": "none"}},
    ]}),
    f"GET {RBAC}/namespaces/dev/rolebindings": said({"items": [binding("mine", "edit", {"kind": "ServiceAccount", "name": "runner"})]}),
}  # fmt: skip


def view_of(line: str, answers: Any = ANSWERS) -> View:
    about = subject(line)
    return seen(look_at_pod(about, about.act), answers)[0]


def test_an_exec_is_shown_with_its_pod_its_owner_and_what_its_account_may_do() -> None:
    view = view_of(f"GET {POD}/exec?command=id&container=side&stdin=true")
    shown = view.shown.exec
    assert shown is not None and view.uids == ("u-1",)
    assert (shown.container, shown.image, shown.owner, shown.service_account) == ("side", "side:2", "Deployment web", "runner")
    assert shown.rbac == ("ClusterRole view by ClusterRoleBinding all", "ClusterRole edit by RoleBinding mine")
    assert shown.argv == ("id",) and shown.stdin and not shown.tty


@pytest.mark.parametrize(
    ("line", "annotations", "container"),
    [
        (f"GET {POD}/exec?command=id", {}, "main"),
        (f"GET {POD}/exec?command=id", {"kubectl.kubernetes.io/default-container": "side"}, "side"),
        (f"GET {POD}/attach", {}, "main"),
        (f"POST {POD}/portforward", {}, ""),
    ],
)
def test_the_container_is_the_one_that_kubectl_takes(line: str, annotations: dict[str, str], container: str) -> None:
    shown = view_of(line, {**ANSWERS, f"GET {POD}": said(pod(annotations=annotations))}).shown.exec
    assert shown is not None and shown.container == container


def test_a_websocket_and_its_retry_over_spdy_are_the_same_view() -> None:
    one, other = (view_of(f"{method} {POD}/exec?command=id&stdout=true") for method in ("GET", "POST"))
    assert one.is_as(other)
    for query in ("command=id&stdin=true", "command=id&tty=true", "command=id&container=side"):
        assert not one.is_as(view_of(f"GET {POD}/exec?{query}"))
    assert not one.is_as(view_of(f"GET {POD}/exec?command=id", {**ANSWERS, f"GET {POD}": said(pod(uid="u-2"))}))


def test_another_image_in_the_same_pod_is_another_view() -> None:
    """An image can be changed in place: what was approved was to go into the one that was shown."""
    changed = pod()
    changed["spec"]["containers"][0]["image"] = "evil:1"
    for line, other in (("exec?command=id", False), ("exec?command=id&container=side", True), ("portforward", False)):
        one, two = (view_of(f"GET {POD}/{line}", {**ANSWERS, f"GET {POD}": said(it)}) for it in (pod(), changed))
        assert one.is_as(two) is other


def test_a_pod_that_is_gone_is_a_404_and_one_that_may_not_be_read_is_said_to_be() -> None:
    with pytest.raises(Refusal) as caught:
        view_of(f"GET {POD}/exec?command=id", {})
    assert caught.value.code == 404
    view = view_of(f"GET {POD}/exec?command=id", {f"GET {POD}": failed(403, "no get")})
    assert view.shown.dry_run == "the pod cannot be read as the requester: no get" and view.uids == ()
    shown = view_of(f"GET {POD}/exec?command=id", {f"GET {POD}": said(pod())}).shown.exec
    assert shown is not None and all("cannot be read" in line for line in shown.rbac) and shown.owner == "ReplicaSet web-7"


def test_the_arguments_are_shown_as_they_are_recorded() -> None:
    about = subject(f"GET {POD}/exec?command=mysql&command=-phunter2")
    shown = seen(look_at_pod(about, msgspec.structs.replace(about.act, argv=("mysql", "-pmasked"))), ANSWERS)[0].shown.exec
    assert shown is not None and shown.argv == ("mysql", "-pmasked")


@pytest.mark.parametrize("name", ["..", "../../../../api/v1/secrets", "a b", "x?watch=1", "x\r\nHost: y", "%2e%2e", ""])
def test_whatever_name_the_owner_of_a_pod_has_nothing_else_is_asked_and_the_pod_is_shown(name: str) -> None:
    about = subject(f"GET {POD}/exec?command=id")
    owned = pod(ownerReferences=[{"kind": "ReplicaSet", "name": name, "controller": True}])
    view, asked = seen(look_at_pod(about, about.act), {**ANSWERS, f"GET {POD}": said(owned)})
    assert view.shown.exec is not None and view.shown.exec.owner == f"ReplicaSet {name}"
    assert not [one for one in asked if "replicasets" in one.target]


def test_where_not_every_binding_was_looked_at_or_is_shown_the_reviewer_is_told() -> None:
    mine = {"kind": "ServiceAccount", "name": "runner"}
    many = {"metadata": {"continue": "x"}, "items": [binding(f"b{number}", "edit", mine) for number in range(25)]}
    shown = view_of(f"GET {POD}/exec?command=id", {**ANSWERS, f"GET {RBAC}/namespaces/dev/rolebindings": said(many)}).shown.exec
    assert shown is not None and len(shown.rbac) == 22
    assert shown.rbac[20:] == ("there are more than 500 RoleBindings; the others are not looked at", "and 6 more")
