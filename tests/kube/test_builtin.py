"""The table of Kubernetes' own resources is read whole."""

from __future__ import annotations

from l7gw.kube.builtin import BUILT_IN, GROUPS, SUBRESOURCES, plurals_of


def test_the_table_holds_resources_with_their_groups_and_subresources() -> None:
    assert {"exec", "attach", "portforward", "log", "ephemeralcontainers"} <= set(BUILT_IN["", "pods"])
    assert BUILT_IN["apps", "deployments"] == ("scale", "status") and BUILT_IN["", "secrets"] == ()
    assert {"", "apps", "rbac.authorization.k8s.io"} <= GROUPS and {"token", "proxy"} <= SUBRESOURCES
    assert "deployments" not in plurals_of("") and "deployments" in plurals_of("apps") and plurals_of("example.com") == ()


def test_names_of_the_table_are_those_of_an_api() -> None:
    for (group, plural), subresources in BUILT_IN.items():
        assert all(word.isascii() and word.isalnum() and word.islower() for word in (plural, *subresources)), plural
        assert not group or all(part.isalnum() and part.islower() for part in group.split("."))
        assert len(set(subresources)) == len(subresources)
