"""What AWS and the cluster answer is read as ways round the gateway, and which of them are left open."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.aws.policies import Allowed
from l7gw.cluster import ways_round
from l7gw.cluster.ways_round import Unreadable, Way, settled

ACCOUNT = "arn:aws:iam::111122223333:"
DESCRIBED: dict[str, Any] = {"name": "prod", "arn": "arn:aws:eks:eu-west-1:111122223333:cluster/prod"}


def network(public: bool, *cidrs: str) -> dict[str, Any]:
    return DESCRIBED | {
        "resourcesVpcConfig": {"endpointPublicAccess": public, "endpointPrivateAccess": True, "publicAccessCidrs": list(cidrs)}
    }


@pytest.mark.parametrize(
    ("cidrs", "is_open"),
    [
        ([], True),
        (["0.0.0.0/0"], True),
        (["10.0.0.0/8", "::/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["0.0.0.0/1", "128.0.0.0/2"], False),
        (["203.0.113.0/24"], False),
        (["anywhere"], True),
    ],
)
def test_an_endpoint_open_to_the_world_is_a_way_round(cidrs: list[str], is_open: bool) -> None:
    found = list(ways_round.of_endpoint(network(True, *cidrs)))
    assert [way.principal for way in found] == (["public-endpoint"] if is_open else [])
    assert all("--name prod --region eu-west-1" in way.remedy for way in found)
    assert list(ways_round.of_endpoint(network(False, *cidrs))) == []
    assert ways_round.endpoint_in_words(network(False)) == "private: it is reached from its VPC alone"
    assert (
        ways_round.endpoint_in_words(network(True, "203.0.113.0/24"))
        == "public: it is reached from 203.0.113.0/24 and from its VPC"
    )


def test_a_cluster_whose_creator_nothing_shows_has_an_administrator_that_cannot_be_named() -> None:
    for described in (DESCRIBED, DESCRIBED | {"accessConfig": {"authenticationMode": "CONFIG_MAP"}}):
        found = list(ways_round.of_mode(described))
        assert [(way.kind, way.principal) for way in found] == [("cluster-creator", "")]
        assert [way.standing for way in settled(found, "", ("arn:aws:iam::111122223333:*",))] == ["open"]
    assert list(ways_round.of_mode(DESCRIBED | {"accessConfig": {"authenticationMode": "API"}})) == []


def test_an_access_entry_tells_its_groups_and_policies_and_those_of_nodes_and_of_aws_are_no_ways() -> None:
    entry = {"principalArn": f"{ACCOUNT}role/team/admin", "type": "STANDARD", "kubernetesGroups": ["ops", "sre"]}
    policies = [
        {"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "accessScope": {"type": "cluster"}},
        {
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
            "accessScope": {"type": "namespace", "namespaces": ["a", "b"]},
        },
    ]
    way = ways_round.of_entry(DESCRIBED, entry, policies)
    assert (
        way.said == "access entry; groups ops, sre; AmazonEKSClusterAdminPolicy in the whole cluster; AmazonEKSViewPolicy in a, b"
    )
    assert way.standing == "open" and "delete-access-entry --cluster-name prod --region eu-west-1 --principal-arn" in way.remedy
    node = entry | {"type": "EC2_LINUX", "kubernetesGroups": ["system:nodes"]}
    auto = [{"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy", "accessScope": {"type": "cluster"}}]
    assert ways_round.of_entry(DESCRIBED, node, []).standing == "node"
    assert ways_round.of_entry(DESCRIBED, node | {"type": "EC2"}, auto).standing == "node"
    for sly, has in ((entry | {"type": "EC2_LINUX"}, []), (node | {"type": "EC2"}, policies), (node | {"type": "NEW_KIND"}, [])):
        assert ways_round.of_entry(DESCRIBED, sly, has).standing == "open"
    service = {"principalArn": f"{ACCOUNT}role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"}
    assert ways_round.of_entry(DESCRIBED, service, []).standing == "aws"
    alike = f"{ACCOUNT}role/x:role/aws-service-role/evil"  # a path may hold colons
    assert ways_round.of_entry(DESCRIBED, {"principalArn": alike}, []).standing == "open"
    assert ways_round.of_allowed(Allowed(alike, "yes", ("x",), bounded=False)).standing == "open"


def test_the_lines_of_aws_auth_are_read_as_the_authenticator_reads_them() -> None:
    data = {
        "mapRoles": f"""
