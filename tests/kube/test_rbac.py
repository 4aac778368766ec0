"""Rules of RBAC let pass what kube-apiserver lets pass by them, and objects have its form."""

from __future__ import annotations

import pytest

from l7gw.kube.rbac import Right, Rule, Subject, binding, role

READ_WEB = Rule(("get", "list"), ("",), ("pods", "pods/log"), ("web",))


@pytest.mark.parametrize(
    ("rule", "right", "passes"),
    [
        (READ_WEB, Right("get", "", "pods", "dev", "web"), True),
        (READ_WEB, Right("get", "", "pods/log", "dev", "web"), True),
        (READ_WEB, Right("get", "", "pods/exec", "dev", "web"), False),
        (READ_WEB, Right("delete", "", "pods", "dev", "web"), False),
        (READ_WEB, Right("get", "apps", "pods", "dev", "web"), False),
        (READ_WEB, Right("get", "", "pods", "dev", "other"), False),
        (READ_WEB, Right("list", "", "pods", "dev", "web"), True),  # fieldSelector=metadata.name=web
        (READ_WEB, Right("list", "", "pods", "dev"), False),
        (Rule(("create",), ("",), ("pods",), ("web",)), Right("create", "", "pods", "dev"), False),  # a name that no create has
        (Rule(("*",), ("*",), ("*",)), Right("delete", "apps", "deployments/scale", "dev", "web"), True),
        (Rule(("get",), ("",), ("*/scale",)), Right("get", "", "replicationcontrollers/scale", "dev", "web"), True),
        (Rule(("get",), ("",), ("*/scale",)), Right("get", "", "replicationcontrollers", "dev", "web"), False),
        (Rule(("get",), ("",), ("*/cale",)), Right("get", "", "replicationcontrollers/scale", "dev", "web"), False),
        (Rule(("get",), ("",), ("pods",), ("*",)), Right("get", "", "pods", "dev", "web"), False),  # a star is a name there
        (Rule(("get",), urls=("/metrics",)), Right("get", path="/metrics"), True),
        (Rule(("get",), urls=("/metrics",)), Right("get", path="/metrics/x"), False),
        (Rule(("get",), urls=("/healthz/*",)), Right("get", path="/healthz/ping"), True),
        (Rule(("get",), urls=("*",)), Right("post", path="/healthz"), False),
        (Rule(("get",), ("",), ("pods",)), Right("get", path="/metrics"), False),
    ],
)  # fmt: skip
def test_a_rule_lets_pass_what_the_api_server_lets_pass_by_it(rule: Rule, right: Right, passes: bool) -> None:
    assert rule.allows(right) is passes


def test_objects_have_the_form_of_rbac() -> None:
    assert role("r", [READ_WEB], "dev") == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "dev"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "pods/log"], "resourceNames": ["web"], "verbs": ["get", "list"]}],
    }
    assert role("r", [Rule(("get",), urls=("/metrics",))])["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    ann, bot = Subject("User", "ann"), Subject("ServiceAccount", "bot", "ci")
    made = binding("r", [ann, bot], "dev")
    assert (made["kind"], made["roleRef"]["kind"], made["metadata"]) == ("RoleBinding", "Role", {"name": "r", "namespace": "dev"})
    assert made["subjects"] == [
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"},
        {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"},
    ]
    assert binding("r", [ann])["kind"] == "ClusterRoleBinding" and binding("r", [ann])["roleRef"]["kind"] == "ClusterRole"


def test_a_right_is_told_as_people_say_it() -> None:
    assert str(Right("get", "apps", "deployments/scale", "dev", "web")) == "get deployments.apps/scale web -n dev"
    assert str(Right("list", "", "nodes")) == "list nodes (cluster)"
    assert str(Right("get", path="/metrics")) == "get /metrics"
