"""RoleBindings as the gateway writes them, and as it reads a list of them."""

from __future__ import annotations

import json

import pytest

from l7gw.kube import role_bindings
from l7gw.kube.requestinfo import describe


def test_its_paths_are_read_as_what_they_are() -> None:
    made = describe("POST", role_bindings.path_of("shop"))
    assert (made.verb, made.kind, made.namespace) == ("create", "rolebindings.rbac.authorization.k8s.io", "shop")
    assert describe("DELETE", role_bindings.path_of("shop", "l7gw-1")).name == "l7gw-1"
    listed = describe("GET", role_bindings.list_of_ours("shop"))
    assert (listed.verb, listed.label_selector) == ("list", "app.kubernetes.io/managed-by=l7gw")


def test_a_binding_has_its_role_its_subject_and_its_labels() -> None:
    labels = {role_bindings.GATEWAY: "g", role_bindings.EXPIRES: "12"}
    made = json.loads(
        role_bindings.manifest(
            "l7gw-1",
            role="debug",
            role_kind="ClusterRole",
            subject="l7gw:ann",
            subject_kind="User",
            labels=labels,
            about={"a": "b"},
        )
    )
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "l7gw", **labels}
    assert made["roleRef"] == {"apiGroup": role_bindings.GROUP, "kind": "ClusterRole", "name": "debug"}
    assert made["subjects"] == [{"apiGroup": role_bindings.GROUP, "kind": "User", "name": "l7gw:ann"}]


@pytest.mark.parametrize(
    ("label", "expires"), [("1790000000", 1790000000), ("soon", 0), ("", 0), ("-5", 0), ("٣", 0), ("9" * 40, 0)]
)
def test_the_end_of_a_listed_binding_is_a_number_or_nothing(label: str, expires: int) -> None:
    items = [{"metadata": {"name": "l7gw-1", "labels": {role_bindings.EXPIRES: label}}}, {"metadata": {"name": "x"}}]
    first, second = role_bindings.listed(json.dumps({"kind": "RoleBindingList", "items": items}).encode())
    assert (first.name, first.expires) == ("l7gw-1", expires) and second.expires == 0


def test_what_is_no_list_is_an_error() -> None:
    with pytest.raises(ValueError):
        role_bindings.listed(b'{"kind": "Status"}')