- rolearn: {ACCOUNT}role/nodes
  username: system:node:{{{{EC2PrivateDNSName}}}}
  groups: [system:bootstrappers, system:nodes]
- rolearn: {ACCOUNT}role/admin
  username: admin
  groups: [system:masters]
- rolearn: {ACCOUNT}role/sly
  username: system:node:me
  groups: [system:nodes, system:masters]
""",
        "mapUsers": f'[{{"userarn": "{ACCOUNT}user/ann"}}, {{"userarn": "{ACCOUNT}user/bob", "username": "system:node:bob",'
        ' "groups": ["system:nodes"]}]',
        "mapAccounts": "- 000011112222\n- '444455556666'\n",
    }
    found = list(ways_round.of_aws_auth(data, "aws-cn"))
    assert [(way.principal.rpartition(":")[2], way.standing) for way in found] == [
        ("role/nodes", "node"), ("role/admin", "open"), ("role/sly", "open"), ("user/ann", "open"), ("user/bob", "open"),
        ("*", "open"), ("*", "open"),
    ]  # fmt: skip
    assert found[1].said == "mapRoles: user admin, groups system:masters" and found[3].said == f"mapUsers: user {ACCOUNT}user/ann"
    assert found[5].principal == "arn:aws-cn:iam::000011112222:*" and "configmap/aws-auth" in found[5].remedy
    assert list(ways_round.of_aws_auth({})) == list(ways_round.of_aws_auth({"mapRoles": "\n"})) == []


@pytest.mark.parametrize(
    "data",
    [
        {"mapRoles": "a: ["},
        {"mapRoles": "a: 1"},
        {"mapRoles": "[{}]"},
        {"mapRoles": "[1]"},
        {"mapUsers": 1},
        {"mapRoles": "[&a [1], *a]"},
        {"mapRoles": "[" * 500},
    ],
)
def test_lines_that_cannot_be_read_are_told_and_never_skipped(data: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        list(ways_round.of_aws_auth(data))


def test_providers_of_tokens_and_principals_of_iam_are_ways() -> None:
    arn = "arn:aws:eks:eu-west-1:111122223333:identityproviderconfig/prod/oidc/idp/1"
    provider = {"identityProviderConfigArn": arn, "identityProviderConfigName": "idp", "issuerUrl": "https://i", "clientId": "c"}
    way = ways_round.of_provider(DESCRIBED, provider)
    assert (way.principal, way.said) == (arn, "tokens of https://i for c are taken") and "type=oidc,name=idp" in way.remedy
    way = ways_round.of_allowed(Allowed(f"{ACCOUNT}role/admin", "perhaps", ("Admin", "x"), bounded=True))
    assert "Admin, x; its permission boundary" in way.said and "under conditions" in way.said


def way(principal: str, kind: Any = "access-entry") -> Way:
    return Way(kind, principal, "", "")


def test_the_gateways_own_role_is_known_and_break_glass_names_others_by_globs() -> None:
    ways = [
        way(f"{ACCOUNT}role/team/l7gw"),
        way(f"{ACCOUNT}role/L7GW", "iam"),
        way(f"{ACCOUNT}role/l7gw2"),
        way(f"{ACCOUNT}role/ops/breakglass-1", "aws-auth"),
        way(f"{ACCOUNT}user/root-of-all"),
        way("public-endpoint", "public-endpoint"),
    ]
    named = (f"{ACCOUNT}role/BreakGlass-*", f"{ACCOUNT}user/root-of-all")
    found = settled(ways, f"{ACCOUNT}role/other-path/l7gw", named)
    assert [one.standing for one in found] == ["gateway", "gateway", "open", "break-glass", "break-glass", "open"]
    assert settled(ways, "", ("public-endpoint",))[5].standing == "break-glass"
    assert [one.standing for one in settled(ways[:1], "", (f"{ACCOUNT}role/team/*",))] == ["break-glass"]
