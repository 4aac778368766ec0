"""`l7gw clusters test` before EKS as near as it comes without AWS: the steps at AWS, and every way round the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.cluster.rights import what_gives
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import Cluster
from l7gw.demo.pki import Authority
from tests.cli.test_check import run
from tests.support.aws.bodies import THROTTLED
from tests.support.aws.eks_cluster import EksCluster
from tests.support.aws.environment import inherit
from tests.support.aws.metadata import profiles
from tests.support.faults import until
from tests.support.gateway_process import Gateway

POLICY = "rules:\n  - {name: engineers, groups: [engineers], effects: ['*'], verdict: allow}\n"
ACCOUNT = "arn:aws:iam::111122223333:"
AWS_AUTH = "/api/v1/namespaces/kube-system/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system"
READS_AWS_AUTH = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["aws-auth"], "verbs": ["get"]}


class Bench:
    """The command on a cluster of EKS, within this process. Its state at AWS and in the cluster is put back at the end."""

    def __init__(self, eks: EksCluster, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.eks, self._monkeypatch, self._capsys = eks, monkeypatch, capsys
        self.aws, self.at = eks.aws, eks.aws.eks.clusters["eu-west-1", "prod"]
        authority = Authority(folder / "issuer", "issuer CA")
        where = {"endpoint-url": self.aws.url, "certificate-authority": str(self.aws.certificate_authority)}
        self.entry: dict[str, Any] = {
            "eks": {"name": "prod", "region": "eu-west-1", **where},
            "credential": {"aws": {"role": eks.gateway.arn, **where}},
        }
        identity = [{"client-certificate": {"certificate-authority": str(authority.certificate)}}]
        self.environment: dict[str, str] = {}  # of the gateway, at AWS
        self._gateway = Gateway(folder, {"identity": identity, "clusters": {"prod": self.entry}}, POLICY)

    def __call__(self, *options: str) -> tuple[int, str, str]:
        config = self._gateway.config
        config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "clusters": {"prod": self.entry}}))
        self._capsys.readouterr()
        status = run(self._monkeypatch, "clusters", "test", "prod", "--config", config, *options)
        return status, *self._capsys.readouterr()

    def online(self) -> tuple[int, str, str]:
        """`l7gw check --online` on the same configuration."""
        config = self._gateway.config
        config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "clusters": {"prod": self.entry}}))
        self._capsys.readouterr()
        words = ("check", "--online", "--address", "localhost", "--config", config, "-o", "json")
        return run(self._monkeypatch, *words), *self._capsys.readouterr()

    def document(self, *options: str) -> tuple[int, dict[str, dict[str, Any]], list[dict[str, Any]]]:
        """Status, the steps by name, and the ways round."""
        status, out, err = self("-o", "json", *options)
        assert not err and not any(canary in out for canary in self.aws.canaries)
        said = json.loads(out)
        assert said["ok"] is (status == 0)
        return status, {step["name"]: step for step in said["steps"]}, said["ways_round"]


def quiet_account(asked: Any) -> dict[str, Any]:
    return {"IsTruncated": "false", "RoleDetailList": [], "UserDetailList": [], "GroupDetailList": [], "Policies": []}


@pytest.fixture
def bench(eks: EksCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    keys = eks.aws.ring.user("gateway")
    where = {"AWS_ENDPOINT_URL_IAM": eks.aws.url, "AWS_CA_BUNDLE": str(eks.aws.certificate_authority)}
    inherit(monkeypatch, keys.environment, where)
    it = Bench(eks, tmp_path, monkeypatch, capsys)
    it.environment = {**keys.environment, **where}
    described, entries = dict(it.at.described), dict(it.at.entries)
    it.at.entries = {eks.gateway.arn: entries[eks.gateway.arn]}
    it.at.described["resourcesVpcConfig"] = {"endpointPublicAccess": False, "endpointPrivateAccess": True}
    eks.aws.iam["GetAccountAuthorizationDetails"] = quiet_account
    eks.aws.eks.answers["GET", "/clusters/prod/identity-provider-configs"] = lambda _: {"identityProviderConfigs": []}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "l7gw-aws-auth", "namespace": "kube-system"},
    }
    subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "l7gw-gateways"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "l7gw-aws-auth"}
    eks.cluster.apply({**role, "rules": [READS_AWS_AUTH]})
    eks.cluster.apply({**role, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]})
    yield it
    it.at.described, it.at.entries = described, entries
    it.at.policies.clear()
    del eks.aws.iam["GetAccountAuthorizationDetails"]
    eks.aws.eks.answers.clear()
    eks.cluster.request("DELETE", f"{AWS_AUTH}/aws-auth")
    eks.cluster.request("DELETE", f"{RBAC}/rolebindings/l7gw-aws-auth")


def test_a_cluster_that_nobody_goes_round_passes_each_step_from_aws_to_rbac(bench: Bench) -> None:
    status, steps, ways = bench.document()
    assert {name: step["outcome"] for name, step in steps.items() if step["outcome"] != "ok"} == {"no more than that": "warning"}
    assert list(steps)[:9] == [
        "AWS credentials",
        "AssumeRole",
        "DescribeCluster",
        "endpoint",
        "DNS",
        "TCP",
        "TLS",
        "token",
        "version",
    ]
    assert status == 0
    assert bench.eks.gateway.arn in steps["AssumeRole"]["said"] and "user/gateway" in steps["AWS credentials"]["said"]
    assert "the CA that EKS describes" in steps["TLS"]["said"]
    assert f"user {bench.eks.user_of('l7gw')}, groups l7gw-gateways" in steps["who"]["said"]
    assert [(way["principal"], way["standing"]) for way in ways] == [(bench.eks.gateway.arn, "gateway")]


def test_check_online_takes_the_same_steps_at_aws(bench: Bench) -> None:
    status, out, err = bench.online()
    found = {line["check"].removeprefix("cluster prod: "): line for line in json.loads(out)}
    assert (status, err) == (0, "") and not any(canary in out for canary in bench.aws.canaries)
    for step in ("AWS credentials", "AssumeRole", "DescribeCluster", "endpoint", "TLS", "token", "version", "who", "certificate"):
        assert found[step]["state"] == "green", found
    bench.entry["credential"]["aws"]["role"] = f"{ACCOUNT}role/nobody"
    status, out, _ = bench.online()
    (red,) = [line for line in json.loads(out) if line["state"] == "red"]
    assert status == 1 and red["check"] == "cluster prod: AssumeRole" and red["hint"]


def test_every_way_round_is_found_and_is_open_until_it_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at = bench.at
    at.described["resourcesVpcConfig"] = {
        "endpointPublicAccess": True,
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["0.0.0.0/0", "\x1b[2J"],
    }
    monkeypatch.setattr("tests.support.aws.eks.PAGE", 2)
    for number in range(3):  # with the others more than one answer holds
        at.entry(f"{ACCOUNT}role/node-{number}", kind="EC2_LINUX")
    at.entry(f"{ACCOUNT}role/team/admin", ["admins"])
    at.associate(f"{ACCOUNT}role/team/admin", "AmazonEKSClusterAdminPolicy")
    at.associate(bench.eks.gateway.arn, "AmazonEKSEditPolicy")
    data = {
        "mapRoles": f"- {{rolearn: '{ACCOUNT}role/old', username: old, groups: [system:masters]}}",
        "mapAccounts": "['444455556666']",
    }
    status, answer = bench.eks.cluster.request("POST", AWS_AUTH, {"metadata": {"name": "aws-auth"}, "data": data})
    assert status == 201, answer
    arn = "arn:aws:eks:eu-west-1:111122223333:identityproviderconfig/prod/oidc/idp/1"
    oidc = {"identityProviderConfigArn": arn, "identityProviderConfigName": "idp", "issuerUrl": "https://i", "clientId": "c"}
    path = "/clusters/prod/identity-provider-configs"
    bench.aws.eks.answers["GET", path] = lambda _: {"identityProviderConfigs": [{"type": "oidc", "name": "idp"}]}
    bench.aws.eks.answers["POST", "/clusters/prod/identity-provider-configs/describe"] = lambda _: {
        "identityProviderConfig": {"oidc": oidc}
    }
    allows = json.dumps({"Statement": [{"Effect": "Allow", "Action": "eks:*", "Resource": "*"}]})

    def account(asked: Any) -> dict[str, Any]:
        if "Marker" not in asked.parameters:
            return {**quiet_account(asked), "IsTruncated": "true", "Marker": "more"}
        policy = {"PolicyName": "all", "PolicyDocument": allows}
        return {**quiet_account(asked), "RoleDetailList": [{"Arn": f"{ACCOUNT}role/console", "RolePolicyList": [policy]}]}

    bench.aws.iam["GetAccountAuthorizationDetails"] = account
    status, steps, ways = bench.document()
    assert steps["access entries"]["outcome"] == "warning" and "own role has AmazonEKSEditPolicy" in steps["access entries"]["said"]
    assert "cluster-access-policy/AmazonEKSEditPolicy" in steps["access entries"]["remedy"]
    found = {way["principal"]: way for way in ways if way["standing"] == "open"}
    named = [f"{ACCOUNT}role/team/admin", f"{ACCOUNT}role/old", "arn:aws:iam::444455556666:*", arn, f"{ACCOUNT}role/console"]
    assert status == 1 and sorted(found) == sorted([*named, "public-endpoint"])
    assert "AmazonEKSClusterAdminPolicy in the whole cluster" in found[f"{ACCOUNT}role/team/admin"]["said"]
    assert sum(way["standing"] == "node" for way in ways) == 3
    status, out, _ = bench()
    assert "\x1b" not in out and "\\x1b[2J" in out
    assert status == 1 and "open round the gateway: 6 ways" in out and "-> aws eks delete-access-entry" in out
    bench.entry["break-glass"] = [*named[1:], f"{ACCOUNT}role/ad*", "public-endpoint"]
    assert bench.document()[0] == 0
    bench.entry["break-glass"].remove("public-endpoint")
    assert bench.document()[0] == 1


def test_what_aws_does_not_let_the_gateway_see_is_a_line_each_with_the_statement_to_add(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for action in (
        "eks:ListAccessEntries",
        "eks:GET /clusters/prod/identity-provider-configs",
        "iam:GetAccountAuthorizationDetails",
    ):
        monkeypatch.setitem(bench.aws.denied, action, "")
    status, steps, _ = bench.document()
    assert status == 3
    assert {name for name, step in steps.items() if step["outcome"] == "failed"} == {"access entries", "identity providers", "IAM"}
    assert '"Action":"eks:ListAccessEntries"' in steps["access entries"]["remedy"]
    assert '"Action":"iam:GetAccountAuthorizationDetails"' in steps["IAM"]["remedy"]
    assert steps["aws-auth"]["outcome"] == "ok"
    bench.eks.cluster.request("DELETE", f"{RBAC}/rolebindings/l7gw-aws-auth")
    until(lambda: bench.document()[1]["aws-auth"]["outcome"] == "failed", 20.0)
    assert "l7gw rbac render prod --ways-round | kubectl apply" in bench.document()[1]["aws-auth"]["remedy"]


def test_a_step_at_aws_that_fails_ends_what_needs_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bench.eks.gateway, "allows", bench.eks.gateway.allows - {"sts:TagSession"})
        status, steps, ways = bench.document()
    failed = steps["AssumeRole"]
    assert status == 3 and not ways and failed["outcome"] == "failed" and "sts:TagSession" in failed["remedy"]
    assert {steps[name]["outcome"] for name in ("DescribeCluster", "DNS", "token", "who")} == {"not tried"}
    assert steps["ways round"]["outcome"] == "not asked" and "--profile" in steps["ways round"]["said"]
    with bench.aws.failing(THROTTLED, "DescribeCluster"):
        status, steps, _ = bench.document()
    assert status == 3 and "throttles" in steps["DescribeCluster"]["said"] and steps["TLS"]["outcome"] == "not tried"


def test_somebody_who_may_read_iam_asks_for_ways_round_with_a_profile_of_his(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = bench.aws.ring.user("auditor")
    keys = {"aws_access_key_id": auditor.access_key, "aws_secret_access_key": auditor.secret}
    inherit(monkeypatch, bench.environment, profiles(tmp_path, {"audit": keys}))
    before = len(bench.aws.visits)
    status, steps, _ = bench.document("--profile", "audit")
    came = {visit.action: visit.caller for visit in bench.aws.visits[before:]}
    assert status == 0 and came["ListAccessEntries"] == came["GetAccountAuthorizationDetails"] == auditor.arn
    assert came["AssumeRole"] != auditor.arn and bench.eks.gateway.arn in steps["AssumeRole"]["said"]
    status, steps, _ = bench.document("--profile", "none")
    assert status == 3 and "there is no such profile" in steps["public endpoint"]["said"]


def test_rbac_that_is_missing_is_rendered_for_the_group_that_the_access_entry_has(bench: Bench) -> None:
    bench.entry["credential"]["aws"]["role"] = bench.eks.bare.arn
    bench.entry["groups"] = ["whom-nobody-bound"]
    status, steps, _ = bench.document()
    assert status == 3
    remedy = steps["impersonate groups l7gw:whom-nobody-bound"]["remedy"]
    assert remedy == "l7gw rbac render prod --to group:l7gw-bare | kubectl apply -f -"


def test_an_access_entry_without_a_group_is_given_one() -> None:
    arn = "arn:aws:iam::111122223333:role/team/l7gw"
    at_eks = Cluster("prod", "", 443, None, AwsRole(arn), eks=Eks("prod-1", "eu-west-1"))
    assert what_gives(at_eks, ["system:authenticated"]) == (
        f"aws eks update-access-entry --cluster-name prod-1 --region eu-west-1 --principal-arn {arn} "
        "--kubernetes-groups l7gw-gateways && l7gw rbac render prod | kubectl apply -f -"
    )
    for groups in (["l7gw-gateways", "system:authenticated"], None):
        assert what_gives(at_eks, groups) == "l7gw rbac render prod | kubectl apply -f -"


def test_iam_that_cannot_be_reached_is_told_by_its_own_address(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", "https://127.0.0.1:1")
    _, steps, _ = bench.document()
    assert steps["IAM"]["outcome"] == "failed" and "127.0.0.1:1 cannot be reached" in steps["IAM"]["said"]
