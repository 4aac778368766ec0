"""What a cluster must let the gateway do follows from the configuration and the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.cluster.needs import Need, needs
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.policy.judge import Policy

POLICY = """
rules:
  - {name: a, groups: [dev, "team-*"], effects: ["*"], verdict: allow}
  - {name: b, clusters: [other], groups: [elsewhere], effects: ["*"], verdict: allow}
  - {name: c, groups: ["*"], effects: ["*"], as: {users: [jane, "svc-*"], groups: [ops], service-accounts: [dev/ci]}, verdict: allow}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return Policy.load(file, None)


def cluster(**changes: Any) -> Cluster:
    given: dict[str, Any] = {
        "server_host": "a",
        "server_port": 1,
        "certificate_authority": Path(),
        "credential": ClientCredential(Path(), Path()),
    }
    return Cluster(name="prod", **(given | changes))  # fmt: skip


def test_groups_name_one_user_the_groups_of_rules_and_both_extras(policy: Policy) -> None:
    found, unknown = needs(cluster(groups=("auditors",)), policy)
    assert list(map(str, found)) == [
        "impersonate users l7gw", "impersonate groups l7gw:auditors", "impersonate groups l7gw:dev",
        "impersonate userextras/l7gw-user", "impersonate userextras/l7gw-session", "impersonate users jane",
        "impersonate groups ops", "impersonate serviceaccounts ci in dev", "create subjectaccessreviews.authorization.k8s.io",
    ]  # fmt: skip
    assert [what.partition(":")[0] for what in unknown] == ["impersonate groups l7gw", "impersonate users svc-*"]
    extra = Need("impersonate", "authentication.k8s.io", "userextras", subresource="l7gw-user")
    assert extra in found
    assert extra.attributes == {
        "verb": "impersonate", "group": "authentication.k8s.io", "resource": "userextras", "subresource": "l7gw-user"
    }  # fmt: skip


def test_users_are_asked_of_when_they_call_and_all_groups_as_any(policy: Policy) -> None:
    found, unknown = needs(cluster(impersonate="user", groups=("*",), prefix="x:"), policy)
    assert found[0] == Need("impersonate", "", "groups") and "users" not in [one.resource for one in found[:3]]
    assert unknown[0].startswith("impersonate users x:*: ")


def test_a_cluster_that_is_told_nobody_needs_nothing(policy: Policy) -> None:
    assert needs(cluster(impersonate="none"), policy) == ([], [])


def test_roles_that_are_bound_need_the_right_to_bind_these_and_to_make_and_remove_bindings(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("""
rules:
  - {name: debug, groups: [engineers], namespaces: [shop], verdict: allow, bind: debugger}
grants:
  - {group: oncall, reviewers: {groups: [sre]}, bind: shop/inside, namespaces: [shop]}
""")
    found = [str(one) for one in needs(cluster(impersonate="user"), Policy.load(file, None))[0]]
    assert found[-5:] == [
        "create rolebindings.rbac.authorization.k8s.io in shop", "delete rolebindings.rbac.authorization.k8s.io in shop",
        "list rolebindings.rbac.authorization.k8s.io in shop", "bind roles.rbac.authorization.k8s.io inside in shop",
        "bind clusterroles.rbac.authorization.k8s.io debugger in shop",
    ]  # fmt: skip
