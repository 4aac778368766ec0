"""`l7gw check` on the clusters of a configuration."""

from __future__ import annotations

from pathlib import Path

from l7gw.cli.check_clusters import document, lines
from l7gw.policy.judge import Policy
from tests.support.written_configuration import Written


def test_what_is_bound_for_callers_is_said(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.prod["impersonate"] = "user"
    (tmp_path / "policy.yaml").write_text("rules: [{name: r, namespaces: [shop], verdict: allow, bind: debug}]\n")
    cluster = written.load().clusters["prod"]
    assert any("ClusterRole debug in shop is bound" in one for one in lines(cluster, Policy.load(tmp_path / "policy.yaml")))


def test_a_cluster_of_eks_is_told_by_its_name_there_and_by_the_role_as_which_it_is_reached(tmp_path: Path) -> None:
    written = Written(tmp_path)
    role = "arn:aws:iam::111122223333:role/l7gw"
    eks = {"name": "prod-1", "region": "eu-west-1"}
    written.top["clusters"] = {
        "each": {"eks": eks, "credential": {"aws": {"role": role}}},
        "one": {"eks": eks | {"endpoint-url": "https://eks.example"}, "credential": {"aws": {"role": role, "per": "gateway"}}},
    }
    each, one = written.load().clusters.values()
    policy = Policy.load(tmp_path / "policy.yaml")
    described = "to EKS cluster prod-1 in eu-west-1, at the endpoint and with the CA that DescribeCluster says"
    assert lines(each, policy)[1] == f"{described}, with tokens of {role}, a session for each person"
    assert lines(one, policy)[1] == f"{described} (asked at https://eks.example), with tokens of {role}, one session for everybody"
    found = document(each, policy)
    assert (found["server"], found["credential"], found["eks"]) == (None, "aws", eks)
