"""`l7gw rbac render NAME` prints manifests for a configuration and its policy, with what they rest on in the recordings."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.demo.pki import write_private
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from tests.support.journals import cli_run, recorded
from tests.support.written_configuration import Written

Run = Any
POLICY = 'rules:\n  - {name: teams, groups: ["team-*"], effects: [read], verdict: allow}\n'


@pytest.fixture
def written(tmp_path: Path) -> Written:
    found = Written(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    found.load()
    return found


@pytest.fixture
def render(written: Written, capsys: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: cli_run(capsys, "rbac", "render", *arguments, "--config", written.path)


def test_what_is_printed_are_documents_and_the_same_objects_in_json(render: Run) -> None:
    status, out, err = render("prod", "--group", "team-a", "--group", "team-b")
    assert (status, err) == (0, "")
    objects = [*yaml.safe_load_all(out)]
    assert [one["kind"] for one in objects] == ["ClusterRole", "ClusterRoleBinding"]
    assert objects[0]["rules"][1]["resourceNames"] == ["l7gw:team-a", "l7gw:team-b"]
    assert "--group=l7gw:team-b" in out
    status, out, _ = render("prod", "--group", "team-a", "--group", "team-b", "-o", "json")
    assert (status, json.loads(out)) == (0, objects)


def test_names_come_from_the_recordings_where_nobody_states_them(render: Run, written: Written, capsys: Any) -> None:
    status, out, err = render("prod")
    assert (status, out) == (2, "") and "has the pattern team-*" in err and "hint: --group NAME" in err

    def fill(recorder: Any) -> None:
        for cluster, group in (("prod", "team-a"), ("stage", "team-z"), ("prod", "other")):
            call = recorder.session(Principal("ann", (group,)), cluster).begin(run_id="r", client="", command="")
            call.request(method="GET", target="/api", headers=(), act=describe("GET", "/api"), audit_id="a")
            call.end("complete")

    recorded(written.folder / "state", fill)
    status, out, err = render("prod", "-o", "json")
    assert (status, err) == (0, "") and json.loads(out)[0]["rules"][1]["resourceNames"] == ["l7gw:team-a"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prd",), "did you mean prod?"),
        (("prod", "--to", "l7gw-gateways"), "hint: group:l7gw-gateways"),
        (("prod", "--to", "serviceaccount:gateway"), "serviceaccount:NAMESPACE/NAME"),
        (("prod", "--to", "group:a/b"), "hint: group:"),
        (("prod", "--group", "team-a", "--to", "group:l7gw:team-a"), "would get the gateway's own rights"),
        (("prod", "--as-service-account", "ci"), "NAMESPACE/NAME, such as dev/ci"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(render: Run, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = render(*arguments)
    assert (status, out) == (2, "") and said in err


def test_a_service_account_can_hold_the_gateways_rights(render: Run) -> None:
    _, out, _ = render("prod", "--group", "team-a", "--to", "serviceaccount:l7gw/gateway", "-o", "json")
    assert json.loads(out)[1]["subjects"] == [{"kind": "ServiceAccount", "namespace": "l7gw", "name": "gateway"}]


def test_without_to_the_rights_are_bound_to_whom_the_credential_names(render: Run, written: Written, tmp_path: Path) -> None:
    def holders(credential: dict[str, str]) -> Any:
        written.top["clusters"]["prod"]["credential"] = credential
        written.load()
        status, out, err = render("prod", "--group", "team-a", "-o", "json")
        assert status == 0
        return json.loads(out)[1]["subjects"], err

    def token(text: str) -> dict[str, str]:
        write_private(tmp_path / "gateway.token", text.encode())
        return {"token-file": "gateway.token"}

    def signed(claims: Any) -> dict[str, str]:
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return token(f"e30.{part}.c2ln\n")

    group = [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "l7gw-gateways"}]
    account = [{"kind": "ServiceAccount", "namespace": "l7gw", "name": "gateway"}]
    assert holders(signed({"sub": "system:serviceaccount:l7gw:gateway"})) == (account, "")
    assert holders(signed({"sub": "ann"})) == (group, "") and holders(signed(["sub"])) == (group, "")
    assert holders({"client-certificate": "gw.crt", "client-key": "gw.key"}) == (
        [{**group[0], "kind": "User", "name": "gateway"}],
        "",
    )
    assert holders(token("opaque")) == (group, "")
    found, err = holders(token("a.e.c"))
    assert found == group and "cannot be read: bound is group l7gw-gateways; --to says another" in err


def test_of_a_cluster_of_eks_aws_is_told_too_and_who_else_comes_may_be_read(written: Written, render: Run) -> None:
    role = "arn:aws:iam::111122223333:role/l7gw-prod"
    written.prod.clear()
    written.prod |= {
        "eks": {"name": "prod-1", "region": "eu-west-1"},
        "credential": {"aws": {"role": role, "external-id": "tenant-7"}},
    }
    written.load()
    status, out, err = render("prod", "--group", "team-a", "--ways-round", "--reads-rbac")
    assert (status, err) == (0, "") and f"--principal-arn {role}" in out
    names = [one["metadata"]["name"] for one in yaml.safe_load_all(out)]
    assert names == ["l7gw-gateways", "l7gw-gateways", "l7gw-aws-auth", "l7gw-aws-auth"]
    assert "rolebindings" in out
    trust = json.loads(render("prod", "--format", "trust-policy")[1])["Statement"]
    assert trust[0]["Condition"] == {"StringEquals": {"sts:ExternalId": "tenant-7"}}
    assert "iam:GetAccountAuthorizationDetails" in render("prod", "--format", "role-policy", "--ways-round")[1]
    assert render("prod", "--to", "user:gw", "--group", "team-a")[0] == 2
