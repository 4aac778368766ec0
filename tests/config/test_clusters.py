"""The clusters of l7gw.yaml: their names, hosts, servers, and the groups that each may be told."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.policy.patterns import glob
from tests.support.written_configuration import Written


@pytest.mark.parametrize("name", ["api", "apis", "openapi", "version", "healthz", "livez", "readyz", "metrics", "l7gw"])
def test_a_cluster_cannot_be_named_as_an_api_root(written: Written, name: str) -> None:
    written.top["clusters"] = {name: written.prod}
    assert "is a path of the API" in written.problems()[0]


@pytest.mark.parametrize(
    "name, good", [("a", True), ("a" * 63, True), ("a" * 64, False), ("A", False), ("a.b", False), ("-a", False), ("a_b", False)]
)
def test_a_cluster_name_is_a_dns_label(written: Written, name: str, good: bool) -> None:
    written.top["clusters"] = {name: written.prod}
    assert (written.problems() == []) is good


def test_two_clusters_cannot_have_one_host_whatever_its_case(written: Written) -> None:
    written.top["clusters"] = {"a": written.prod | {"hosts": ["x.example"]}, "b": written.prod | {"hosts": ["X.example"]}}
    assert written.problems() == ["`hosts`: x.example belongs to cluster a already"]


@pytest.mark.parametrize("host", ["1.2.3.4", "*.example.com", "a:443", "a..b", "-a", "a_b", "::1", "a" * 64])
def test_a_host_is_a_server_name(written: Written, host: str) -> None:
    written.prod["hosts"] = [host]
    assert len(written.problems()) == 1


@pytest.mark.parametrize(
    "server",
    [
        *("http://a", "https://", "https://a/path", "https://u:p@a", "https://a?q", "https://a#f"),
        *("https://a:0", "https://a:x", "https://a b", "a:1", "https://[x"),
    ],
)
def test_a_server_is_https_host_and_port_and_nothing_else(written: Written, server: str) -> None:
    written.prod["server"] = server
    assert len(written.problems()) == 1


@pytest.mark.parametrize(
    ("groups", "taken"), [(["a", "b-*"], ("a", "b-*")), ("*", ("*",)), (["x" * 512], ("x" * 512,)), (["*-" * 8], ("*-" * 8,))]
)
def test_the_groups_that_a_cluster_may_be_told_are_globs(written: Written, groups: Any, taken: tuple[str, ...]) -> None:
    written.prod["groups"] = groups
    assert written.load().clusters["prod"].groups == taken
    for group in taken:
        glob(group)  # a policy accepts the same globs


@pytest.mark.parametrize("groups", [[], [""], [7], {}, ["a,b"], ["x" * 513], ["*-" * 9], ["a\nb"]])
def test_a_value_that_is_no_glob_over_groups_is_reported(written: Written, groups: Any) -> None:
    written.prod["groups"] = groups
    assert len(written.problems()) == 1


def test_groups_are_accepted_only_where_the_gateway_impersonates(written: Written) -> None:
    written.prod |= {"groups": ["a"], "impersonate": "none"}
    assert written.problems() == ["`groups` go up where the gateway impersonates"]
    written.prod["impersonate"] = "user"
    assert written.problems() == []


def test_who_may_go_round_is_named_by_arns_of_an_account_in_which_stars_stand_behind_it(written: Written) -> None:
    account = "arn:aws:iam::111122223333:"
    named = [
        "public-endpoint",
        f"{account}role/break-glass-*",
        f"{account}*",
        "arn:aws-cn:eks:cn-north-1:111122223333:identityproviderconfig/prod/*",
    ]
    eks = {"eks": {"name": "prod", "region": "eu-west-1"}, "credential": {"token-file": "token"}}
    written.top["clusters"] = {"prod": {**eks, "break-glass": named}}
    assert written.load().clusters["prod"].break_glass == tuple(named)
    for bad in ("everybody", "arn:aws:iam::*:role/x", "*", "arn:aws:s3:::x", f"{account}role/ä", f"{account}{'*a' * 9}", account):
        written.top["clusters"]["prod"]["break-glass"] = bad
        assert [problem.startswith("`break-glass`: ") for problem in written.problems()] == [True]
    written.top["clusters"] = {"prod": {**written.prod, "break-glass": named}}
    assert written.problems() == ["`break-glass` of cluster prod is about EKS"]
