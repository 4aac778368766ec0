"""RBAC that is there is read as kubectl prints it."""

from __future__ import annotations

import json

import pytest
import yaml

from l7gw.kube.existing_rbac import Unfit, in_words, read
from l7gw.kube.rbac import Right, Rule, Subject, binding, role

READ = Rule(("get", "list"), ("",), ("pods",))
ANN, SRE, BOT = Subject("User", "ann"), Subject("Group", "sre"), Subject("ServiceAccount", "bot", "ci")
VIEW = [role("view", [READ]), binding("view", [ANN, SRE], "dev", of_cluster=True)]
EDIT = [role("edit", [READ], "dev"), binding("edit", [BOT], "dev")]
ALL = [role("all", [Rule(("*",), ("*",), ("*",))]), binding("all", [SRE])]


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump_all([*VIEW, *EDIT, *ALL]),
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [*VIEW, *EDIT, *ALL, {"kind": "Pod", "metadata": {"name": "x"}}]}),
        "---\n# nothing\n---\n" + yaml.safe_dump({"kind": "List", "items": VIEW}) + "---\n" + yaml.safe_dump_all([*EDIT, *ALL]),
    ],
    ids=["documents", "list", "both"],
)
def test_documents_and_lists_are_read(text: str) -> None:
    found = read(text)
    bound = {subject: [str(one) for one in found.bound_to(subject)] for subject in (ANN, SRE, BOT)}
    assert bound == {
        ANN: ["RoleBinding dev/view gives ClusterRole view"],
        SRE: ["ClusterRoleBinding all gives ClusterRole all", "RoleBinding dev/view gives ClusterRole view"],
        BOT: ["RoleBinding dev/edit gives Role dev/edit"],
    }
    (one,) = found.bound_to(ANN)
    assert one.rules == (READ,) and one.allows(READ, Right("get", "", "pods", "dev", "x"))
    assert not one.allows(READ, Right("get", "", "pods", "qa", "x")), "the binding is of another namespace"
    everywhere = next(iter(found.bound_to(SRE)))
    assert everywhere.allows(everywhere.rules[0], Right("get", "", "pods", "qa", "x"))


def test_a_list_of_one_kind_names_it_once_and_a_service_account_may_be_of_the_bindings_namespace() -> None:
    bare = {key: value for key, value in EDIT[1].items() if key not in ("kind", "apiVersion")}
    bare["subjects"] = [{"kind": "ServiceAccount", "name": "bot"}]
    found = read(json.dumps({"kind": "RoleBindingList", "apiVersion": "rbac.authorization.k8s.io/v1", "items": [bare]}))
    (one,) = found.bound_to(Subject("ServiceAccount", "bot", "dev"))
    assert one.rules == () and in_words(one.role) == "Role dev/edit" and not [*found.bound_to(BOT)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no roles and no bindings"),
        ("{a: [", "is no YAML"),
        ("a: !!python/object:os.system x", "is no YAML"),
        ("[" * 100_000, "is no YAML"),
        ("Error from server (Forbidden): clusterroles is forbidden", "has no roles"),
        ("kind: Role\nmetadata: x", "has no roles"),
        ("{kind: List, items: [1, {kind: Role}]}", "has no roles"),
    ],
)
def test_what_holds_no_rbac_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        read(text)


def test_odd_roles_and_bindings_give_nothing() -> None:
    odd = [
        {"kind": "Role", "metadata": {"name": "a", "namespace": "dev"}, "rules": None},
        {
            "kind": "RoleBinding",
            "metadata": {"name": "a", "namespace": "dev"},
            "subjects": ["ann", {"kind": "User", "name": "ann"}],
        },
    ]
    (one,) = read(json.dumps({"items": odd, "kind": "List"})).bound_to(ANN)
    assert one.rules == ()
